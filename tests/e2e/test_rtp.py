"""RTP without RTSP, from senders that others wrote, to ports of inputs and to the shared one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.judge import judge
from tests.support.lossy_udp import Link, LossyUdp
from tests.support.media import MediaCache, Recipe
from tests.support.peers import HOST, HttpRecorder, Streamctl
from tests.support.process import eventually
from tests.support.rtp import asked_encoder, ffmpeg_rtp, gst_rtp, port_pairs
from tests.support.ts import whole_units
from tests.support.udp import SENDERS, listens

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.judge import Verdict

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe"),
    pytest.mark.timeout(120),
]

RECIPE = Recipe(seconds=40, video_kbps=800, bframes=2, gop=25)
OPUS = Recipe(seconds=40, video_kbps=800, bframes=2, gop=25, audio_codec="opus")
SOURCE = 0x1A2B3C4D
OWN_CLOCKS_MS = 150
"""FFmpeg counts the time in the reports of each output from where it opened it."""


def input_toml(url: str, *lines: str) -> str:
    keys = [f'url = "{url}"', *lines]
    return "\n".join(["[streams.news]", "[[streams.news.inputs]]", *keys, ""])


def listener_toml(port: int, *lines: str) -> str:
    return "\n".join(["[listeners.rtp]", f'address = "{HOST}:{port}"', *lines, ""])


def described(sdp: Path) -> None:
    """Wait for the whole description."""
    eventually(lambda: "config=" in sdp.read_text(), 10, "a session description")


def record(server: Streamctl, seconds: float = 5.0) -> Verdict:
    """What a viewer of MPEG-TS over HTTP gets."""
    with HttpRecorder(server.http("/news/mpegts")) as recorder:
        time.sleep(seconds)
        return judge(whole_units(recorder.stop()))


def clean(verdict: Verdict, *codecs: str, offset_ms: float = 40) -> None:
    assert sorted(verdict.codecs) == sorted(codecs or ("h264", "aac"))
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert verdict.missing == verdict.repeated == 0
    assert verdict.video_gaps == []
    assert verdict.worst_offset_ms < offset_ms


def tracks(server: Streamctl) -> list[dict[str, Any]]:
    """What the input has counted of each track."""
    found: list[dict[str, Any]] = server.stream()["inputs"][0]["link"]["tracks"]
    return found


def test_two_ports_of_a_description_are_one_stream(tmp_path: Path, media: MediaCache) -> None:
    video, audio = port_pairs(2)
    sdp = tmp_path / "x.sdp"
    with ffmpeg_rtp(media(RECIPE).path, video, audio, sdp=sdp):
        described(sdp)
        with Streamctl(tmp_path, input_toml(f"rtp://{HOST}", 'sdp = "file:x.sdp"')) as server:
            server.wait_on_air()
            clean(record(server), offset_ms=OWN_CLOCKS_MS)
            found = tracks(server)
    assert [one["encoding"] for one in found] == ["H264", "MPEG4-GENERIC"]
    assert [one["lost"] for one in found] == [0, 0]


@pytest.mark.parametrize("name", ["ffmpeg, RTP", "GStreamer, RTP"])
def test_a_transport_stream_needs_no_description(
    name: str, tmp_path: Path, media: MediaCache
) -> None:
    [port] = port_pairs(1)
    path = media(Recipe(seconds=30, container="ts", video_kbps=1000, bframes=2)).path
    with Streamctl(tmp_path, input_toml(f"rtp://{HOST}:{port}")) as server:
        eventually(lambda: listens(port), 10, "an open port")
        with SENDERS[name](path, HOST, port):
            server.wait_on_air()
            clean(record(server))
            assert tracks(server)[0]["encoding"] == "MP2T"


def test_the_packets_tell_what_nothing_describes(tmp_path: Path, media: MediaCache) -> None:
    """Also that the sender's reports put sound and picture together."""
    [port] = port_pairs(1)
    video = "h264parse config-interval=-1 ! rtph264pay pt=96 config-interval=-1"
    audio = "opusparse ! rtpopuspay pt=97"
    with Streamctl(tmp_path, input_toml(f"rtp://{HOST}:{port}")) as server:
        eventually(lambda: listens(port), 10, "an open port")
        with gst_rtp(media(OPUS).path, port, video=video, audio=audio):
            server.wait_on_air(timeout_s=30)
            time.sleep(6)
            clean(record(server), "h264", "opus")
            assert sorted(one["encoding"] for one in tracks(server)) == ["H264", "OPUS"]


