"""RTP at a rate of contribution: 50 Mbit/s through the listener, nothing lost, in its order.

``make test-links`` watches for as long as is claimed, a minute.
"""

from __future__ import annotations

import json
import os
import sys
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from tests.bench import ts_load
from tests.support.broadcast import Broadcast, broadcast
from tests.support.peers import HOST, HttpRecorder, Streamctl, stream_toml
from tests.support.ports import udp_port
from tests.support.process import Process
from tests.support.ts import inspect, whole_units

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.media import MediaCache

CLAIMED_S = 60.0
SECONDS = min(float(os.environ.get("STREAMCTL_LINK_S", "8")), CLAIMED_S)
KBPS, VIDEO_KBPS = 50_000, 41_000
PASS_S = 2.0

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(SECONDS + 120)]


def capture(media: MediaCache) -> bytes:
    """A constant rate, for longer than it is sent."""
    wanted = Broadcast(
        seconds=PASS_S,
        repeat=int(SECONDS / PASS_S) + 1,
        kbps=KBPS,
        video_kbps=VIDEO_KBPS,
        size=(1280, 720),
        fps=Fraction(50),
        gop=50,
    )
    return broadcast(media, wanted).data


def test_fifty_megabits_lose_nothing(tmp_path: Path, media: MediaCache) -> None:
    path = tmp_path / "capture.ts"
    path.write_bytes(capture(media))
    port = udp_port(2)
    toml = f'[listeners.rtp]\naddress = "{HOST}:{port}"\nstream = "news"\n' + stream_toml()
    load = [sys.executable, ts_load.__file__, "send", "rtp", str(path), str(KBPS), str(SECONDS)]
    with Streamctl(tmp_path, toml) as server:
        server.port("rtp")
        with Process([*load, f"{HOST}:{port}"]) as sender:
            server.wait_on_air()
            with HttpRecorder(server.http("/news/mpegts")) as viewer:
                report = json.loads(sender.wait_line(r"^\{", SECONDS + 60).string)
                found = server.stream()["inputs"][0]
                recorded = viewer.stop()
    link, transport = found["link"], found["transport"]
    (track,) = link["tracks"]
    assert report["refused"] == 0
    assert track["packets"] == report["datagrams"]
    assert track["lost"] == track["late"] == track["restarts"] == 0
    assert link["kernel_drops"] == link["overruns"] == 0
    assert transport["lost_packets"] == transport["skipped_bytes"] == 0
    assert len(recorded) > VIDEO_KBPS * 125 * (SECONDS - 4)
    assert inspect(whole_units(recorded)).continuity_errors == []
