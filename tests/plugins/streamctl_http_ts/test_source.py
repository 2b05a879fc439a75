"""Fetching a stream into an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import to_thread

from streamctl.errors import ConfigError, ConnectionFailed, MediaError, StaleEpoch
from streamctl.net.tls import ServerTls
from streamctl.sdk.url import StreamURL
from streamctl.testing.gate import BareContext
from streamctl_http_ts.options import HttpTsInputOptions
from streamctl_http_ts.source import HttpTsSource
from tests.plugins.streamctl_udp.lane import Writer
from tests.streamctl.net.test_http_client import CHUNKED, OK, Site, visited
from tests.support.certificates import self_signed
from tests.support.steady import SteadyClock
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

MEDIA = b"\x47\x01\x00\x10".ljust(188, b"m")
CHUNK = b"bc\r\n" + MEDIA + b"\r\n"


def source(url: str, **keys: object) -> HttpTsSource:
    options = HttpTsInputOptions.model_validate(keys)
    return HttpTsSource(StreamURL.parse(url), options, BareContext(SteadyClock()))


async def test_media_goes_into_the_epoch_as_it_comes() -> None:
    writer = Writer()
    async with visited(Site({"/live/x.ts": CHUNKED})) as site, anyio.create_task_group() as tasks:
        tasks.start_soon(source(site.url("/live/x.ts")).run, writer)
        await until(lambda: site.requests)
        site.wires[0].write(CHUNK)
        await until(lambda: len(writer.data) == 188)
        site.wires[0].write(CHUNK)
        await until(lambda: len(writer.data) == 2 * 188)
        tasks.cancel_scope.cancel()
    assert writer.data == MEDIA * 2
    assert writer.selected == []


@pytest.mark.parametrize(
    "answer",
    [CHUNKED + CHUNK + b"0\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n" + MEDIA],
    ids=["in order", "cut"],
)
async def test_a_stream_that_ends_may_come_back(answer: bytes) -> None:
    writer = Writer()
    async with visited(Site({"/x.ts": answer}, close=True)) as site:
        with pytest.raises(ConnectionFailed) as caught:
            await source(site.url("/x.ts")).run(writer)
    assert writer.data == MEDIA
    assert not caught.value.permanent


async def test_program_and_streams_are_chosen_before_the_first_byte() -> None:
    writer = Writer()
    async with visited(Site({}, close=True)) as site:
        with pytest.raises(ConnectionFailed):
            await source(site.url("/x.ts"), program=2, pids=[256]).run(writer)
    assert writer.selected == [(2, (256,))]


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        (b"Content-Type: application/vnd.apple.mpegurl\r\n", "is a playlist"),
        (b"Content-Type: Text/HTML; charset=utf-8\r\n", "is no MPEG-TS: `text/html`"),
        (b"Content-Type: application/json\r\n", "is no MPEG-TS"),
        (b"Content-Length: 5000\r\nAccept-Ranges: bytes\r\n", "is a file of 5000 bytes"),
        (b"Content-Length: 5000\r\nLast-Modified: x\r\n", "is a file of 5000 bytes"),
        (b"Content-Encoding: GZip\r\n", "comes compressed, as `gzip`"),
        (b"Content-Type: video/mp2t\r\nContent-Encoding: br\r\n", "comes compressed, as `br`"),
    ],
)
async def test_what_is_no_live_stream_is_refused(headers: bytes, message: str) -> None:
    writer = Writer()
    async with visited(Site({"/x.ts": OK + headers + b"\r\n" + MEDIA})) as site:
        with pytest.raises(MediaError, match=message) as caught:
            await source(site.url("/x.ts")).run(writer)
    assert caught.value.permanent
    assert writer.data == b""


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Type: video/mp2t\r\n",
        b"Content-Type: application/octet-stream\r\n",
        b"Content-Type: text/vnd.trolltech.linguist\r\n",
        b"Content-Length: 9999999999\r\n",
        b"Content-Encoding: identity\r\n",
        b"",
    ],
)
async def test_servers_call_streams_all_kinds_of_things(headers: bytes) -> None:
    writer = Writer()
    async with visited(Site({"/x.ts": OK + headers + b"\r\n" + MEDIA}, close=True)) as site:
        with pytest.raises(ConnectionFailed):
            await source(site.url("/x.ts")).run(writer)
    assert writer.data == MEDIA


async def test_login_and_headers_are_sent() -> None:
    async with visited(Site({}, close=True)) as site:
        url = site.url("/x.ts").replace("http://", "http-ts+http://us:pw@")
        with pytest.raises(ConnectionFailed) as caught:
            await source(url, headers={"X-Key": "k"}).run(Writer())
    assert b"\r\nAuthorization: Basic dXM6cHc=\r\n" in site.requests[0]
    assert b"\r\nX-Key: k\r\n" in site.requests[0]
    assert "pw" not in str(caught.value)


async def test_headers_may_stand_in_the_environment() -> None:
    written = {"headers": {"X-Key": "env:ORIGIN_KEY"}}
    context = {"environ": {"ORIGIN_KEY": "k"}}
    options = HttpTsInputOptions.model_validate(written, context=context)
    assert "k" not in str(options.model_dump()["headers"]["X-Key"])
    async with visited(Site({}, close=True)) as site:
        url = StreamURL.parse(site.url("/x.ts"))
        with pytest.raises(ConnectionFailed):
            await HttpTsSource(url, options, BareContext(SteadyClock())).run(Writer())
    assert b"\r\nX-Key: k\r\n" in site.requests[0]


async def test_an_epoch_that_has_ended_ends_the_source() -> None:
    async with visited(Site({"/x.ts": OK + b"\r\n" + MEDIA})) as site:
        with pytest.raises(StaleEpoch):
            await source(site.url("/x.ts")).run(Writer(stale=True))


async def test_tls_is_trusted_as_the_options_say(tmp_path: Path) -> None:
    pair = await to_thread.run_sync(self_signed, tmp_path)
    answer = OK + b"\r\n" + MEDIA
    async with visited(Site({"/x.ts": answer}, close=True), ServerTls(pair.cert, pair.key)) as site:
        url = site.url("/x.ts", "https")
        with pytest.raises(ConnectionFailed, match="not trusted"):
            await source(url).run(Writer())
        for keys in ({"tls_ca": pair.cert}, {"tls_insecure": True}):
            writer = Writer()
            with pytest.raises(ConnectionFailed, match="closed"):
                await source(url, **keys).run(writer)
            assert writer.data == MEDIA


async def test_nothing_is_fetched_without_the_tls_that_was_asked_for(tmp_path: Path) -> None:
    pair = await to_thread.run_sync(self_signed, tmp_path)
    writer = Writer()
    async with visited(Site({"/plain.ts": OK + b"\r\n" + MEDIA}, close=True)) as plain:
        moved = b"HTTP/1.1 302 Found\r\nLocation: %s\r\n\r\n" % plain.url("/plain.ts").encode()
        async with visited(Site({"/x.ts": moved}), ServerTls(pair.cert, pair.key)) as site:
            with pytest.raises(ConnectionFailed, match="redirects away from TLS: `http:") as caught:
                await source(site.url("/x.ts", "https"), tls_insecure=True).run(writer)
    assert "write that URL yourself" in caught.value.hint
    assert plain.requests == []
    assert writer.data == b""


async def test_a_header_that_can_not_be_sent_is_refused_at_once() -> None:
    with pytest.raises(ConfigError):
        source("http://h/x.ts", headers={"X": "a\nb"})
