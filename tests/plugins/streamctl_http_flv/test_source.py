"""Fetching a stream into an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import to_thread

from streamctl.errors import (
    ConfigError,
    ConnectionFailed,
    MediaError,
    RemoteProtocolError,
    StaleEpoch,
    Unsupported,
)
from streamctl.media import amf0
from streamctl.media.packet import Codec, Kind
from streamctl.net.tls import ServerTls
from streamctl.sdk.url import StreamURL
from streamctl.testing.gate import BareContext
from streamctl_http_flv.options import HttpFlvInputOptions
from streamctl_http_flv.source import HttpFlvSource
from tests.plugins.streamctl_http_flv.test_reader import HEADER, tag
from tests.plugins.streamctl_rtmp.world import ASC, IDR, SLICE, World, Writer, avcc
from tests.streamctl.net.test_http_client import OK, Site, visited
from tests.support.certificates import self_signed
from tests.support.steady import SteadyClock
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

FIRST = (
    tag(18, 0, amf0.encode("onMetaData", {"videocodecid": 7.0, "audiocodecid": 10.0}))
    + tag(9, 0, b"\x17\0\0\0\0" + avcc())
    + tag(8, 0, b"\xaf\0" + ASC)
)
MEDIA = (
    tag(9, 1000, b"\x17\1\0\0\x50" + IDR)
    + tag(8, 1000, b"\xaf\1sound")
    + tag(9, 1040, b"\x27\1\0\0\0" + SLICE)
)


def source(url: str, **keys: object) -> HttpFlvSource:
    options = HttpFlvInputOptions.model_validate(keys)
    return HttpFlvSource(StreamURL.parse(url), options, BareContext(SteadyClock()))


async def fetched(body: bytes, headers: bytes = b"") -> tuple[Writer, ConnectionFailed]:
    """What a stream that ends brings."""
    writer = Writer(World())
    async with visited(Site({"/x.flv": OK + headers + b"\r\n" + body}, close=True)) as site:
        with pytest.raises(ConnectionFailed) as caught:
            await source(site.url("/x.flv")).run(writer)
    return writer, caught.value


async def test_tags_become_tracks_and_access_units() -> None:
    writer, error = await fetched(HEADER + FIRST + MEDIA)
    assert [track.codec for track in writer.announced[0]] == [Codec.H264, Codec.AAC]
    assert [track.config for track in writer.announced[-1]] == [avcc(), ASC]
    assert [(p.track, p.dts, p.pts, p.kind) for p in writer.packets] == [
        (0, 90_000, 97_200, Kind.KEY),
        (1, 90_000, 90_000, Kind.AUDIO),
        (0, 93_600, 93_600, Kind.P),
    ]
    assert not error.permanent


async def test_media_comes_as_it_is_sent() -> None:
    writer = Writer(World())
    site_of_tags = Site({"/x.flv": OK + b"\r\n" + HEADER + FIRST})
    async with visited(site_of_tags) as site, anyio.create_task_group() as tasks:
        tasks.start_soon(source(site.url("/x.flv")).run, writer)
        await until(lambda: len(writer.announced) == 3)
        site.wires[0].write(MEDIA)
        await until(lambda: len(writer.packets) == 3)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Type: Text/HTML; charset=utf-8\r\n",
        b"Content-Type: application/vnd.apple.mpegurl\r\n",
        b"Content-Length: 5000\r\nAccept-Ranges: bytes\r\n",
    ],
)
async def test_what_is_no_live_stream_is_refused(headers: bytes) -> None:
    async with visited(Site({"/x.flv": OK + headers + b"\r\n"})) as site:
        with pytest.raises(MediaError) as caught:
            await source(site.url("/x.flv")).run(Writer(World()))
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (b"\x47" + bytes(187), RemoteProtocolError, "is no FLV"),
        (HEADER + tag(9, 0, b"\x12pictures"), Unsupported, "Sorenson .* by HTTP-FLV here"),
    ],
)
async def test_what_can_not_be_read_is_said(
    body: bytes, error: type[Exception], words: str
) -> None:
    async with visited(Site({"/x.flv": OK + b"\r\n" + body})) as site:
        with pytest.raises(error, match=words):
            await source(site.url("/x.flv")).run(Writer(World()))


async def test_login_and_headers_are_sent() -> None:
    async with visited(Site({}, close=True)) as site:
        url = site.url("/x.flv").replace("http://", "http-flv+http://us:pw@")
        with pytest.raises(ConnectionFailed) as caught:
            await source(url, headers={"X-Key": "k"}).run(Writer(World()))
    assert b"\r\nAuthorization: Basic dXM6cHc=\r\n" in site.requests[0]
    assert b"\r\nX-Key: k\r\n" in site.requests[0]
    assert "pw" not in str(caught.value)


async def test_an_epoch_that_has_ended_ends_the_source() -> None:
    async with visited(Site({"/x.flv": OK + b"\r\n" + HEADER + FIRST})) as site:
        with pytest.raises(StaleEpoch):
            await source(site.url("/x.flv")).run(Writer(World(), stale=True))


async def test_tls_is_trusted_as_the_options_say(tmp_path: Path) -> None:
    pair = await to_thread.run_sync(self_signed, tmp_path)
    answer = OK + b"\r\n" + HEADER + FIRST + MEDIA
    tls = ServerTls(pair.cert, pair.key)
    async with visited(Site({"/x.flv": answer}, close=True), tls) as site:
        url = site.url("/x.flv", "https")
        with pytest.raises(ConnectionFailed, match="not trusted"):
            await source(url).run(Writer(World()))
        writer = Writer(World())
        with pytest.raises(ConnectionFailed):
            await source(url, tls_ca=pair.cert).run(writer)
    assert len(writer.packets) == 3


@pytest.mark.parametrize(
    ("url", "keys"), [("http-flv+http:///x", {}), ("http://h/x.flv", {"headers": {"Host": "x"}})]
)
async def test_what_can_not_be_asked_for_is_refused(url: str, keys: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        source(url, **keys)
