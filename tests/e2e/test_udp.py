"""MPEG-TS over UDP with senders and receivers that others wrote."""

from __future__ import annotations

import random
import shutil
import socket
import tempfile
import time
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.broadcast import Broadcast, broadcast
from tests.support.clients import as_nobody
from tests.support.judge import judge
from tests.support.lossy_udp import Link, LossyUdp
from tests.support.media import MediaCache, Recipe
from tests.support.peers import HOST, HttpRecorder, Streamctl, ffmpeg_publish, gst, stream_toml
from tests.support.ports import udp_port
from tests.support.process import Process, eventually
from tests.support.recorded import Length, assert_clean, record_ts, wait_media
from tests.support.screens import MpvScreen, VlcScreen
from tests.support.seen import Wanted
from tests.support.tools import tool
from tests.support.ts import NULL_PID, inspect, whole_units
from tests.support.udp import QUIET, SENDERS, input_toml, listens, push_toml, with_ffmpeg
from tests.support.upstream import media_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.stalls import StallWatch

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=30, container="ts", video_kbps=1000, bframes=2, gop=25)
GROUP = "239.255.77.10"


def measured(server: Streamctl) -> dict[str, Any]:
    """What the input says of its datagrams."""
    found: dict[str, Any] = server.stream()["inputs"][0]["link"]
    return found


def test_what_is_sent_is_on_air(tmp_path: Path, media: MediaCache) -> None:
    path = media(RECIPE).path
    ports = {f"s{number}": udp_port() for number in range(len(SENDERS))}
    names = dict(zip(ports, SENDERS, strict=True))
    toml = "".join(
        input_toml(f"udp://{HOST}:{port}").replace("news", code) for code, port in ports.items()
    )
    with Streamctl(tmp_path, toml) as server, ExitStack() as stack:
        for code, name in names.items():
            stack.enter_context(SENDERS[name](path, HOST, ports[code]))
        for code in names:
            server.wait_on_air(code, 30)
        recorded = record_all(server, names)
        links = {code: server.source(code)["link"] for code in names}
    for code, name in names.items():
        assert_clean(judge(recorded[code]), name)
        assert inspect(recorded[code]).continuity_errors == [], name
        counted = links[code]
        assert counted["datagrams"] > 100, name
        assert counted["kernel_drops"] == counted["overruns"] == 0, name
        assert ("rtp" in counted) == ("RTP" in name), name
        if "rtp" in counted:
            assert counted["rtp"]["lost"] == counted["rtp"]["invalid"] == 0, name


def record_all(server: Streamctl, codes: Iterable[str]) -> dict[str, bytes]:
    """Five seconds of several streams, at the same time."""
    with ExitStack() as stack:
        recorders = {
            code: stack.enter_context(HttpRecorder(server.http(f"/{code}/mpegts")))
            for code in codes
        }
        for recorder in recorders.values():
            wait_media(recorder, 5)
        return {code: whole_units(recorder.stop()) for code, recorder in recorders.items()}


def test_a_group_is_received_by_the_named_interface(tmp_path: Path, media: MediaCache) -> None:
    port = udp_port()
    query = f"?pkt_size=1316&localaddr={HOST}"
    with (
        Streamctl(tmp_path, input_toml(f"udp://lo@{GROUP}:{port}")) as server,
        with_ffmpeg(lambda: "ffmpeg", "mpegts", query)(media(RECIPE).path, GROUP, port),
    ):
        server.wait_on_air()
        assert_clean(judge(record_ts(server)))


def test_a_sender_that_stops_is_missed_and_comes_back(tmp_path: Path, media: MediaCache) -> None:
    port = udp_port()
    toml = input_toml(f"udp://{HOST}:{port}").replace(
        "[streams.news]", "[streams.news]\npacket_timeout_s = 2"
    )
    path = media(RECIPE).path
    with Streamctl(tmp_path, toml) as server:
        with SENDERS["ffmpeg"](path, HOST, port):
            server.wait_on_air()
        server.wait_off_air()
        eventually(lambda: "no packets" in server.stream()["inputs"][0]["last_error"], 30, "why")
        with SENDERS["ffmpeg, RTP"](path, HOST, port):
            server.wait_on_air(timeout_s=30)
            assert_clean(judge(record_ts(server)))


