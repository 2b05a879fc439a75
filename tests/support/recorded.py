"""What viewers of a server get: recorded until there is enough of it, and what it must be like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tests.support.judge import judge
from tests.support.peers import HttpRecorder, ffmpeg_record
from tests.support.process import eventually
from tests.support.ts import PACKET, whole_units
from tests.support.ts_build import SECOND, WRAP
from tests.support.ts_compare import payload_of, without_stamps
from tests.support.ts_damage import pid_of
from tests.support.upstream import media_time

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.judge import Verdict
    from tests.support.peers import Streamctl

PATIENCE_S = 30.0
"""How long a recording may take, beyond the media that it has to get."""
SYNC_MS = 40
LONGEST = 2 * SECOND
"""From one picture to the next; what is further from it is no media but a hole, or a new clock."""
VIDEO_ID = 0xE0


class Recording(Protocol):
    """Whole packets of MPEG-TS that are still coming."""

    data: bytearray


class Length:
    """How much media a recording of MPEG-TS holds that grows: each look takes what is new alone.

    Pictures count, or sound where there are none.
    """

    def __init__(self, data: bytes | bytearray, since: int = 0) -> None:
        """Only what begins behind the first ``since`` bytes counts."""
        self.data = data
        self.at = -(-since // PACKET) * PACKET
        self.newest: dict[int, int] = {}
        """The decode time that came last, by PID."""
        self.ticks: dict[int, int] = {}
        self.pictures: set[int] = set()

    @property
    def seconds(self) -> float:
        """How long it is by now, from the first decode time to the last, without holes."""
        while self.at + PACKET <= len(self.data):
            if self.data[self.at + 1] & 0x40:
                self.take(bytes(self.data[self.at : self.at + PACKET]))
            self.at += PACKET
        found = [self.ticks[pid] for pid in self.pictures or self.ticks]
        return max(found, default=0) / SECOND

    def take(self, packet: bytes) -> None:
        """Look at a packet that something begins in."""
        content = packet[payload_of(packet) :]
        _, stamps = without_stamps(content)
        if not stamps:
            return
        pid, time = pid_of(packet), stamps[-1]
        step = (time - self.newest.get(pid, time)) % WRAP
        if step > LONGEST:
            step = 0
        self.ticks[pid] = self.ticks.get(pid, 0) + step
        self.newest[pid] = time
        if content[3] & 0xF0 == VIDEO_ID:
            self.pictures.add(pid)


def wait_media(recording: Recording, seconds: float, since: int = 0) -> None:
    """Wait until so much media has come behind the first ``since`` bytes."""
    length = Length(recording.data, since)

    def enough() -> bool:
        assert length.seconds >= seconds, f"{length.seconds} s in {length.at} bytes"
        return True

    eventually(enough, PATIENCE_S + seconds, f"{seconds} s of media")


def assert_clean(verdict: Verdict, name: str = "", *, video: str = "h264") -> None:
    """Every picture of the test media is there once, in order, whole and with its sound."""
    assert verdict.codecs == (video, "aac"), name
    assert verdict.decode_errors == [], name
    assert verdict.dts_disorder == 0, name
    assert verdict.missing == verdict.repeated == 0, name
    assert verdict.video_gaps == [], name
    assert verdict.worst_offset_ms < SYNC_MS, name


def record_ts(server: Streamctl, seconds: float = 5.0) -> bytes:
    """So much of the stream `news` as a viewer of MPEG-TS over HTTP gets it."""
    with HttpRecorder(server.http("/news/mpegts")) as recorder:
        wait_media(recorder, seconds)
        return whole_units(recorder.stop())


def record_rtmp(url: str, path: Path, seconds: float = 5.0) -> Verdict:
    """So much of a stream as ffmpeg gets it over RTMP, judged."""
    with ffmpeg_record(url, path) as recording:
        eventually(lambda: media_time(path) > seconds, PATIENCE_S, f"{seconds} s from {url}")
        recording.stop(2)
    return judge(path)
