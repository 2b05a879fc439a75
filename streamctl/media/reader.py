"""The codec-neutral way from a container's frames to access units of the ``packets`` lane.

A reader takes configuration records and frames as containers hold them and gives the forms of
``Track.config`` and ``Packet.data``, the kind of each unit, and changes of the configuration,
whether they came aside, in band or with the first frame. Timestamps are left to the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import Unsupported
from streamctl.media.aac import AacReader
from streamctl.media.ac3 import Ac3Reader
from streamctl.media.av1 import Av1Reader
from streamctl.media.eac3 import Eac3Reader
from streamctl.media.flac import FlacReader
from streamctl.media.h264 import H264Reader
from streamctl.media.hevc import HevcReader
from streamctl.media.mpegaudio import MpegAudioReader
from streamctl.media.opus import OpusReader
from streamctl.media.packet import Codec
from streamctl.media.unit import TrackReader, Unit
from streamctl.media.vp9 import Vp9Reader

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CODECS", "TrackReader", "Unit", "open_reader"]

READERS: dict[Codec, Callable[[], TrackReader]] = {
    Codec.H264: H264Reader,
    Codec.HEVC: HevcReader,
    Codec.AV1: Av1Reader,
    Codec.VP9: Vp9Reader,
    Codec.AAC: AacReader,
    Codec.OPUS: OpusReader,
    Codec.MP3: MpegAudioReader,
    Codec.MP2: MpegAudioReader,
    Codec.AC3: Ac3Reader,
    Codec.EAC3: Eac3Reader,
    Codec.FLAC: FlacReader,
}

BYTE_STREAMS: dict[Codec, Callable[[], TrackReader]] = {
    Codec.H264: lambda: H264Reader(byte_stream=True),
    Codec.HEVC: lambda: HevcReader(byte_stream=True),
}
"""Codecs that some containers hold in byte stream form (Annex B)."""

CODECS = frozenset(READERS)
"""The codecs that can be read."""


def open_reader(codec: Codec, *, byte_stream: bool = False) -> TrackReader:
    """A reader for one track.

    With ``byte_stream`` NAL units come behind start codes instead of lengths, until a
    configuration record says otherwise; codecs without NAL units don't know the difference.

    Raises:
        Unsupported: no reader knows the codec.
    """
    make = (byte_stream and BYTE_STREAMS.get(codec)) or READERS.get(codec)
    if make is None:
        raise Unsupported(f"the codec `{codec}` can't be read")
    return make()