def test_a_port_in_use_is_said_and_tried_again(tmp_path: Path, media: MediaCache) -> None:
    port = udp_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, port))
        with Streamctl(tmp_path, input_toml(f"udp://{HOST}:{port}")) as server:
            eventually(lambda: "in use" in server.stream()["inputs"][0]["last_error"], 30, "why")
            other.close()
            with SENDERS["ffmpeg"](media(RECIPE).path, HOST, port):
                server.wait_on_air(timeout_s=30)


def test_one_program_of_several_is_taken(tmp_path: Path, media: MediaCache) -> None:
    """And of it those streams that are wanted."""
    port = udp_port()
    capture = broadcast(media, Broadcast(seconds=20, programs=2))
    wanted = capture.programs[1]
    pids = [component.pid for component in wanted.components[:2]]
    lines = [f"program = {wanted.number}", f"pids = {pids}"]
    path = tmp_path / "capture.ts"
    path.write_bytes(capture.data)
    with (
        Streamctl(tmp_path, input_toml(f"udp://{HOST}:{port}", *lines)) as server,
        SENDERS["GStreamer, RTP"](path, HOST, port),
    ):
        server.wait_on_air()
        tracks = server.stream()["media"]["tracks"]
        ts = record_ts(server)
    assert [track["media"] for track in tracks] == ["video", "audio"]
    report = inspect(ts)
    assert report.continuity_errors == []
    assert {*pids, wanted.pcr_pid} < report.pids.keys()
    assert len(report.pids) == 5, "with both tables"
    assert judge(ts).decode_errors == []


def test_what_the_network_loses_is_counted(tmp_path: Path, media: MediaCache) -> None:
    """By the numbers of RTP, and by the counters inside; what comes twice is taken once."""
    port = udp_port()
    with (
        Streamctl(tmp_path, input_toml(f"udp://{HOST}:{port}")) as server,
        LossyUdp((HOST, port), there=Link(loss=0.01, duplicate=0.01), seed=7) as relay,
        SENDERS["ffmpeg, RTP"](media(RECIPE).path, HOST, relay.port),
    ):
        server.wait_on_air()
        eventually(lambda: measured(server)["rtp"]["lost"] > 10, 40, "losses")
        document = server.stream()
        counts = relay.there.counts
    link = document["inputs"][0]["link"]
    rtp = link["rtp"]
    assert rtp["lost"] == pytest.approx(counts.lost, abs=3)
    assert rtp["gaps"] <= rtp["lost"]
    assert rtp["late"] == pytest.approx(counts.duplicated, abs=3)
    assert link["kernel_drops"] == link["overruns"] == 0
    assert document["ingest_status"] == "active"
    assert document["inputs"][0]["transport"]["lost_packets"] > 0


def test_rubbish_at_one_port_disturbs_nobody_else(tmp_path: Path, media: MediaCache) -> None:
    good, bad = udp_port(), udp_port()
    toml = input_toml(f"udp://{HOST}:{good}")
    toml += input_toml(f"udp://{HOST}:{bad}").replace("news", "bad")
    generator = random.Random(3)
    with (
        Streamctl(tmp_path, toml) as server,
        SENDERS["ffmpeg"](media(RECIPE).path, HOST, good),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rude,
    ):
        server.wait_on_air()
        rude.connect((HOST, bad))
        with HttpRecorder(server.http("/news/mpegts")) as recorder:
            length, deadline = Length(recorder.data), time.monotonic() + 40
            while length.seconds < 5:
                assert time.monotonic() < deadline, f"{length.seconds} s of media"
                for size in (0, 1, 12, 188, 1316, 9000, 65_000):
                    head = generator.choice((b"", b"\x47", b"\x80\x21", b"\xbf\xff"))
                    with suppress(OSError):
                        rude.send((head + generator.randbytes(size))[:65_507])
                time.sleep(0.005)
            ts = whole_units(recorder.stop())
        assert server.stream("bad")["ingest_status"] != "active"
        assert server.stream("bad")["inputs"][0]["link"]["datagrams"] > 1000
    assert_clean(judge(ts))
    assert "Traceback" not in server.output


def ffmpeg_receive(url: str, path: Path, *options: str) -> Process:
    copied = ["-c", "copy", "-flush_packets", "1", "-y", str(path)]
    return Process(["ffmpeg", *QUIET, *options, "-i", url, *copied])


