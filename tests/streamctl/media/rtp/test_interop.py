"""Payloads of other programs taken, and ours by them: each access unit is the file's own."""

from __future__ import annotations

import socket
import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import av
import pytest

from streamctl.media import sdp
from streamctl.media.packet import Codec, Packet, Track
from streamctl.media.reader import open_reader
from streamctl.media.rtp.formats import RtpFormat, format_in, format_of
from streamctl.media.rtp.packet import header, parse
from streamctl.media.rtp.payloads import depacketiser, packetiser
from streamctl.media.timestamps import rescale
from tests.streamctl.media.rtp.packets import end
from tests.support.clients import current_ffmpeg
from tests.support.media import Recipe
from tests.support.ports import udp_port
from tests.support.tools import tool

if TYPE_CHECKING:
    from pathlib import Path

    from streamctl.media.rtp.depacketise import Unit
    from tests.support.media import MediaCache

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

PICTURES = Recipe(seconds=2, container="mkv", audio=False, gop=10)
SOUND = Recipe(seconds=2, container="mkv", video=False)


@dataclass(frozen=True)
class Case:
    """One payload format, and the elements that write and read it."""

    recipe: Recipe
    parse: str
    pay: str
    depay: str
    after: str = "identity"
    """What gives whole access units behind the reading element."""


CASES = {
    "H.264": Case(
        replace(PICTURES, bframes=2),
        "h264parse",
        "rtph264pay mtu=400",
        "rtph264depay",
        "h264parse ! video/x-h264,stream-format=byte-stream,alignment=au",
    ),
    "H.264, aggregated": Case(
        PICTURES,
        "h264parse",
        "rtph264pay aggregate-mode=max-stap config-interval=-1",
        "rtph264depay",
        "h264parse ! video/x-h264,stream-format=byte-stream,alignment=au",
    ),
    "HEVC": Case(
        replace(PICTURES, video_codec="hevc"),
        "h265parse",
        "rtph265pay mtu=400 aggregate-mode=max config-interval=-1",
        "rtph265depay",
        "h265parse ! video/x-h265,stream-format=byte-stream,alignment=au",
    ),
    "VP9": Case(
        replace(PICTURES, video_codec="vp9"),
        "identity",
        "rtpvp9pay picture-id-mode=2",
        "rtpvp9depay",
    ),
    "AAC": Case(SOUND, "aacparse", "rtpmp4gpay mtu=200", "rtpmp4gdepay"),
    "Opus": Case(replace(SOUND, audio_codec="opus"), "opusparse", "rtpopuspay", "rtpopusdepay"),
    "MP3": Case(
        replace(SOUND, audio_codec="mp3"), "mpegaudioparse", "rtpmpapay mtu=300", "rtpmpadepay"
    ),
    "MP2": Case(
        replace(SOUND, audio_codec="mp2"),
        "mpegaudioparse",
        "rtpmpapay mtu=300",
        "rtpmpadepay",
        "mpegaudioparse",
    ),
    "AC-3": Case(
        replace(SOUND, audio_codec="ac3"),
        "ac3parse",
        "rtpac3pay mtu=300",
        "rtpac3depay",
        "ac3parse",
    ),
}
"""By name; programs cut access units up, so parts are read as well."""


def load(path: Path) -> tuple[Track, list[Packet]]:
    """The only track of a file, and its access units."""
    with av.open(path) as container:
        stream = container.streams[0]
        context = stream.codec_context
        codec = Codec(context.codec.canonical_name)
        reader = open_reader(codec)
        if context.extradata:
            reader.configure(context.extradata)
        packets = []
        for one in container.demux(stream):
            if not one.size:
                continue
            unit = reader.unit(bytes(one))
            assert one.pts is not None
            pts = round(one.pts * one.time_base * 90_000)
            packets.append(Packet(0, pts, pts, unit.kind, unit.flags, unit.data))
        return reader.track(Track(0, codec)), packets


