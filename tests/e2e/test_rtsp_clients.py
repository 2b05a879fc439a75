"""Real programs publish and play over RTSP: inside the connection, over UDP, to groups, by HTTP.

Programs that have nothing to do with each other run at the same time.
"""

from __future__ import annotations

import re
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import pytest

from tests.support.certificates import self_signed
from tests.support.clients import current_ffmpeg
from tests.support.judge import TAIL, judge
from tests.support.media import Recipe
from tests.support.peers import CONFIG, HOST, Streamctl, ffmpeg_publish, ffmpeg_record, stream_toml
from tests.support.process import Process, eventually
from tests.support.rtsp_players import TcpMpv
from tests.support.seen import Wanted
from tests.support.tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.judge import Verdict
    from tests.support.media import MediaCache
    from tests.support.stalls import StallWatch

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe", "gst-launch-1.0"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=90, video_kbps=500, bframes=2, gop=25)
SECONDS = 4
"""Of media that each program publishes or plays."""
FIRST_PICTURE_S = 1.5
"""From the first request to the first picture, where one may be joined every second."""
LISTENER = f'[listeners.rtsp]\naddress = "{HOST}:0"\n'
GROUPS = 'multicast = "239.255.77.0/28"\n'
KEYS = ('publish_key = "publish-me"', 'read_key = "read-me"')


class RtspServer(Streamctl):
    """A server with an RTSP port."""

    def __init__(
        self, folder: Path, streams: str | None = None, *, keys: str = "", tls: str = ""
    ) -> None:
        head = CONFIG + LISTENER + keys + tls
        super().__init__(folder, stream_toml() if streams is None else streams, head=head)

    def rtsp(self, path: str = "live/news", login: str = "", scheme: str = "rtsp") -> str:
        """The URL of a stream."""
        host = f"{login}@{HOST}" if login else HOST
        kind = "rtsps" if scheme == "rtsps" else "rtsp"
        return f"{scheme}://{host}:{self.port(kind)}/{path}"


def publish(path: Path, url: str, *options: str) -> Process:
    """FFmpeg publishes a file in real time."""
    argv = ["-hide_banner", "-nostdin", "-loglevel", "warning", "-re", "-i", str(path)]
    return Process([tool("ffmpeg"), *argv, "-c", "copy", "-f", "rtsp", *options, url])


def gst_publish(path: Path, url: str, protocols: str) -> Process:
    """GStreamer publishes a file in real time."""
    head = f"filesrc location={path} ! qtdemux name=d"
    sink = f"rtspclientsink name=s location={url} protocols={protocols} latency=200"
    video = "d.video_0 ! queue ! h264parse ! identity sync=true ! s.sink_0"
    audio = "d.audio_0 ! queue ! aacparse ! identity sync=true ! s.sink_1"
    return Process([tool("gst-launch-1.0"), *f"{head} {sink} {video} {audio}".split()])


def play(program: str, url: str, out: Path, *options: str, seconds: float = SECONDS) -> Process:
    """FFmpeg plays into a file without loss: its reader of RTSP tells no decoding times to copy."""
    argv = [program, "-hide_banner", "-nostdin", "-loglevel", "warning", *options, "-i", url]
    argv += ["-fps_mode", "passthrough", "-c:v", "ffv1", "-c:a", "pcm_s16le"]
    return Process([*argv, "-t", str(seconds), "-y", str(out)])


@dataclass
class Theatre:
    """What the players of this file watch."""

    server: RtspServer
    folder: Path

    def out(self, name: str) -> Path:
        """A file for what a player gets."""
        return self.folder / f"{re.sub('[^a-z0-9]+', '-', name)}.mkv"


def tls_listener(folder: Path) -> str:
    """The table of a listener over TLS."""
    pair = self_signed(folder)
    return (
        f'[listeners.rtsps]\naddress = "{HOST}:0"\n'
        f'tls_cert = "{pair.cert}"\ntls_key = "{pair.key}"\n'
    )


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Iterator[Theatre]:
    """A server with one stream, and every way to watch it."""
    folder = tmp_path_factory.mktemp("theatre")
    with (
        RtspServer(folder, keys=GROUPS, tls=tls_listener(folder)) as server,
        ffmpeg_publish(media(RECIPE).path, server.rtmp()),
    ):
        server.wait_on_air()
        yield Theatre(server, folder)


def clean(verdict: Verdict) -> None:
    assert verdict.decode_errors == []
    assert verdict.missing == verdict.repeated == 0
    assert verdict.worst_offset_ms < 40
    # FFmpeg's reader gives one of the first pictures no time: it is shown where the sound begins.
    whole = verdict.times[2:-TAIL]
    assert max(after - before for before, after in pairwise(whole)) < 0.06


