"""Payload formats: which codec an RTP stream has, and how SDP says so.

A format is what ``a=rtpmap`` and ``a=fmtp`` of one payload type tell. What cameras leave out of
them, or get wrong, is taken from the media: such a track has no configuration at first.
Specifications: RFC 3551 (static payload types), RFC 8866 §6.6, §6.15; the parameters of each
encoding are in ``parameters``, the lines themselves in ``streamctl.media.sdp``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError
from streamctl.media.codecs import complete
from streamctl.media.packet import TIMESCALE, Codec, Media, Track
from streamctl.media.rtp import parameters
from streamctl.media.sdp import write_fmtp

if TYPE_CHECKING:
    from streamctl.media.sdp import MediaDescription

TRANSPORT_STREAM = "MP2T"
"""The encoding whose payload is MPEG-TS, which has no track of its own."""

ENCODINGS = {
    "H264": Codec.H264,
    "H265": Codec.HEVC,
    "AV1": Codec.AV1,
    "VP8": Codec.VP8,
    "VP9": Codec.VP9,
    "MPEG4-GENERIC": Codec.AAC,
    "MP4A-LATM": Codec.AAC,
    "OPUS": Codec.OPUS,
    "MULTIOPUS": Codec.OPUS,
    "PCMU": Codec.G711U,
    "PCMA": Codec.G711A,
    "MPA": Codec.MP3,
    "AC3": Codec.AC3,
    "EAC3": Codec.EAC3,
}
"""Codecs by encoding names, which are told apart without regard to case."""

SPELLINGS = {
    "MPEG4-GENERIC": "mpeg4-generic",
    "OPUS": "opus",
    "MULTIOPUS": "multiopus",
    "AC3": "ac3",
    "EAC3": "eac3",
}
"""How encodings are registered that are not written in capitals."""

SAMPLE_CLOCKED = frozenset(ENCODINGS) - {"H264", "H265", "AV1", "VP8", "VP9", "MPA"}
"""Encodings whose clock is the sampling rate; that of the others is 90 kHz."""

OPUS_RATE, OPUS_CHANNELS = 48_000, 2
"""What ``rtpmap`` says of any Opus stream (RFC 7587 §7)."""
G711_RATE = 8000
MAX_RATE = 1_000_000
"""No clock of a registered encoding is faster than 192 kHz."""
MAX_CHANNELS = 255
"""What an Opus header can say, which can say the most."""


@dataclass(frozen=True, slots=True)
class RtpFormat:
    """What a payload type stands for."""

    payload_type: int
    encoding: str
    """In capitals."""
    clock_rate: int
    channels: int = 1
    """Of sound as ``rtpmap`` tells it, which for Opus is always 2."""
    fmtp: dict[str, str] = field(default_factory=dict)
    """Parameters of ``a=fmtp``, their names in small letters."""

    @property
    def attributes(self) -> list[tuple[str, str]]:
        """The attributes that tell the same in SDP."""
        channels = f"/{self.channels}" if self.channels > 1 else ""
        rtpmap = f"{SPELLINGS.get(self.encoding, self.encoding)}/{self.clock_rate}{channels}"
        told = [("rtpmap", f"{self.payload_type} {rtpmap}")]
        if self.fmtp:
            told.append(("fmtp", f"{self.payload_type} {write_fmtp(self.fmtp)}"))
        return told

    @property
    def codec(self) -> Codec | None:
        """The codec; None for MPEG-TS and for what can't be read."""
        if self.encoding == "MPEG4-GENERIC" and not parameters.is_aac(self.fmtp):
            return None
        return ENCODINGS.get(self.encoding)

    @property
    def media(self) -> Media | None:
        """The medium of its ``m=`` line, which for MPEG-TS is video; None if it can't be read."""
        if self.encoding == TRANSPORT_STREAM:
            return Media.VIDEO
        return self.codec.media if self.codec else None

    @property
    def whole(self) -> bool:
        """Whether a picture leaves in one piece, however large, with nothing amid its packets.

        FFmpeg's reader of AV1 loses a picture, and all up to the next key picture, when a packet of
        another track comes amid its packets. Over UDP it reads whichever port has something.
        """
        return self.codec is Codec.AV1


STATIC = {
    0: RtpFormat(0, "PCMU", G711_RATE),
    8: RtpFormat(8, "PCMA", G711_RATE),
    14: RtpFormat(14, "MPA", TIMESCALE),
    33: RtpFormat(33, TRANSPORT_STREAM, TIMESCALE),
}
"""Payload types that need no ``rtpmap`` (RFC 3551 §6)."""


def format_in(media: MediaDescription, payload_type: int) -> RtpFormat | None:
    """The format of a payload type in a section of SDP; None if the section doesn't tell."""
    fmtp = media.fmtp(payload_type)
    told = media.rtpmap(payload_type)
    static = STATIC.get(payload_type)
    if told is not None and 0 < told.clock_rate <= MAX_RATE:
        channels = min(max(told.channels, 1), MAX_CHANNELS)
        return RtpFormat(payload_type, told.encoding.upper(), told.clock_rate, channels, fmtp)
    return replace(static, fmtp=fmtp) if static is not None else None


def track_of(rtp: RtpFormat, index: int) -> Track:
    """The track that a format announces; without a configuration if that has to come in band.

    Raises:
        RemoteProtocolError: it is no codec that can be read.
    """
    codec = rtp.codec
    if codec is None:
        raise RemoteProtocolError(f"the RTP encoding `{rtp.encoding}` can't be read")
    track = Track(index, codec)
    if codec.media is Media.AUDIO:
        rate = rtp.clock_rate if rtp.encoding in SAMPLE_CLOCKED else 0
        track = Track(index, codec, sample_rate=rate, channels=rtp.channels if rate else 0)
    return complete(parameters.configure(track, rtp.encoding, rtp.fmtp))


def format_of(track: Track, payload_type: int) -> RtpFormat | None:
    """How a track is sent; None if RTP can't carry it, or its configuration is not known.

    Payload types that RFC 3551 gives to the codec take the place of dynamic ones.
    """
    codec = track.codec
    if codec in {Codec.G711U, Codec.G711A}:
        return g711_format(track, payload_type)
    if codec in {Codec.MP3, Codec.MP2}:
        return STATIC[14]
    if track.config is None or (codec is Codec.AAC and not track.config):
        return None
    fmtp = parameters.describe(track)
    if fmtp is None:
        return None
    if codec is Codec.OPUS:
        surround = "num_streams" in fmtp
        channels = track.channels if surround else OPUS_CHANNELS
        encoding = "MULTIOPUS" if surround else "OPUS"
        return RtpFormat(payload_type, encoding, OPUS_RATE, channels, fmtp)
    if codec.media is Media.AUDIO:
        if not track.sample_rate:
            return None
        encoding = "MPEG4-GENERIC" if codec is Codec.AAC else codec.name
        rate, channels = track.sample_rate, max(track.channels, 1)
        return RtpFormat(payload_type, encoding, rate, channels, fmtp)
    encoding = "H265" if codec is Codec.HEVC else codec.name
    return RtpFormat(payload_type, encoding, TIMESCALE, 1, fmtp)


def g711_format(track: Track, payload_type: int) -> RtpFormat:
    """The format of G.711, which has a payload type of its own for telephony's rate."""
    encoding, static = ("PCMU", 0) if track.codec is Codec.G711U else ("PCMA", 8)
    rate, channels = track.sample_rate or G711_RATE, max(track.channels, 1)
    if (rate, channels) == (G711_RATE, 1):
        return STATIC[static]
    return RtpFormat(payload_type, encoding, rate, channels)
