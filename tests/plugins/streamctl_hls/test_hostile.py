"""Servers that are gone, lie, or never end: a clear error, no stall of the loop, bounded memory."""

from __future__ import annotations

import gzip
import time
import tracemalloc

import anyio
import pytest

from streamctl.errors import ConnectionFailed, RemoteProtocolError
from streamctl.testing.gate import BareContext
from streamctl_hls import loader as loader_module
from tests.plugins.streamctl_hls.upstream import Writer, answer, listed, playlist, source, ts
from tests.streamctl.net.test_http_client import Site, visited
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

STALL_S = 0.25
"""A large playlist that is read in the loop takes a second; small machines are slower."""
ATTEMPTS = 3
"""Of a virtual machine's pauses some count as work; they don't come each time."""
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_module, "FIRST_PAUSE_S", 0.01)


class Loop:
    """Measures how long each turn of the loop works; what other processes take is not counted."""

    def __init__(self) -> None:
        self.worst_s = 0.0

    async def watch(self) -> None:
        before = time.thread_time()
        while True:
            await anyio.sleep(0.001)
            now = time.thread_time()
            self.worst_s, before = max(self.worst_s, now - before), now


async def failure(answers: dict[str, bytes], path: str = "/x.m3u8", **keys: object) -> Exception:
    """Why a pull ended, without having kept the loop."""
    worst_s: list[float] = []
    for _ in range(ATTEMPTS):
        loop = Loop()
        found: list[Exception] = []
        async with visited(Site(answers)) as site, anyio.create_task_group() as tasks:
            tasks.start_soon(loop.watch)
            with anyio.fail_after(3 * PATIENCE_S):
                try:
                    await source(site.url(path), **keys).run(Writer())
                except (ConnectionFailed, RemoteProtocolError) as error:
                    found.append(error)
            tasks.cancel_scope.cancel()
        assert found, "it ended well"
        worst_s.append(loop.worst_s)
        if loop.worst_s < STALL_S:
            return found[0]
    raise AssertionError(f"the loop was kept for {worst_s} s")


async def test_a_server_that_is_not_there_is_said() -> None:
    with pytest.raises(ConnectionFailed, match="connection refused"):
        await source(f"http://127.0.0.1:{free_port()}/x.m3u8").run(Writer())


async def test_a_server_without_tls_is_said() -> None:
    async with visited(Site({"/x.m3u8": playlist(*listed("0.ts"))})) as site:
        pull = source(site.url("/x.m3u8", "https"))
        assert isinstance(pull.ctx, BareContext)
        pull.ctx.handshake_s = 0.5
        with pytest.raises(ConnectionFailed, match="127"):
            await pull.run(Writer())


async def test_redirects_without_end_are_left() -> None:
    chain = {
        f"/{n}.m3u8": answer(b"", f"Location: /{n + 1}.m3u8", status="302 Found") for n in range(99)
    }
    error = await failure(chain, "/0.m3u8")
    assert "in a circle" in str(error)
    assert getattr(error, "permanent", False)


async def test_playlists_without_end_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = loader_module.Loader.playlist.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "timeout_s", 0.2)
    error = await failure({"/x.m3u8": ENDLESS + b"#EXTM3U\n#EXTINF:2,\n"})
    assert "took longer than" in str(error)


@pytest.mark.parametrize("packed", [False, True])
async def test_playlists_of_ten_megabytes_are_refused(packed: bool) -> None:
    text = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n" + b"#EXTINF:2,\nx.ts\n" * 650_000
    assert len(text) > 10_000_000
    body = gzip.compress(text, 1) if packed else text
    headers = ["Content-Encoding: gzip"] if packed else []
    tracemalloc.start()
    try:
        error = await failure({"/x.m3u8": answer(body, *headers)})
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "more than 4194304 bytes" in str(error)
    assert most < 40 << 20


async def test_playlists_of_a_day_keep_nobody_waiting() -> None:
    lines = [line for n in range(43_200) for line in ("#EXTINF:2.0,", f"segment-{n}.ts")]
    gone = {f"/segment-{n}.ts": answer(b"", status="404 Not Found") for n in range(3)}
    error = await failure({"/x.m3u8": playlist(*lines)} | gone)
    assert "segment 2: " in str(error)
    assert "404" in str(error)


def segments(data: bytes) -> dict[str, bytes]:
    return {
        "/x.m3u8": playlist(*listed("a", "b", "c", "d")),
        **dict.fromkeys(("/a", "/b", "/c", "/d"), data),
    }


async def test_segments_that_trickle_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_module, "SEGMENT_S", 0.1)
    error = await failure(segments(ENDLESS + ts(0)))
    assert "took longer than 0.1 s" in str(error)


@pytest.mark.parametrize("packed", [False, True])
async def test_segments_without_bounds_are_left(
    packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader_module, "MAX_SEGMENT_BYTES", 100_000)
    body = gzip.compress(bytes(9_000_000)) if packed else bytes(200_000)
    headers = ["Content-Encoding: gzip"] if packed else []
    error = await failure(segments(answer(body, *headers)))
    assert "has more than 100000 bytes" in str(error)


async def test_packed_segments_are_unpacked() -> None:
    writer = Writer()
    body = answer(gzip.compress(ts(0)), "Content-Encoding: gzip")
    async with visited(Site({"/x.m3u8": playlist(*listed("a")), "/a": body})) as site:
        await source(site.url("/x.m3u8")).run(writer)
    assert writer.data == ts(0)
