"""The depacketiser and the packetiser of each payload format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError
from streamctl.media.packet import Codec
from streamctl.media.rtp.aac import AacDepacketiser, AacPacketiser
from streamctl.media.rtp.av1 import Av1Depacketiser, Av1Packetiser
from streamctl.media.rtp.formats import track_of
from streamctl.media.rtp.h264 import H264Depacketiser, H264Packetiser
from streamctl.media.rtp.hevc import HevcDepacketiser, HevcPacketiser
from streamctl.media.rtp.latm import LatmDepacketiser
from streamctl.media.rtp.packetise import MAX_PAYLOAD
from streamctl.media.rtp.sound import (
    Ac3Depacketiser,
    Ac3Packetiser,
    Eac3Depacketiser,
    MpegAudioDepacketiser,
    MpegAudioPacketiser,
    WholeDepacketiser,
    WholePacketiser,
)
from streamctl.media.rtp.vp8 import Vp8Depacketiser, Vp8Packetiser
from streamctl.media.rtp.vp9 import Vp9Depacketiser, Vp9Packetiser

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.media.packet import Track
    from streamctl.media.rtp.depacketise import Depacketiser
    from streamctl.media.rtp.formats import RtpFormat
    from streamctl.media.rtp.packetise import Packetiser

DEPACKETISERS: dict[str, Callable[[RtpFormat, Track], Depacketiser]] = {
    "H264": H264Depacketiser,
    "H265": HevcDepacketiser,
    "AV1": Av1Depacketiser,
    "VP8": Vp8Depacketiser,
    "VP9": Vp9Depacketiser,
    "MPEG4-GENERIC": AacDepacketiser,
    "MP4A-LATM": LatmDepacketiser,
    "OPUS": WholeDepacketiser,
    "MULTIOPUS": WholeDepacketiser,
    "PCMU": WholeDepacketiser,
    "PCMA": WholeDepacketiser,
    "MPA": MpegAudioDepacketiser,
    "AC3": Ac3Depacketiser,
    "EAC3": Eac3Depacketiser,
}

PACKETISERS: dict[Codec, Callable[[Track, int], Packetiser]] = {
    Codec.H264: H264Packetiser,
    Codec.HEVC: HevcPacketiser,
    Codec.AV1: Av1Packetiser,
    Codec.VP8: Vp8Packetiser,
    Codec.VP9: Vp9Packetiser,
    Codec.AAC: AacPacketiser,
    Codec.OPUS: WholePacketiser,
    Codec.G711U: WholePacketiser,
    Codec.G711A: WholePacketiser,
    Codec.MP3: MpegAudioPacketiser,
    Codec.MP2: MpegAudioPacketiser,
    Codec.AC3: Ac3Packetiser,
    Codec.EAC3: Ac3Packetiser,
}

CODECS = frozenset(PACKETISERS)
"""The codecs that can be sent."""


def depacketiser(rtp: RtpFormat, index: int = 0) -> Depacketiser:
    """A depacketiser for a track with that number, which it has as its ``track``.

    MPEG-TS needs none: payloads are runs of its packets.

    Raises:
        RemoteProtocolError: the format can't be read.
    """
    make = DEPACKETISERS.get(rtp.encoding)
    if make is None:
        raise RemoteProtocolError(f"the RTP encoding `{rtp.encoding}` can't be read")
    return make(rtp, track_of(rtp, index))


def packetiser(track: Track, limit: int = MAX_PAYLOAD) -> Packetiser:
    """A packetiser for a track with a configuration; no payload is longer than ``limit``.

    Raises:
        RemoteProtocolError: RTP can't carry the codec, or the configuration can't be read.
    """
    make = PACKETISERS.get(track.codec)
    if make is None:
        raise RemoteProtocolError(f"RTP can't carry `{track.codec}`")
    return make(track, limit)
