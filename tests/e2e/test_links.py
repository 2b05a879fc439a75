"""SRT over bad links: what it may lose, how it comes back, what a viewer's arrival does to it.

``make test-links`` watches the lossy links for five minutes within five round trips of latency. The
habit is a quarter of a minute at a low rate, with latency to spare for machines that do other work.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.bench import ts_load
from tests.support.broadcast import Broadcast, Capture, broadcast
from tests.support.judge import judge
from tests.support.lossy_udp import Link, LossyUdp
from tests.support.peers import HOST, HttpRecorder, stream_toml
from tests.support.process import Process, eventually
from tests.support.srt import HEAD, SrtServer, transmit_receives
from tests.support.ts import inspect, whole_units
from tests.support.ts_compare import compare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.media import MediaCache

SECONDS = float(os.environ.get("STREAMCTL_LINK_S", "15"))
CLAIMED = SECONDS >= 60
KBPS, VIDEO_KBPS = (4000, 2800) if CLAIMED else (1500, 900)
LONG = Link(delay_s=0.125, jitter_s=0.01, loss=0.02)
"""250 ms there and back."""
LATENCY_MS = 1250 if CLAIMED else 4000
"""Five round trips or more: what is lost is asked for again until it has come."""
CUT_S = 10.0
BURST = Link(delay_s=0.04, rate_bps=20_000_000, queue_bytes=200_000)
"""A line of 20 Mbit/s with a buffer of 80 ms."""
GROUP_S = 6

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("srt-live-transmit"),
    pytest.mark.timeout(SECONDS + 120),
]


@pytest.fixture(scope="module")
def capture(media: MediaCache) -> Capture:
    """Every kind of PID, at a constant rate, for longer than the link is watched."""
    wanted = Broadcast(
        seconds=5.0, repeat=int(SECONDS / 5) + 5, kbps=KBPS, video_kbps=VIDEO_KBPS, sound_late_s=0.1
    )
    return broadcast(media, wanted)


def publisher(media: Path, port: int, seconds: float) -> Process:
    """Sends a file untouched, at its rate."""
    argv = [sys.executable, ts_load.__file__, "send", "--latency", str(LATENCY_MS)]
    return Process([*argv, "srt", str(media), str(KBPS), str(seconds), f"{HOST}:{port}/news"])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SrtServer]:
    head = HEAD.replace("[listeners.srt]", f"[listeners.srt]\nlatency_ms = {LATENCY_MS}")
    with SrtServer(tmp_path, stream_toml("news"), head=head) as running:
        yield running
        assert "Traceback" not in running.output


def test_publisher_and_viewer_over_lossy_links_lose_nothing(
    server: SrtServer, capture: Capture, tmp_path: Path
) -> None:
    media, out = tmp_path / "capture.ts", tmp_path / "out.ts"
    media.write_bytes(capture.data)
    place = (HOST, server.port("srt"))
    with (
        LossyUdp(place, there=LONG, seed=7) as coming,
        LossyUdp(place, there=LONG, seed=8) as going,
        publisher(media, coming.port, SECONDS + 8) as sender,
    ):
        server.wait_on_air()
        url = f"srt://{HOST}:{going.port}?streamid=read:news&latency={LATENCY_MS}"
        with transmit_receives(out, url) as far, HttpRecorder(server.http("/news.ts")) as near:
            report = json.loads(sender.wait_line(r"^\{", SECONDS + 60).string)
            eventually(lambda: server.stream()["ingest_status"] != "active", 40, "the end")
            recorded = near.stop()
            far.stop()
        assert coming.there.counts.lost > 0.01 * report["datagrams"]
        assert going.back.counts.lost > SECONDS
    assert report["dropped"] == report["refused"] == 0
    for data in (recorded, whole_units(out.read_bytes())):
        found = compare(capture.data, data, capture.names.values())
        assert found.faults == []
        assert found.matched[capture.names["teletext"]] > SECONDS * 25 * 2 * 0.8


def test_a_cut_of_ten_seconds_recovers(media: MediaCache, tmp_path: Path) -> None:
    made = broadcast(media, Broadcast(seconds=5.0, sound_late_s=0.0, private=False))
    near, far = tmp_path / "near", tmp_path / "far"
    for folder in (near, far):
        folder.mkdir()
    (near / "loop.ts").write_bytes(made.data)
    with (
        SrtServer(far, stream_toml("news")) as receiver,
        LossyUdp((HOST, receiver.port("srt")), there=Link(delay_s=0.02)) as relay,
    ):
        push = (
            '[streams.news]\ninputs = ["file:loop.ts"]\n[[streams.news.push]]\nname = "far"\n'
            f'url = "srt://{HOST}:{relay.port}?streamid=publish:news"\nretry_s = 0.5\n'
        )
        with SrtServer(near, push):
            receiver.wait_on_air()
            with HttpRecorder(receiver.http("/news.ts")) as viewer:
                eventually(lambda: len(viewer.data) > 200_000, 40, "a first part")
                relay.cut()
                receiver.wait_off_air(timeout_s=12)
                before = len(viewer.data)
                # The rest of the cut: nothing may come back before its end.
                assert not receives_more(viewer, before, CUT_S - 5)
                relay.mend()
                receiver.wait_on_air(timeout_s=15)
                eventually(lambda: len(viewer.data) > before + 200_000, 40, "a second part")
                recorded = viewer.stop()
    report = inspect(whole_units(recorded))
    assert report.continuity_errors == []
    verdict = judge(whole_units(recorded))
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0


def receives_more(viewer: HttpRecorder, before: int, timeout_s: float) -> bool:
    """Whether a viewer gets anything within a time."""
    try:
        eventually(lambda: len(viewer.data) > before, timeout_s)
    except AssertionError:
        return False
    return True


def test_a_viewer_that_joins_over_a_narrow_link_loses_nothing(
    media: MediaCache, tmp_path: Path
) -> None:
    wanted = Broadcast(seconds=GROUP_S, repeat=5, video_kbps=8000, gop=GROUP_S * 25, kbps=10_000)
    made = broadcast(media, wanted)
    (tmp_path / "loop.ts").write_bytes(made.data)
    out = tmp_path / "out.ts"
    with (
        SrtServer(tmp_path, '[streams.news]\ninputs = ["file:loop.ts"]\n') as server,
        LossyUdp((HOST, server.port("srt")), there=Link(delay_s=0.04), back=BURST) as relay,
    ):
        server.wait_on_air()
        # Joining late in a group means a burst of nearly all of it.
        eventually(lambda: server.stream()["media"]["gop_s"] >= GROUP_S, 30, "a whole group")
        eventually(lambda: newest_s(server) > GROUP_S * 0.7, 30, "late in a group")
        url = f"srt://{HOST}:{relay.port}?streamid=read:news&latency=300"
        with transmit_receives(out, url) as viewer:
            eventually(lambda: out.exists() and out.stat().st_size > 14_000_000, 30, "joined")
            viewer.stop()
        overflowed = relay.back.counts.overflowed
    report = inspect(whole_units(out.read_bytes()))
    assert report.continuity_errors == []
    assert overflowed == 0


def newest_s(server: SrtServer) -> float:
    """How old the newest group of pictures is, about."""
    lanes = server.stream()["media"]["lanes"]
    held = next(lane["seconds"] for lane in lanes if lane["format"] == "mpegts")
    return float(held) % GROUP_S