def gst_receive(port: int, path: Path, *depayload: str) -> Process:
    tool("gst-launch-1.0")
    taken = "".join(f"! {element} " for element in depayload)
    caps = "application/x-rtp,media=video,clock-rate=90000,encoding-name=MP2T,payload=33"
    given = ["caps=" + caps] if depayload else []
    tail = f"{taken}! filesink location={path} buffer-mode=unbuffered".split()
    return gst("udpsrc", f"address={HOST}", f"port={port}", *given, *tail)


PUSHED = {
    "ffmpeg": [],
    "ffmpeg, constant rate": ["bitrate_kbps = 2500"],
    "ffmpeg, RTP": ["rtp = true"],
    "GStreamer": [],
    "GStreamer, RTP": ["rtp = true"],
}
"""Programs that receive, and keys of what is sent to them."""


def receive(name: str, port: int, path: Path) -> Process:
    program, _, form = name.partition(", ")
    if program == "GStreamer":
        return gst_receive(port, path, *(["rtpmp2tdepay"] if form else []))
    return ffmpeg_receive(f"{'rtp' if form == 'RTP' else 'udp'}://{HOST}:{port}", path)


def test_what_is_pushed_is_received(
    tmp_path: Path, media: MediaCache, stall_watch: StallWatch
) -> None:
    stalled_s = stall_watch.total_s
    toml, paths = stream_toml(), {name: tmp_path / f"{at}.ts" for at, name in enumerate(PUSHED)}
    with ExitStack() as stack:
        receivers = {}
        for number, (name, lines) in enumerate(PUSHED.items()):
            # FFmpeg takes the port behind for reports.
            port = udp_port(2)
            receivers[name] = stack.enter_context(receive(name, port, paths[name]))
            push = push_toml(f"udp://{HOST}:{port}", *lines)
            toml += push.replace('"air"', f'"{number}"')
        server = stack.enter_context(Streamctl(tmp_path, toml))
        source = media(Recipe(seconds=30, bframes=2, video_kbps=1000)).path
        stack.enter_context(ffmpeg_publish(source, server.rtmp()))
        for path in paths.values():
            eventually(lambda path=path: media_time(path) > 5, 40, f"media in {path}")  # type: ignore[misc]
        pushes = server.stream()["pushes"]
        for receiver in receivers.values():
            receiver.stop(2)
    for push in pushes:
        assert push["state"] == "active"
        assert push["link"]["dropped"] == 0
        # Whoever stood still begins a new clock.
        assert push["link"]["clock_jumps"] == 0 or stall_watch.total_s > stalled_s
    for name, path in paths.items():
        data = path.read_bytes()
        assert_clean(judge(whole_units(data)), name)
        if name.startswith("GStreamer"):
            report = inspect(data)
            assert report.sync_errors == 0
            assert report.continuity_errors == []


def test_a_constant_rate_is_constant_and_its_clock_true(tmp_path: Path, media: MediaCache) -> None:
    """Bytes between two clock references are the time between them, whatever the media is."""
    port = udp_port()
    path = tmp_path / "received.ts"
    toml = stream_toml() + push_toml(f"udp://{HOST}:{port}", "bitrate_kbps = 3000")
    with (
        gst_receive(port, path) as received,
        Streamctl(tmp_path, toml) as server,
        ffmpeg_publish(media(Recipe(seconds=30, video_kbps=1000)).path, server.rtmp()),
    ):
        eventually(lambda: path.exists() and path.stat().st_size > 2_000_000, 40, "media")
        received.stop(2)
    data = path.read_bytes()
    report = inspect(data)
    assert report.pids[NULL_PID] > 0.3 * report.packets
    assert report.continuity_errors == []
    clocks = references(data)
    for (place, value), (later_place, later) in pairwise(clocks):
        if 0 < later - value < 0.2:
            assert (later_place - place) * 8 / (later - value) == pytest.approx(3e6, rel=1e-3)


def references(data: bytes) -> list[tuple[int, float]]:
    """Where clock references stand, and what they say in seconds."""
    found = []
    for at in range(0, len(data) - 187, 188):
        if data[at + 3] & 0x20 and data[at + 4] >= 7 and data[at + 5] & 0x10:
            field = int.from_bytes(data[at + 6 : at + 12], "big")
            found.append((at, ((field >> 15) * 300 + (field & 0x1FF)) / 27e6))
    return found


