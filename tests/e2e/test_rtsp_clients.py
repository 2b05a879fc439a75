"""Real programs publish and play over RTSP: inside the connection, over UDP, to groups, by HTTP."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.certificates import self_signed
from tests.support.clients import current_ffmpeg
from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import CONFIG, HOST, Streamctl, ffmpeg_publish, ffmpeg_record, stream_toml
from tests.support.process import Process, eventually
from tests.support.tools import tool
from tests.support.upstream import media_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.judge import Verdict

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe", "gst-launch-1.0"),
    pytest.mark.timeout(120),
]

RECIPE = Recipe(seconds=60, video_kbps=500, bframes=2, gop=25)
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


def play(program: str, url: str, out: Path, *options: str) -> Process:
    """FFmpeg plays into a file without loss: its reader of RTSP tells no decoding times to copy."""
    argv = [program, "-hide_banner", "-nostdin", "-loglevel", "warning", *options, "-i", url]
    argv += ["-fps_mode", "passthrough", "-c:v", "ffv1", "-c:a", "pcm_s16le"]
    return Process([*argv, "-flush_packets", "1", "-y", str(out)])


def clean(verdict: Verdict) -> None:
    assert verdict.decode_errors == []
    assert verdict.missing == verdict.repeated == 0
    assert verdict.worst_offset_ms < 40
    # FFmpeg's reader gives one of the first pictures no time, and the next one that of two.
    assert len(verdict.video_gaps) <= 1
    assert max(verdict.video_gaps, default=0) < 0.09


def record(server: Streamctl, path: Path, seconds: float = 4.0) -> Verdict:
    """What a viewer over RTMP gets."""
    with ffmpeg_record(server.rtmp(), path) as recording:
        eventually(lambda: media_time(path) > seconds, 30, f"{seconds} s of media")
        recording.stop(2)
    return judge(path)


def watched(process: Process, out: Path, seconds: float = 4.0) -> Verdict:
    """What a player got that had enough."""
    with process:
        eventually(lambda: media_time(out) > seconds, 40, f"{seconds} s of media")
        process.stop(signal.SIGINT, 10)
    return judge(out)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_ffmpeg_publishes(tmp_path: Path, media: MediaCache, transport: str) -> None:
    options = ("-rtsp_transport", transport)
    with (
        RtspServer(tmp_path) as server,
        publish(media(RECIPE).path, server.rtsp(), *options) as publisher,
    ):
        server.wait_on_air()
        clean(record(server, tmp_path / "out.flv"))
        [session] = [one for one in server.sessions() if one["action"] == "publish"]
        assert session["bytes_in"] > 100_000
        publisher.stop(signal.SIGINT, 5)
        server.wait_line("the client said TEARDOWN")


@pytest.mark.parametrize("protocols", ["tcp", "udp"])
def test_gstreamer_publishes(tmp_path: Path, media: MediaCache, protocols: str) -> None:
    with (
        RtspServer(tmp_path) as server,
        gst_publish(media(RECIPE).path, server.rtsp(), protocols),
    ):
        server.wait_on_air()
        clean(record(server, tmp_path / "out.flv"))


PLAYERS = [
    ("ffmpeg", ("-rtsp_transport", "tcp")),
    ("ffmpeg", ("-rtsp_transport", "udp")),
    ("ffmpeg", ("-rtsp_transport", "http")),
    ("current", ("-rtsp_transport", "tcp")),
    ("current", ("-rtsp_transport", "udp")),
]


@pytest.mark.parametrize(
    ("program", "options"), PLAYERS, ids=[f"{name}-{options[1]}" for name, options in PLAYERS]
)
def test_players_get_pictures_and_sound(
    tmp_path: Path, media: MediaCache, program: str, options: Sequence[str]
) -> None:
    found = tool("ffmpeg") if program == "ffmpeg" else current_ffmpeg()
    out = tmp_path / "out.mkv"
    with (
        RtspServer(tmp_path) as server,
        ffmpeg_publish(media(RECIPE).path, server.rtmp()),
    ):
        server.wait_on_air()
        clean(watched(play(found, server.rtsp(), out, *options), out))
        eventually(lambda: len(server.sessions()) == 1, 10, "the player left")


@pytest.mark.parametrize("scheme", ["rtspt", "rtspu", "rtsph"])
def test_gstreamer_plays(tmp_path: Path, media: MediaCache, scheme: str) -> None:
    out = tmp_path / "out.mkv"
    with (
        RtspServer(tmp_path) as server,
        ffmpeg_publish(media(RECIPE).path, server.rtmp()),
    ):
        server.wait_on_air()
        video = "s. ! rtph264depay ! h264parse ! avdec_h264 ! videoconvert ! avenc_ffv1 ! m."
        audio = "s. ! rtpmp4gdepay ! aacparse ! avdec_aac ! audioconvert ! m."
        pipeline = (
            f"rtspsrc location={server.rtsp(scheme=scheme)} latency=300 name=s {video} {audio}"
        )
        argv = f"{pipeline} matroskamux name=m ! filesink location={out}".split()
        player = Process([tool("gst-launch-1.0"), "-e", *argv])
        with player:
            eventually(lambda: out.exists() and out.stat().st_size > 8_000_000, 40, "media")
            player.stop(signal.SIGINT, 10)
        verdict = judge(out)
        assert verdict.decode_errors == []
        assert verdict.missing == verdict.repeated == 0
        # It measures time by arrival, and what it joins with comes in a rush.
        assert len(verdict.offsets_ms) > 3
        assert max(map(abs, verdict.offsets_ms[2:])) < 60


def test_a_group_is_shared(tmp_path: Path, media: MediaCache) -> None:
    outs = [tmp_path / "one.mkv", tmp_path / "two.mkv"]
    with (
        RtspServer(tmp_path, keys=GROUPS) as server,
        ffmpeg_publish(media(RECIPE).path, server.rtmp()),
    ):
        server.wait_on_air()
        options = ("-rtsp_transport", "udp_multicast")
        players = [play(tool("ffmpeg"), server.rtsp(), out, *options) for out in outs]
        with players[0], players[1]:
            eventually(lambda: min(map(media_time, outs)) > 4, 40, "media")
            players[0].stop(signal.SIGINT, 10)
            length = media_time(outs[1])
            eventually(lambda: media_time(outs[1]) > length + 2, 20, "the other goes on")
            players[1].stop(signal.SIGINT, 10)
    for out in outs:
        clean(judge(out))


def test_publishers_and_players_come_over_tls(tmp_path: Path, media: MediaCache) -> None:
    pair = self_signed(tmp_path)
    tls = f'[listeners.rtsps]\naddress = "{HOST}:0"\n'
    tls += f'tls_cert = "{pair.cert}"\ntls_key = "{pair.key}"\n'
    out = tmp_path / "out.mkv"
    with RtspServer(tmp_path, tls=tls) as server:
        url = server.rtsp(scheme="rtsps")
        with publish(media(RECIPE).path, url, "-rtsp_transport", "tcp"):
            server.wait_on_air()
            player = play(tool("ffmpeg"), url, out, "-rtsp_transport", "tcp")
            clean(watched(player, out))


@pytest.mark.parametrize("login", ["anybody:{}", "{}:", ""])
def test_keys_are_passwords_users_or_queries(tmp_path: Path, media: MediaCache, login: str) -> None:
    out = tmp_path / "out.mkv"
    toml = stream_toml("news", *KEYS)
    query = "" if login else "?key={}"
    with RtspServer(tmp_path, toml) as server:
        for wrong in (login.format("wrong"), login.format("read-me")):
            where = server.rtsp("live/news" + query.format("wrong"), wrong)
            with publish(media(RECIPE).path, where) as publisher:
                assert publisher.wait(20) != 0
            assert "401" in publisher.output
        where = server.rtsp("live/news" + query.format("publish-me"), login.format("publish-me"))
        with publish(media(RECIPE).path, where, "-rtsp_transport", "tcp"):
            server.wait_on_air()
            where = server.rtsp("news" + query.format("read-me"), login.format("read-me"))
            clean(watched(play(tool("ffmpeg"), where, out), out, 2.0))
            with play(tool("ffmpeg"), server.rtsp("news"), tmp_path / "no.mkv") as refused:
                assert refused.wait(20) != 0
            assert "401" in refused.output
        assert "publish-me" not in server.output
        assert "read-me" not in server.output


def test_what_is_not_there_is_said_by_name(tmp_path: Path, media: MediaCache) -> None:
    with RtspServer(tmp_path) as server:
        for path, said in (("nowhere", "no stream `nowhere`"), ("news", "nothing is on air")):
            with play(tool("ffmpeg"), server.rtsp(path), tmp_path / "no.mkv") as player:
                assert player.wait(20) != 0
            assert f"404 Not Found: {said}" in player.output
        with publish(media(RECIPE).path, server.rtsp("nowhere")) as publisher:
            assert publisher.wait(20) != 0
        with publish(media(RECIPE).path, server.rtsp(), "-rtsp_transport", "tcp"):
            server.wait_on_air()
            with publish(media(RECIPE).path, server.rtsp()) as second:
                assert second.wait(20) != 0
            assert "already has a publisher" in second.output
            assert server.stream()["media"]["epochs"] == 1


def test_a_player_may_come_before_its_stream(tmp_path: Path, media: MediaCache) -> None:
    out = tmp_path / "out.mkv"
    with (
        RtspServer(tmp_path) as server,
        play(tool("ffmpeg"), server.rtsp(), out) as player,
        publish(media(RECIPE).path, server.rtsp(), "-rtsp_transport", "tcp"),
    ):
        clean(watched(player, out, 2.0))
