from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.cli.explain import Enough, Nowhere, refusal
from streamctl.errors import ConnectionFailed
from streamctl.net.tls import ServerTls
from streamctl.registry import Registry
from tests.streamctl.net.recorder import RecordingPeer, serving
from tests.support.certificates import self_signed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio
REGISTRY = Registry()
REGISTRY.load_all()


async def test_what_the_server_says_is_told() -> None:
    said = await refusal(REGISTRY, "rtmp://127.0.0.1:1/live/x", 5)
    assert isinstance(said, ConnectionFailed)
    assert "refused" in str(said)


async def test_a_server_that_sends_nothing_is_told() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        said = await refusal(REGISTRY, f"rtmp://127.0.0.1:{port}/live/x?key=s3cret", 0.2)
    assert said is not None
    assert "sends nothing" in str(said) or "no answer" in str(said)
    assert "s3cret" not in str(said)


@pytest.mark.parametrize("kind", ["", "hls+", "dash+"])
async def test_a_certificate_that_is_not_trusted_is_told(tmp_path: Path, kind: str) -> None:
    tls = ServerTls(*astuple(self_signed(tmp_path)))
    async with serving(RecordingPeer, tls=tls) as (_, port):
        said = await refusal(REGISTRY, f"{kind}https://u:s3cret@localhost:{port}/a.m3u8", 5)
    assert said is not None
    assert str(said).startswith(f"can't connect to `localhost:{port}`: certificate not trusted")
    assert "SSL_CERT_FILE" in said.hint


async def test_a_trusted_server_has_nothing_to_add(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(pair.cert))
    async with serving(RecordingPeer, tls=ServerTls(pair.cert, pair.key)) as (_, port):
        assert await refusal(REGISTRY, f"https://localhost:{port}/a.mp4", 5) is None


@pytest.mark.parametrize(
    "target",
    ["nothing", "icecast://127.0.0.1:1", "dash+http://127.0.0.1:1/x", "https://[x/y", "https:x"],
)
async def test_whom_no_plugin_pulls_has_nothing_to_add(target: str) -> None:
    assert await refusal(REGISTRY, target, 1) is None


def test_media_is_all_that_was_asked_for() -> None:
    nowhere = Nowhere()
    nowhere.drop(1)
    nowhere.discontinuity("x")
    asks: tuple[Callable[[], None], ...] = (
        lambda: nowhere.tracks([]),
        lambda: nowhere.put([], 0),
        lambda: nowhere.put_ts(b"", 0),
    )
    for ask in asks:
        with pytest.raises(Enough):
            ask()