@pytest.mark.needs("vlc", "mpv")
@pytest.mark.parametrize("screen", [VlcScreen, MpvScreen], ids=["VLC", "mpv"])
def test_players_show_what_is_pushed(
    screen: type[VlcScreen | MpvScreen], tmp_path: Path, media: MediaCache
) -> None:
    port = udp_port()
    recipe = Recipe(seconds=60, video_kbps=1000, bframes=2)
    toml = stream_toml() + push_toml(f"udp://{HOST}:{port}")
    path = media(recipe).path
    with Streamctl(tmp_path, toml) as server:
        where = f"udp://{'@' if screen is VlcScreen else ''}{HOST}:{port}"
        watch = screen(where, tmp_path, Wanted(("h264", "aac"), 8, 25, recipe))
        try:
            eventually(lambda: listens(port), 40, "the player is ready")
            with ffmpeg_publish(path, server.rtmp()):
                eventually(watch.enough, 40, "seconds of pictures")
        finally:
            seen = watch.stop()
    assert seen.faults == [], seen.output
    assert seen.summary


@pytest.mark.needs("vlc")
def test_vlc_shows_rtp(tmp_path: Path, media: MediaCache) -> None:
    """Of RTP it keeps no statistics, so its own words have to do."""
    port = udp_port()
    home = Path(tempfile.mkdtemp(prefix="vlc-"))
    argv = ["cvlc", "-vv", "--vout", "vdummy", "--aout", "adummy", f"rtp://@{HOST}:{port}"]
    toml = stream_toml() + push_toml(f"udp://{HOST}:{port}", "rtp = true")
    with (
        Streamctl(tmp_path, toml) as server,
        ffmpeg_publish(media(Recipe(seconds=60, bframes=2)).path, server.rtmp()),
        Process(as_nobody(*argv, home=home)) as vlc,
    ):
        vlc.wait_line("Received first picture", 30)
        vlc.wait_line("Stream buffering done", 30)
        output = vlc.output
    shutil.rmtree(home, ignore_errors=True)
    assert "lost packet" not in output
    assert "discontinuity received" not in output


@pytest.mark.needs("mpv")
def test_mpv_shows_rtp_that_is_described_to_it(tmp_path: Path, media: MediaCache) -> None:
    port = udp_port()
    description = tmp_path / "air.sdp"
    lines = ["v=0", f"o=- 0 0 IN IP4 {HOST}", "s=air", f"c=IN IP4 {HOST}", "t=0 0"]
    description.write_text("\n".join([*lines, f"m=video {port} RTP/AVP 33", ""]))
    toml = stream_toml() + push_toml(f"udp://{HOST}:{port}", "rtp = true")
    allowed = "--demuxer-lavf-o=protocol_whitelist=[file,udp,rtp]"
    argv = ["mpv", "--no-config", "--vo=null", "--ao=null", "--length=5", allowed]
    with (
        Streamctl(tmp_path, toml) as server,
        ffmpeg_publish(media(Recipe(seconds=60, bframes=2)).path, server.rtmp()),
        Process([*argv, str(description)]) as mpv,
    ):
        mpv.wait_line(r"VO: \[null\] 320x180", 30)
        mpv.wait_line(r"AO: \[null\] 48000Hz stereo", 30)


def test_a_stream_goes_on_from_server_to_server_by_a_group(
    tmp_path: Path, media: MediaCache
) -> None:
    port = udp_port()
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    url = f"udp://lo@{GROUP}:{port}"
    with (
        Streamctl(here, input_toml(url)) as receiver,
        Streamctl(there, stream_toml() + push_toml(url, "rtp = true")) as sender,
        ffmpeg_publish(media(Recipe(seconds=30, bframes=2)).path, sender.rtmp()),
    ):
        receiver.wait_on_air(timeout_s=30)
        ts = record_ts(receiver)
        counted = measured(receiver)
    assert_clean(judge(ts))
    assert inspect(ts).continuity_errors == []
    assert counted["rtp"]["lost"] == counted["rtp"]["late"] == 0


def test_urls_that_are_no_address_are_refused_clearly(tmp_path: Path) -> None:
    server = Streamctl(tmp_path, input_toml("udp://239.255.77.0/24:5000"))
    assert server.wait() == 2
    found = server.wait_line(r"streams.toml:(\d+): streams.news.inputs\[0\].url: .*not one address")
    assert "239.255.77.0/24" in server.config.read_text().splitlines()[int(found.group(1)) - 1]
