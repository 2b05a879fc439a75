from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.api.app import build_app
from streamctl.config.model import ApiConfig
from tests.support.asgi import AppClient
from tests.support.control import FakeControl

if TYPE_CHECKING:
    from starlette.applications import Starlette


@pytest.fixture
def server() -> FakeControl:
    return FakeControl()


@pytest.fixture
def app(server: FakeControl) -> Starlette:
    return build_app(server, ApiConfig())


@pytest.fixture
def client(app: Starlette) -> AppClient:
    """A client on this machine, which sends JSON as operators' tools do."""
    return AppClient(app, host="127.0.0.1:9997", headers={"content-type": "application/json"})
