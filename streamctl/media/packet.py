"""What lanes carry: access units, byte chunks, and the items that mark changes.

Time is 90 kHz integers, unwrapped to 64 bits, everywhere in this module.
Payload formats per codec are those of ``Packet.data`` below; a module that needs
another form (Annex B, ADTS) converts at its own edge.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace

TIMESCALE = 90_000
"""Ticks per second of every ``pts``, ``dts`` and ``dur``."""


class Format(enum.StrEnum):
    """The formats a lane can have (one lane per format and stream)."""

    PACKETS = "packets"
    MPEGTS = "mpegts"
    RTMP = "rtmp"
    RTMP_MULTITRACK = "rtmp-multitrack"
    """RTMP with further tracks, for peers that say that they know them."""
    FLV = "flv"
    RTP = "rtp"
    CMAF = "cmaf"


class Codec(enum.StrEnum):
    """Codecs that tracks are named by."""

    H264 = "h264"
    HEVC = "hevc"
    AV1 = "av1"
    VP9 = "vp9"
    VP8 = "vp8"
    MPEG2 = "mpeg2"
    AAC = "aac"
    OPUS = "opus"
    MP3 = "mp3"
    MP2 = "mp2"
    AC3 = "ac3"
    EAC3 = "eac3"
    FLAC = "flac"
    G711A = "g711a"
    G711U = "g711u"
    SCTE35 = "scte35"
    TELETEXT = "teletext"
    DVBSUB = "dvbsub"
    KLV = "klv"
    ID3 = "id3"
    DATA = "data"
    """Data of any other kind."""

    @property
    def media(self) -> Media:
        """The kind of media that the codec carries."""
        if self in VIDEO_CODECS:
            return Media.VIDEO
        return Media.DATA if self in DATA_CODECS else Media.AUDIO


class Media(enum.StrEnum):
    """Kinds of tracks."""

    VIDEO = "video"
    AUDIO = "audio"
    DATA = "data"


VIDEO_CODECS = frozenset({Codec.H264, Codec.HEVC, Codec.AV1, Codec.VP9, Codec.VP8, Codec.MPEG2})

DATA_CODECS = frozenset(
    {Codec.SCTE35, Codec.TELETEXT, Codec.DVBSUB, Codec.KLV, Codec.ID3, Codec.DATA}
)


class Kind(enum.IntEnum):
    """What a packet is: the picture type of a video access unit, or another medium."""

    KEY = 0
    P = 1
    B = 2
    AUDIO = 3
    DATA = 4


class Flag(enum.IntFlag):
    """Bits of ``Packet.flags``."""

    NONE = 0
    OPEN_GOP = 1
    """The random-access point is followed by leading pictures that refer before it."""
    LEADING = 2
    """A picture that joiners at the previous random-access point must skip."""
    CORRUPT = 8
    """Bytes are known to be missing."""
    SYNTHETIC = 16
    """No source sent it: silence that stands in for sound that stayed away."""


@dataclass(frozen=True, slots=True)
class Track:
    """One elementary stream of an epoch, as announced by its source."""

    id: int
    """Number within the epoch, 0-based; ``Packet.track`` refers to it."""
    codec: Codec
    config: bytes | None = None
    """Decoder configuration: H.264 avcC, HEVC hvcC, AV1 av1C; VP9, AC-3 and E-AC-3 the payload
    of vpcC, dac3 and dec3; MPEG-2 the sequence header with its extensions; AAC
    AudioSpecificConfig, Opus OpusHead, FLAC the STREAMINFO block; data out of MPEG-TS its
    ``stream_type`` and the descriptors of the program map; ``b""`` for codecs that need none;
    None while the source has not sent it yet."""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    """Frames per second as declared; 0 = unknown."""
    sample_rate: int = 0
    channels: int = 0
    language: str = ""
    bitrate: int = 0
    """Bits per second as declared by the source; 0 = unknown."""

    @property
    def media(self) -> Media:
        """The kind of media that the track carries."""
        return self.codec.media


@dataclass(slots=True)
class Packet:
    """One access unit.

    ``data`` by codec: H.264 and HEVC are 4-byte length-prefixed NAL units of one access
    unit without access unit delimiters and parameter sets (those live in ``Track.config``);
    AV1 is a temporal unit without its delimiter, each OBU with its size; VP9 one frame or
    superframe; MPEG-2 the bytes of one picture, with the headers before it; AAC one raw frame;
    Opus, AC-3, E-AC-3, MP2, MP3 and FLAC one frame; SCTE-35 one splice information section;
    other data the payload of one PES packet.
    """

    track: int
    pts: int
    dts: int
    kind: Kind
    flags: int
    data: bytes
    dur: int = 0
    """Duration in ticks; 0 = unknown."""
    epoch: int = 0


@dataclass(slots=True)
class Chunk:
    """A run of bytes of a byte lane, ready for the wire."""

    data: bytes
    start: int
    """Presentation time of the first picture or sample, 90 kHz."""
    end: int
    """Presentation time where the last picture or sample ends, 90 kHz; where it starts, if its
    duration is unknown."""
    rap: bool
    """A viewer may join at this chunk."""
    flush: bool
    """The chunk ends a video frame (or an audio frame when there is no video): send now."""
    epoch: int
    join: bytes = b""
    """Bytes that a viewer who joins (or lands after a skip) here must get first: RTMP metadata
    and sequence headers, TS tables and discontinuity packets. Shared by all such chunks.

    A leading picture's are for those who joined at the random-access point before it: they get
    them in place of ``data``."""
    flags: int = 0
    """``Flag.OPEN_GOP`` and ``Flag.LEADING`` of the access unit."""
    lead: bytes = b""
    """Bytes that stand before ``data``, apart so that it can be the packet's own object."""
    units: int = 0
    """What else its converter counts: added up for each viewer that the chunk is sent to."""


@dataclass(frozen=True, slots=True)
class Init:
    """The announced track set of a lane; ``version`` rises whenever it changes."""

    version: int
    epoch: int
    tracks: tuple[Track, ...]

    def track(self, number: int) -> Track | None:
        """The track of that number, or None."""
        return next((track for track in self.tracks if track.id == number), None)

    def first(self, media: Media) -> Track | None:
        """The first track of that medium, or None."""
        return next((track for track in self.tracks if track.media is media), None)

    def with_version(self, version: int) -> Init:
        """The same tracks under another version."""
        return replace(self, version=version)


@dataclass(frozen=True, slots=True)
class Boundary:
    """A new epoch begins: everything after it comes from another run of an input."""

    epoch: int
    init: Init
    reason: str
    whole: bool = False
    """The last picture before it is known to be whole, where that can't be seen."""


@dataclass(frozen=True, slots=True)
class InitChange:
    """The tracks of the running epoch changed (late track, new parameter sets)."""

    init: Init


@dataclass(frozen=True, slots=True)
class Rejoin:
    """What follows in a byte lane doesn't go on from what its viewers have: they must come anew."""

    reason: str
    """A sentence for the viewers, who are closed with it."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A cursor fell off the tail and was moved; what it lost."""

    items: int
    media_time: int = field(default=0)
    """Lost media time, 90 kHz."""


Item = Packet | Chunk | Boundary | InitChange | Rejoin | Skipped
"""Whatever a lane or cursor can hand out."""