def all_clean(programs: dict[str, tuple[Process, Path]]) -> None:
    """Wait for programs that record for some time, and judge what they got."""
    with ExitStack() as stack:
        for process, _ in programs.values():
            stack.enter_context(process)
        for process, _ in programs.values():
            assert process.wait(40) == 0, process.describe()
    for name, (_, out) in programs.items():
        verdict = judge(out)
        assert verdict.duration_s > 0.8 * SECONDS, name
        clean(verdict)


PUBLISHERS = ("ffmpeg-tcp", "ffmpeg-udp", "ffmpeg-tls", "gstreamer-tcp", "gstreamer-udp")


def test_programs_publish(tmp_path: Path, media: MediaCache) -> None:
    path = media(RECIPE).path
    streams = "".join(stream_toml(name) for name in PUBLISHERS)
    with RtspServer(tmp_path, streams, tls=tls_listener(tmp_path)) as server, ExitStack() as stack:
        publishers = {}
        for name in PUBLISHERS:
            program, way = name.split("-")
            if program == "gstreamer":
                publisher = gst_publish(path, server.rtsp(name), way)
            elif way == "tls":
                url = server.rtsp(name, scheme="rtsps")
                publisher = publish(path, url, "-rtsp_transport", "tcp")
            else:
                publisher = publish(path, server.rtsp(name), "-rtsp_transport", way)
            publishers[name] = stack.enter_context(publisher)
        for name in PUBLISHERS:
            server.wait_on_air(name)
        outs = {name: tmp_path / f"{name}.flv" for name in PUBLISHERS}
        all_clean(
            {
                name: (ffmpeg_record(server.rtmp(name), out, seconds=SECONDS), out)
                for name, out in outs.items()
            }
        )
        for name in PUBLISHERS:
            [session] = [one for one in server.sessions(name) if one["action"] == "publish"]
            assert session["bytes_in"] > 100_000
        publishers["ffmpeg-tcp"].stop(signal.SIGINT, 5)
        server.wait_line("the client said TEARDOWN")


PLAYERS = ("tcp", "udp", "http", "tls")


@pytest.mark.parametrize("program", ["ffmpeg", "current"])
def test_ffmpeg_plays(theatre: Theatre, program: str) -> None:
    found = tool("ffmpeg") if program == "ffmpeg" else current_ffmpeg()
    server, programs = theatre.server, {}
    for way in PLAYERS:
        out = theatre.out(f"{program}-{way}")
        tls = way == "tls"
        url = server.rtsp(scheme="rtsps" if tls else "rtsp")
        options = ["-rtsp_transport", "tcp" if tls else way]
        if tls and program == "current":
            # It does not talk to whom it can't verify.
            options += ["-ca_file", str(theatre.folder / "cert.pem")]
        programs[way] = (play(found, url, out, *options), out)
    all_clean(programs)
    eventually(lambda: len(server.sessions()) == 1, 30, "the players left")


class TunnelMpv(TcpMpv):
    """mpv, through HTTP."""

    options: ClassVar[tuple[str, ...]] = ("--rtsp-transport=http",)


@pytest.mark.needs("mpv")
def test_mpv_plays(theatre: Theatre) -> None:
    wanted = Wanted(("h264", "aac"), SECONDS, 25.0, RECIPE)
    with ExitStack() as stack:
        screens = []
        for kind in (TcpMpv, TunnelMpv):
            folder = theatre.folder / kind.__name__
            folder.mkdir()
            screen = kind(theatre.server.rtsp(), folder, wanted)
            stack.enter_context(screen.process)
            screens.append(screen)
        for screen in screens:
            eventually(screen.enough, 30, "mpv plays")
        for screen in screens:
            seen = screen.stop()
            assert seen.faults == [], f"{screen.options}: {seen.faults}\n{seen.output}"