def gstreamer(pipeline: str) -> None:
    command = [tool("gst-launch-1.0"), "-q", *pipeline.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr


def framed(data: bytes) -> list[bytes]:
    """The packets behind their lengths (RFC 4571)."""
    found = []
    while data:
        end = 2 + int.from_bytes(data[:2], "big")
        found.append(data[2:end])
        data = data[end:]
    return found


def read(rtp: RtpFormat, packets: list[bytes]) -> list[Unit]:
    """What becomes of packets; nothing of them may be damaged."""
    subject = depacketiser(rtp)
    units = [unit for one in packets for unit in subject.feed(parse(one))]
    units += end(subject)
    assert subject.damaged_units == 0, subject.fault
    return units


def sent(track: Track, packets: list[Packet], limit: int) -> list[bytes]:
    """The packets of a track, whose numbers and times wrap soon."""
    rtp = format_of(track, 96)
    assert rtp is not None
    packing = packetiser(track, limit)
    out: list[bytes] = []
    for one in packets:
        timestamp = 0xFFFF_F000 + rescale(one.pts, 90_000, rtp.clock_rate)
        payloads = packing.pack(one)
        last = len(payloads) - 1
        for at, payload in enumerate(payloads):
            marker = packing.marks and at == last
            head = header(rtp.payload_type, 0xFFF0 + len(out), timestamp, 7, marker=marker)
            out.append(head + payload)
    return out


def caps(rtp: RtpFormat) -> str:
    """A format in the words of GStreamer."""
    media = rtp.media.value if rtp.media else ""
    fields = {
        "media": media,
        "clock-rate": f"(int){rtp.clock_rate}",
        "encoding-name": rtp.encoding,
        "payload": f"(int){rtp.payload_type}",
    }
    if rtp.channels > 1:
        fields["encoding-params"] = f"(string){rtp.channels}"
    fields |= {name: f'(string)"{value}"' for name, value in rtp.fmtp.items()}
    return ",".join(["application/x-rtp-stream", *(f"{name}={fields[name]}" for name in fields)])


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_access_units_that_gstreamer_sends(case: Case, media: MediaCache, tmp_path: Path) -> None:
    source = media(case.recipe).path
    track, packets = load(source)
    rtp = format_of(track, 96)
    assert rtp is not None
    gstreamer(
        f"filesrc location={source} ! matroskademux ! {case.parse} ! {case.pay} "
        f"! rtpstreampay ! filesink location={tmp_path / 'rtp'}"
    )
    units = read(rtp, framed((tmp_path / "rtp").read_bytes()))
    assert [unit.data for unit in units] == [one.data for one in packets]
    assert [unit.kind for unit in units] == [one.kind for one in packets]
    # The first frame of Opus begins before all time, and is put to its start.
    for unit, one in zip(units[1:], packets[1:], strict=True):
        # Files of this kind, and so GStreamer, count milliseconds.
        ticks = (one.pts - packets[1].pts) * rtp.clock_rate / 90_000
        assert abs(unit.timestamp - units[1].timestamp - ticks) <= rtp.clock_rate / 500


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_access_units_that_gstreamer_takes(case: Case, media: MediaCache, tmp_path: Path) -> None:
    track, packets = load(media(case.recipe).path)
    rtp = format_of(track, 96)
    assert rtp is not None
    out = tmp_path / "out"
    out.mkdir()
    made = sent(track, packets, 300)
    (tmp_path / "rtp").write_bytes(b"".join(len(one).to_bytes(2, "big") + one for one in made))
    gstreamer(
        f"filesrc location={tmp_path / 'rtp'} ! {caps(rtp)} ! rtpstreamdepay ! {case.depay} "
        f"! {case.after} ! multifilesink next-file=buffer location={out}/%05d"
    )
    taken = [path.read_bytes() for path in sorted(out.iterdir())]
    if track.codec in {Codec.H264, Codec.HEVC}:
        reader = open_reader(track.codec, byte_stream=True)
        taken = [reader.unit(data).data for data in taken]
    assert taken == [one.data for one in packets]


def test_latm_of_gstreamer(media: MediaCache, tmp_path: Path) -> None:
    source = media(SOUND).path
    track, packets = load(source)
    gstreamer(
        f"filesrc location={source} ! matroskademux ! aacparse ! rtpmp4apay mtu=200 "
        f"! rtpstreampay ! filesink location={tmp_path / 'rtp'}"
    )
    assert track.config is not None
    # Fifteen bits stand in front of the configuration.
    config = (int.from_bytes(track.config, "big") << 1).to_bytes(len(track.config) + 2, "big")
    fmtp = {"cpresent": "0", "config": bytes((0x40 | config[0], *config[1:])).hex()}
    rtp = RtpFormat(96, "MP4A-LATM", track.sample_rate, 1, fmtp)
    units = read(rtp, framed((tmp_path / "rtp").read_bytes()))
    assert [unit.data for unit in units] == [one.data for one in packets]


@pytest.mark.parametrize(
    "recipe",
    [replace(PICTURES, video_codec="av1"), replace(PICTURES, video_codec="hevc", bframes=2)],
    ids=["AV1", "HEVC"],
)
def test_access_units_that_current_ffmpeg_sends(
    recipe: Recipe, media: MediaCache, tmp_path: Path
) -> None:
    source = media(recipe).path
    _, packets = load(source)
    description = tmp_path / "sdp"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        port.bind(("127.0.0.1", 0))
        url = f"rtp://127.0.0.1:{port.getsockname()[1]}?rtcpport={udp_port()}"
        command = [current_ffmpeg(), "-v", "error", "-re", "-i", str(source), "-c", "copy"]
        command += ["-strict", "experimental", "-f", "rtp", "-sdp_file", str(description), url]
        sender = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        port.settimeout(0.2)
        taken = []
        while True:
            # Looked at first: what was sent with the last breath is still taken.
            sending = sender.poll() is None
            try:
                taken.append(port.recv(65_536))
            except TimeoutError:
                if not sending:
                    break
    section = sdp.parse(description.read_bytes()).media[0]
    rtp = format_in(section, section.payload_types[0])
    assert rtp is not None
    units = read(rtp, taken)
    assert [unit.data for unit in units] == [one.data for one in packets]
