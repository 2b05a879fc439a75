"""What viewers of a server get: recorded until there is enough of it, and what it must be like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.judge import judge
from tests.support.peers import HttpRecorder, ffmpeg_record
from tests.support.process import eventually
from tests.support.ts import PACKET, whole_units
from tests.support.upstream import media_time

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.judge import Verdict
    from tests.support.peers import Streamctl

PATIENCE_S = 30.0
"""How long a recording may take, beyond the media that it has to get."""
SYNC_MS = 40


def assert_clean(verdict: Verdict, name: str = "") -> None:
    """Every picture of the test media is there once, in order, whole and with its sound."""
    assert verdict.codecs == ("h264", "aac"), name
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


def wait_media(recorder: HttpRecorder, seconds: float, since: int = 0) -> None:
    """Wait until so much media has come behind the first ``since`` bytes."""
    begin = -(-since // PACKET) * PACKET
    eventually(
        lambda: clock_span(bytes(recorder.data[begin:])) > seconds,
        PATIENCE_S + seconds,
        f"{seconds} s of media",
    )


def clock_span(data: bytes) -> float:
    """Seconds from the first clock reference of whole packets to the last."""
    packets = len(data) // PACKET
    first = next(filter(None, (clock_at(data, number) for number in range(packets))), 0.0)
    last = next(filter(None, (clock_at(data, number) for number in reversed(range(packets)))), 0.0)
    return last - first


def clock_at(data: bytes, number: int) -> float | None:
    """The clock reference of a packet in seconds, if it has one."""
    packet = data[number * PACKET : (number + 1) * PACKET]
    if not packet[3] & 0x20 or packet[4] < 7 or not packet[5] & 0x10:
        return None
    return (int.from_bytes(packet[6:11]) >> 7) / 90_000