def test_gstreamer_plays(theatre: Theatre, stall_watch: StallWatch) -> None:
    players, stalled_s = {}, stall_watch.total_s
    with ExitStack() as stack:
        for scheme in ("rtspt", "rtspu", "rtsph"):
            out = theatre.out(f"gst-{scheme}")
            url = theatre.server.rtsp(scheme=scheme)
            video = "s. ! rtph264depay ! h264parse ! avdec_h264 ! videoconvert ! avenc_ffv1 ! m."
            audio = "s. ! rtpmp4gdepay ! aacparse ! avdec_aac ! audioconvert ! m."
            pipeline = f"rtspsrc location={url} latency=300 name=s {video} {audio}"
            argv = f"{pipeline} matroskamux name=m ! filesink location={out}".split()
            player = stack.enter_context(Process([tool("gst-launch-1.0"), "-e", *argv]))
            players[out] = player
        for out, player in players.items():
            eventually(lambda out=out: out.stat().st_size > 6_000_000, 40, "media")  # type: ignore[misc]
            player.stop(signal.SIGINT, 10)
    for out in players:
        verdict = judge(out)
        assert verdict.decode_errors == []
        assert verdict.missing == verdict.repeated == 0
        # It measures time by arrival, and what it joins with comes in a rush.
        assert len(verdict.offsets_ms) > 3
        late_ms = (stall_watch.total_s - stalled_s) * 1000
        assert max(map(abs, verdict.offsets_ms[2:])) < 60 + late_ms


@pytest.mark.parametrize("scheme", ["rtspt", "rtspu"])
def test_gstreamer_has_the_first_picture_soon(theatre: Theatre, scheme: str) -> None:
    url = theatre.server.rtsp(scheme=scheme)
    text = f"rtspsrc location={url} latency=100 ! rtph264depay ! h264parse ! avdec_h264"
    text += " ! fakesink name=end silent=false sync=true"
    with Process([tool("gst-launch-1.0"), "-v", *text.split()]) as player:
        player.wait_line(r"Progress: \(open\) Opening Stream", 30)
        begin = time.monotonic()
        player.wait_line(r"end: last-message = chain ", 30)
        first_s = time.monotonic() - begin
    assert first_s < FIRST_PICTURE_S


def test_a_group_is_shared(theatre: Theatre) -> None:
    server = theatre.server
    one, two = theatre.out("one"), theatre.out("two")
    options = ("-rtsp_transport", "udp_multicast")
    with play(tool("ffmpeg"), server.rtsp(), one, *options, seconds=2) as first:
        eventually(lambda: len(server.sessions()) == 2, 30, "the first watches")
        with play(tool("ffmpeg"), server.rtsp(), two, *options, seconds=4) as second:
            assert first.wait(30) == 0
            assert second.running(), "the other goes on"
            assert second.wait(30) == 0
    for out in (one, two):
        clean(judge(out))


LOGINS = ("anybody:{}", "{}:", "")


def test_keys_are_passwords_users_or_queries(tmp_path: Path, media: MediaCache) -> None:
    path = media(RECIPE).path
    codes = [f"way{number}" for number in range(len(LOGINS))]
    with (
        RtspServer(tmp_path, "".join(stream_toml(code, *KEYS) for code in codes)) as server,
        ExitStack() as stack,
    ):

        def where(code: str, key: str) -> str:
            login = LOGINS[codes.index(code)]
            query = "" if login else f"?key={key}"
            return server.rtsp(f"live/{code}{query}", login.format(key))

        wrong = [publish(path, where(code, key)) for code in codes for key in ("wrong", "read-me")]
        for publisher in wrong:
            with publisher:
                assert publisher.wait(30) != 0
            assert "401" in publisher.output
        tcp = ("-rtsp_transport", "tcp")
        for code in codes:
            stack.enter_context(publish(path, where(code, "publish-me"), *tcp))
        for code in codes:
            server.wait_on_air(code)
        programs = {}
        for code in codes:
            out = tmp_path / f"{code}.mkv"
            programs[code] = (play(tool("ffmpeg"), where(code, "read-me"), out), out)
        with play(tool("ffmpeg"), server.rtsp(codes[0]), tmp_path / "no.mkv") as refused:
            assert refused.wait(30) != 0
        assert "401" in refused.output
        all_clean(programs)
        assert "publish-me" not in server.output
        assert "read-me" not in server.output


def test_what_is_not_there_is_said_by_name(tmp_path: Path, media: MediaCache) -> None:
    with RtspServer(tmp_path) as server:
        absent = "nothing is on air: nobody publishes it"
        for path, said in (("nowhere", "no stream `nowhere`"), ("news", absent)):
            with play(tool("ffmpeg"), server.rtsp(path), tmp_path / "no.mkv") as player:
                assert player.wait(30) != 0
            assert f"404 Not Found: {said}" in player.output
        with publish(media(RECIPE).path, server.rtsp("nowhere")) as publisher:
            assert publisher.wait(30) != 0
        with publish(media(RECIPE).path, server.rtsp(), "-rtsp_transport", "tcp"):
            server.wait_on_air()
            with publish(media(RECIPE).path, server.rtsp()) as second:
                assert second.wait(30) != 0
            assert "already has a publisher" in second.output
            assert server.stream()["media"]["epochs"] == 1
