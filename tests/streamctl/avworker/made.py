"""Small odd files that no recipe makes."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av

from streamctl.media.h264 import AvcConfig
from streamctl.media.nal import split_length_prefixed
from streamctl.media.packet import TIMESCALE

if TYPE_CHECKING:
    from pathlib import Path

    from av.audio.stream import AudioStream
    from av.video.stream import VideoStream

    from streamctl.media.packet import Packet


def encode(path: Path, *, video: str, audio: str) -> None:
    """A second of grey and silence in other codecs."""
    with av.open(str(path), "w") as out:
        picture = cast("VideoStream", out.add_stream(video, rate=25))
        picture.width, picture.height, picture.pix_fmt = 160, 96, "yuv420p"
        sound = cast("AudioStream", out.add_stream(audio, rate=48_000, layout="stereo"))
        for number in range(25):
            frame = av.VideoFrame(160, 96, "yuv420p")
            frame.pts = number
            out.mux(picture.encode(frame))
        for number in range(40):
            block = av.AudioFrame(format="flt", layout="stereo", samples=960)
            for plane in block.planes:
                plane.update(bytes(plane.buffer_size))
            block.sample_rate, block.pts = 48_000, number * 960
            out.mux(sound.encode(block))
        out.mux(picture.encode(None))
        out.mux(sound.encode(None))


def with_sets(config: bytes | None, pictures: list[Packet]) -> bytes:
    """A transport stream whose pictures bring these parameter sets, keyframes or not."""
    sets = () if config is None else (*AvcConfig.parse(config).sps, *AvcConfig.parse(config).pps)
    out = io.BytesIO()
    with av.open(out, "w", format="mpegts") as container:
        stream = container.add_mux_stream("h264")
        for packet in pictures:
            nals = [*sets, *split_length_prefixed(packet.data)]
            data = b"".join(b"\0\0\0\1" + nal for nal in nals)
            unit = av.Packet(data)
            unit.stream = stream
            unit.time_base = Fraction(1, TIMESCALE)
            unit.pts, unit.dts = packet.pts, packet.dts
            container.mux_one(unit)
    return out.getvalue()