def test_an_encoder_is_asked_for_a_key_picture(tmp_path: Path) -> None:
    """Nobody who comes later would ever see one of it."""
    [port] = port_pairs(1)
    with asked_encoder(port) as encoder:
        encoder.wait_line("sending", 20)
        time.sleep(2)
        with Streamctl(tmp_path, input_toml(f"rtp://{HOST}:{port}")) as server:
            server.wait_on_air()
            assert tracks(server)[0]["packets"] > 0


def test_an_input_at_the_listener_takes_its_sources(tmp_path: Path, media: MediaCache) -> None:
    [port] = port_pairs(1)
    sdp = tmp_path / "x.sdp"
    keys = (f'ssrc = ["{SOURCE:#x}", {SOURCE + 1}]', 'sdp = "file:x.sdp"')
    toml = listener_toml(port) + input_toml("rtp://", *keys)
    with ffmpeg_rtp(media(RECIPE).path, port, port, sdp=sdp, ssrc=SOURCE):
        described(sdp)
        with Streamctl(tmp_path, toml) as server:
            server.wait_on_air()
            clean(record(server), offset_ms=OWN_CLOCKS_MS)


def test_a_sender_publishes_by_the_template(tmp_path: Path, media: MediaCache) -> None:
    """It is a session that ends when the sender does."""
    [port] = port_pairs(1)
    toml = listener_toml(port, 'stream = "news"', "timeout_s = 2")
    toml += '[streams.news]\ninputs = ["publish:"]\n'
    path = media(Recipe(seconds=30, container="ts", video_kbps=1000, bframes=2)).path
    with Streamctl(tmp_path, toml) as server:
        server.port("rtp")
        with SENDERS["ffmpeg, RTP"](path, HOST, port):
            server.wait_on_air()
            clean(record(server))
            (session,) = server.sessions()
            assert (session["protocol"], session["action"]) == ("rtp", "publish")
            assert session["bytes_in"] > 100_000
        server.wait_off_air()
        eventually(lambda: not server.sessions(), 10, "the end of the session")


def test_a_sender_that_begins_anew_is_taken(tmp_path: Path, media: MediaCache) -> None:
    """A second one beside the first has to wait until that is silent."""
    video, audio = port_pairs(2)
    sdp = tmp_path / "x.sdp"
    path = media(RECIPE).path
    toml = input_toml(f"rtp://{HOST}", 'sdp = "file:x.sdp"')
    with ffmpeg_rtp(path, video, audio, sdp=sdp) as first:
        described(sdp)
        with Streamctl(tmp_path, toml) as server:
            server.wait_on_air()
            epochs = server.stream()["media"]["epochs"]
            with ffmpeg_rtp(path, video, audio, sdp=tmp_path / "y.sdp", ssrc=0x2000):
                time.sleep(3)
                assert server.stream()["media"]["epochs"] == epochs
                first.stop()
                eventually(lambda: tracks(server)[0]["ssrc"] == 0x2000, 15, "the second sender")
                assert server.stream()["media"]["epochs"] == epochs + 1
                time.sleep(6)
                clean(record(server), offset_ms=OWN_CLOCKS_MS)


def test_packets_that_change_places_are_put_in_order(tmp_path: Path, media: MediaCache) -> None:
    video, audio = port_pairs(2)
    sdp = tmp_path / "x.sdp"
    link = Link(delay_s=0.02, reorder=0.05, hold_s=0.02, duplicate=0.02)
    with (
        LossyUdp((HOST, video), there=link) as relay,
        ffmpeg_rtp(media(RECIPE).path, relay.port, audio, sdp=sdp),
    ):
        described(sdp)
        sdp.write_text(sdp.read_text().replace(f"video {relay.port}", f"video {video}"))
        with Streamctl(tmp_path, input_toml(f"rtp://{HOST}", 'sdp = "file:x.sdp"')) as server:
            server.wait_on_air()
            verdict = record(server)
            found = tracks(server)[0]
    assert verdict.decode_errors == []
    assert verdict.missing == 0
    assert found["lost"] == 0
    assert int(found["late"]) > 0
