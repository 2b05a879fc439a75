"""Captures that come in over UDP, RTP and SRT leave over HTTP, SRT and UDP as they were sent.

They are sent by a tool that touches no byte of them, and compared PID by PID, packet by packet.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.bench import ts_load
from tests.support.broadcast import Broadcast, broadcast
from tests.support.peers import HOST, HttpRecorder
from tests.support.ports import udp_port
from tests.support.process import Process, eventually
from tests.support.srt import SrtServer, transmit_receives
from tests.support.ts_compare import compare
from tests.support.ts_damage import bit_errors, lost_packets, truncated
from tests.support.udp import UdpRecorder, listens

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.media import MediaCache

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("srt-live-transmit"),
    pytest.mark.timeout(240),
]

KBPS = 3000
SECONDS = 8.0
WANTED = Broadcast(seconds=4.0, repeat=2, kbps=KBPS, video_kbps=1500, sound_late_s=0.3)
FOOTAGE = {
    "dvb_576p_h264_aac_aacfirst.ts": (12.0, {100, 101}, set[int]()),
    "dvb_576i_mpeg2_mp2_dsmcc.ts": (5.7, {501, 502, 505, 7201}, {501}),
}
"""Seconds, PIDs, and those with open groups of pictures."""
LEAST_BYTES = 100_000
DATAGRAM = 1316


def passed(kind: str, data: bytes, seconds: float, folder: Path) -> tuple[dict[str, bytes], str]:
    """What viewers of each output recorded, and what the server said."""
    media, out = folder / "sent.ts", folder / "srt.ts"
    media.write_bytes(data)
    kbps = round(len(data) * 8 / seconds / 1000)
    port = udp_port()
    entrance = "publish:" if kind == "srt" else f"udp://{HOST}:{port}"
    with ExitStack() as stack:
        ear = stack.enter_context(UdpRecorder())
        toml = f'[streams.news]\ninputs = ["{entrance}"]\n[[streams.news.push]]\nname = "air"\n'
        toml += f'url = "udp://{HOST}:{ear.port}"\n'
        server = stack.enter_context(SrtServer(folder, toml))
        target = f"{HOST}:{server.port('srt')}/news" if kind == "srt" else f"{HOST}:{port}"
        if kind != "srt":
            eventually(lambda: listens(port), 30, "it receives")
        argv = [sys.executable, ts_load.__file__, "send", kind, str(media), str(kbps)]
        sender = stack.enter_context(Process([*argv, str(seconds + 5), target]))
        server.wait_on_air()
        viewer = stack.enter_context(HttpRecorder(server.http("/news.ts")))
        caller = stack.enter_context(transmit_receives(out, server.srt("read:news")))
        sender.wait_line(r"^\{", seconds + 30)
        eventually(lambda: server.stream()["ingest_status"] != "active", 40, "the end")
        caller.stop()
        found = {"http": viewer.stop(), "srt": out.read_bytes(), "udp": ear.stop()}
        return found, server.output


@pytest.mark.parametrize("kind", ["udp", "rtp", "srt"])
def test_what_comes_in_goes_out(kind: str, media: MediaCache, tmp_path: Path) -> None:
    capture = broadcast(media, WANTED)
    found, said = passed(kind, capture.data, SECONDS, tmp_path)
    for output, recorded in found.items():
        assert len(recorded) > LEAST_BYTES, output
        comparison = compare(capture.data, recorded, capture.names.values())
        assert comparison.faults == [], output
    assert "Traceback" not in said


@pytest.mark.parametrize("name", FOOTAGE)
def test_footage_passes(name: str, real_media_folder: Path, tmp_path: Path) -> None:
    seconds, pids, open_groups = FOOTAGE[name]
    data = (real_media_folder / name).read_bytes()
    found, said = passed("srt", data[: len(data) // DATAGRAM * DATAGRAM], seconds, tmp_path)
    for output, recorded in found.items():
        assert len(recorded) > LEAST_BYTES, output
        assert compare(data, recorded, pids, open_groups=open_groups).faults == [], output
    assert "Traceback" not in said


@pytest.mark.parametrize("damage", [bit_errors, lost_packets, truncated])
def test_damage_is_passed_on_and_harms_nothing_else(
    damage: Callable[[bytes], bytes], media: MediaCache, tmp_path: Path
) -> None:
    capture = broadcast(media, WANTED)
    found, said = passed("udp", damage(capture.data), SECONDS, tmp_path)
    for output, recorded in found.items():
        assert len(recorded) > LEAST_BYTES, output
        assert len(recorded) % 188 == 0 or output == "http"
    assert "Traceback" not in said
