"""Probing by a plugin's own source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import anyio
import pytest

from streamctl.cli.sampling import measure, sampled
from streamctl.errors import ConfigError, ConnectionFailed, MediaError, UnknownScheme, Unsupported
from streamctl.media.packet import Codec, Kind, Packet, Track
from streamctl.registry import Registry
from streamctl.sdk.plugin import Cap, ProtocolPlugin
from streamctl.sdk.url import StreamURL
from tests.support.media import MediaCache, Recipe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Source
    from streamctl.sdk.lane import EpochWriter

pytestmark = pytest.mark.anyio
REGISTRY = Registry()
REGISTRY.load_all()
URL = StreamURL.parse("cam://me:s3cret@h/x?token=t0ken")
TRACK = Track(0, Codec.AAC, b"\x11\x90", sample_rate=48_000, channels=2)


class Given:
    """A source that does what it is told."""

    duration_s = 0.0
    waiting = "waiting for a caller"

    def __init__(self, act: Callable[[EpochWriter], Awaitable[None]]) -> None:
        self.act = act

    async def run(self, out: EpochWriter) -> None:
        await self.act(out)


class Camera(ProtocolPlugin):
    kind = "cam"
    summary = "a camera"
    schemes: ClassVar[tuple[str, ...]] = ("cam",)
    caps = Cap.PULL

    def __init__(self, act: Callable[[EpochWriter], Awaitable[None]]) -> None:
        self.act = act

    def check_input(self, url: StreamURL, options: Any) -> None:
        if url.path == "/bad":
            raise ConfigError(f"no camera: `{url.redacted}`")

    def source(self, url: StreamURL, options: Any, ctx: Context) -> Source:
        return Given(self.act)


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("rtsp://h/x", "rtsp"),
        ("rtsps://h/x", "rtsp"),
        ("srt://h:1", "srt"),
        ("rtp://:5004", "rtp"),
        ("udp://:5004", "udp"),
        ("rtmp://h/live/x", ""),
        ("https://h/x.m3u8", ""),
        ("https://h/x.mp4", ""),
        ("/x.ts", ""),
        ("file:x.ts", ""),
        ("tcp://h:1", ""),
    ],
)
async def test_libav_reads_what_it_reads_as_well(target: str, kind: str) -> None:
    found = sampled(REGISTRY, target)
    assert (found[0].kind if found else "") == kind


@pytest.mark.parametrize(
    ("target", "reason"),
    [("ftp://h/x", "no plugin for `ftp`"), ("publish:", "can't be a source: commands have no")],
)
async def test_what_nothing_reads_is_refused(target: str, reason: str) -> None:
    with pytest.raises((UnknownScheme, Unsupported), match=reason):
        sampled(REGISTRY, target)


def frame(number: int) -> Packet:
    return Packet(0, number * 1920, number * 1920, Kind.AUDIO, 0, b"x" * 99, 1920)


async def endless(out: EpochWriter) -> None:
    out.discontinuity("begins")
    out.drop(0)
    out.tracks([TRACK])
    for number in range(1_000_000):
        out.put([frame(number)], 0.0)
        await anyio.lowlevel.checkpoint()


async def test_a_source_is_read_for_a_while() -> None:
    report = await measure(Camera(endless), URL, duration_s=2.0, timeout_s=20)
    assert report.analysed_s == pytest.approx(2.0, abs=0.1)
    assert (report.format, report.tracks[0].codec) == ("cam", "aac")
    assert report.target == "cam://me:***@h/x?token=***"
    assert report.notes == []


async def test_an_end_is_told_beside_what_came() -> None:
    async def dies(out: EpochWriter) -> None:
        out.tracks([TRACK])
        out.put([frame(0)], 0.0)
        raise ConnectionFailed("it hung up")

    report = await measure(Camera(dies), URL, duration_s=2.0, timeout_s=20)
    assert report.notes == ["it ended early: it hung up"]
    assert report.tracks[0].packets == 1


async def test_a_refusal_is_the_error() -> None:
    async def refuses(out: EpochWriter) -> None:
        raise ConnectionFailed("401 wrong login")

    with pytest.raises(ConnectionFailed, match="401 wrong login"):
        await measure(Camera(refuses), URL, duration_s=2.0, timeout_s=20)


async def test_silence_is_an_error_that_tells_what_is_waited_for() -> None:
    async def silent(out: EpochWriter) -> None:
        await anyio.sleep_forever()

    with pytest.raises(ConnectionFailed, match=r"nothing came within 0\.1 s") as caught:
        await measure(Camera(silent), URL, duration_s=2.0, timeout_s=0.1)
    assert caught.value.hint == "waiting for a caller"
    assert "s3cret" not in str(caught.value)


async def test_an_end_without_media_is_an_error() -> None:
    async def ends(out: EpochWriter) -> None:
        out.select(None, ())

    with pytest.raises(MediaError, match="nothing could be read of `cam://me:\\*"):
        await measure(Camera(ends), URL, duration_s=2.0, timeout_s=20)


async def test_a_url_that_can_not_be_used_is_refused() -> None:
    url = StreamURL.parse("cam://h/bad")
    with pytest.raises(ConfigError, match="no camera"):
        await measure(Camera(endless), url, duration_s=2.0, timeout_s=20)


async def test_mpeg_ts_is_told_with_all_its_tracks(media: MediaCache) -> None:
    data = media(Recipe(seconds=2, container="ts")).path.read_bytes()

    async def sends(out: EpochWriter) -> None:
        for second in range(12):
            out.put_ts(data if not second else b"", float(second))
            await anyio.lowlevel.checkpoint()
        await anyio.sleep_forever()

    report = await measure(Camera(sends), URL, duration_s=0.0, timeout_s=30)
    assert report.format == "mpegts"
    assert {track.codec for track in report.tracks} == {"h264", "aac"}
    assert report.target == URL.redacted
    assert report.duration_s == 0.0


async def test_noise_instead_of_mpeg_ts_is_an_error_without_the_file() -> None:
    async def sends(out: EpochWriter) -> None:
        out.put_ts(b"noise" * 1000, 0.0)
        out.put_ts(b"noise" * 1000, 60.0)
        out.put_ts(b"more", 61.0)
        await anyio.sleep_forever()

    with pytest.raises(MediaError, match="cam://me:") as caught:
        await measure(Camera(sends), URL, duration_s=0.0, timeout_s=30)
    assert "sample.ts" not in str(caught.value)
