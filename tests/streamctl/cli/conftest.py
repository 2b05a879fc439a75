"""A control API with nothing behind it, for commands that ask one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from anyio.from_thread import start_blocking_portal

from streamctl.api.app import build_app
from streamctl.api.serve import serve_api
from streamctl.config.model import ApiConfig
from tests.support.control import FakeControl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio.abc import TaskStatus

    from streamctl.sdk.endpoints import Address


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeControl]:
    """What answers at ``STREAMCTL_SERVER``."""

    fake = FakeControl()
    app = build_app(fake, ApiConfig())

    async def serve(*, task_status: TaskStatus[Address]) -> None:
        await serve_api(app, ("127.0.0.1", 0), ready=task_status.started)

    with start_blocking_portal() as portal:
        serving, address = portal.start_task(serve)
        monkeypatch.setenv("STREAMCTL_SERVER", f"http://127.0.0.1:{address[1]}")
        try:
            yield fake
        finally:
            serving.cancel()


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither colours nor a server of the developer's own."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("STREAMCTL_SERVER", "http://127.0.0.1:1")
    monkeypatch.delenv("STREAMCTL_TOKEN", raising=False)
