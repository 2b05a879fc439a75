"""Playlists and segments of a small server, and an epoch that keeps what it is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamctl.errors import StaleEpoch
from streamctl.media.mpegts.convert import TsConverter
from streamctl.media.packet import TIMESCALE
from streamctl.sdk.url import StreamURL
from streamctl.testing.gate import BareContext
from streamctl_hls.pull import HlsSource, Marks
from streamctl_hls.pull_options import HlsInputOptions
from tests.streamctl.media.mpegts.world import (
    AUDIO,
    VIDEO,
    boundary,
    interleaved,
    joined,
    pictures,
    sounds,
)
from tests.support.steady import SteadyClock

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from streamctl.media.packet import Packet, Track

SECONDS = 0.4
"""Length of a segment."""
FRAMES = 10
FRAME = 3600


def ts(number: int, *, video: bool = True, audio: bool = True, at: int = TIMESCALE) -> bytes:
    """A segment of MPEG-TS, which begins with a random-access point and has all its packets."""
    start = at + number * FRAMES * FRAME
    first = -(-(start - at) // 1920)
    count = -(-(start - at + FRAMES * FRAME) // 1920) - first
    packets = interleaved(
        pictures(FRAMES, start=start) if video else (),
        sounds(count, start=at + first * 1920) if audio else (),
    )
    tracks = [track for track, wanted in ((VIDEO, video), (AUDIO, audio)) if wanted]
    return joined(TsConverter().convert([boundary(*tracks), *packets]))


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def playlist(*lines: str, target: int = 1, ended: bool = True) -> bytes:
    """The answer that is a playlist."""
    end = ["#EXT-X-ENDLIST"] if ended else []
    head = ["#EXTM3U", f"#EXT-X-TARGETDURATION:{target}"]
    return answer("\n".join([*head, *lines, *end, ""]).encode())


def listed(*names: str) -> list[str]:
    """Lines of segments."""
    return [line for name in names for line in (f"#EXTINF:{SECONDS},", name)]


def variants(*lines: str) -> bytes:
    """The answer that is a multivariant playlist."""
    return answer("\n".join(["#EXTM3U", *lines, ""]).encode())


@dataclass
class Writer:
    """An epoch that keeps what it is given."""

    data: bytearray = field(default_factory=bytearray)
    times: list[float] = field(default_factory=list)
    packets: list[Packet] = field(default_factory=list)
    announced: list[list[Track]] = field(default_factory=list)
    breaks: list[str] = field(default_factory=list)
    selected: list[tuple[int | None, tuple[int, ...]]] = field(default_factory=list)
    stale: bool = False

    def select(self, program: int | None = None, pids: Collection[int] = ()) -> None:
        self.selected.append((program, tuple(pids)))

    def put_ts(self, data: bytes | bytearray | memoryview, now: float) -> None:
        self._check()
        self.data += data
        self.times.append(now)

    def tracks(self, tracks: Sequence[Track]) -> None:
        self._check()
        self.announced.append(list(tracks))

    def put(self, packets: list[Packet], now: float) -> None:
        self._check()
        self.packets += packets
        self.times.append(now)

    def drop(self, count: int) -> None:
        raise AssertionError(count)

    def discontinuity(self, reason: str) -> None:
        self._check()
        self.breaks.append(reason)

    def _check(self) -> None:
        if self.stale:
            raise StaleEpoch("the epoch has ended")


def source(url: str, **keys: object) -> HlsSource:
    """The first attempt with these options."""
    options = HlsInputOptions.model_validate(keys)
    return HlsSource(StreamURL.parse(url), options, BareContext(SteadyClock()), Marks())
