"""What comes over UDP leaves over UDP as it came, every stream of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.broadcast import Broadcast, broadcast
from tests.support.peers import HOST, Streamctl
from tests.support.ports import udp_port
from tests.support.process import eventually
from tests.support.ts import NULL_PID, inspect
from tests.support.ts_compare import compare
from tests.support.udp import UdpRecorder, input_toml, listens, push_toml, replay

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.media import MediaCache

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(240),
]

FOOTAGE = {
    "dvb_576i_mpeg2_mp2_dsmcc.ts": (5.7, {501, 502, 505, 7103, 7105, 7201, 7219}, {501}),
    "dvb_576p_h264_aac_aacfirst.ts": (12.0, {100, 101}, set[int]()),
}
"""Real captures, their length, their PIDs, and those that may have open groups of pictures."""


def passed_through(folder: Path, data: bytes, seconds: float, *lines: str) -> bytes:
    """What a destination gets of a capture that is sent once."""
    port = udp_port()
    with UdpRecorder() as recorder:
        toml = input_toml(f"udp://{HOST}:{port}")
        toml += push_toml(f"udp://{HOST}:{recorder.port}", *lines)
        with Streamctl(folder, toml) as server:
            eventually(lambda: listens(port), 30, "the input is open")
            replay(data, port, seconds)
            server.wait_off_air(timeout_s=20)
        return recorder.stop()


@pytest.mark.parametrize("lines", [[], ["rtp = true"]], ids=["plain", "RTP"])
def test_every_stream_goes_from_udp_to_udp(
    lines: list[str], tmp_path: Path, media: MediaCache
) -> None:
    capture = broadcast(media, Broadcast(seconds=8))
    recorded = passed_through(tmp_path, capture.data, 8, *lines)
    assert compare(capture.data, recorded, capture.names.values(), least=3).faults == []
    report = inspect(recorded)
    assert (report.sync_errors, report.trailing, report.continuity_errors) == (0, 0, [])
    assert report.worst_pcr_s <= 0.1


def test_at_a_constant_rate_only_the_clock_differs(tmp_path: Path, media: MediaCache) -> None:
    capture = broadcast(media, Broadcast(seconds=8))
    recorded = passed_through(tmp_path, capture.data, 8, "bitrate_kbps = 3000")
    found = compare(capture.data, recorded, capture.names.values(), least=3)
    assert [fault for fault in found.faults if "PCR" not in fault] == []
    assert inspect(recorded).pids[NULL_PID] > 1000


@pytest.mark.parametrize("name", FOOTAGE)
def test_footage_goes_from_udp_to_udp(real_media_folder: Path, tmp_path: Path, name: str) -> None:
    data = (real_media_folder / name).read_bytes()
    seconds, pids, open_groups = FOOTAGE[name]
    recorded = passed_through(tmp_path, data, seconds)
    assert compare(data, recorded, pids, open_groups=open_groups).faults == []
