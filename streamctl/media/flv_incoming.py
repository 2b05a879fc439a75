"""One track that comes in: its codec, its configuration, and where its frames really are.

Milliseconds are put back on the grid of the track's frames; what a codec's bytes mean is
:mod:`streamctl.media.reader`'s matter.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from streamctl.errors import Unsupported
from streamctl.media.codecs import TITLES
from streamctl.media.flv_head import CODECS as CARRIED
from streamctl.media.packet import TIMESCALE, Codec, Media, Packet, Track
from streamctl.media.reader import CODECS as READ
from streamctl.media.reader import open_reader
from streamctl.media.timestamps import TICKS_PER_MS, FrameGrid, frame_step

if TYPE_CHECKING:
    from streamctl.media.flv import Tag
    from streamctl.media.flv_metadata import Facts
    from streamctl.media.reader import TrackReader, Unit

MAX_TRACKS = 16
"""Of one medium: renditions and languages of a broadcaster. The wire allows 256."""
USABLE = CARRIED & READ
"""Codecs that have a name in FLV and can be read."""
SELF_TOLD = frozenset({Codec.MP3, Codec.AC3, Codec.EAC3, Codec.VP9})
"""Codecs whose frames tell their configuration; a sequence may start without saying so."""
OPUS_STEREO = b"OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00"
"""What an empty Opus sequence start means: one stream, mono or stereo (RFC 7845 section 5.1)."""
NANOS_PER_TICK = Fraction(1_000_000_000, TIMESCALE)


class IncomingTrack:
    """One track of a publisher or of a server that is pulled."""

    __slots__ = ("codec", "grid", "id", "media", "pictures", "reader", "track")

    def __init__(self, media: Media, number: int, codec: Codec) -> None:
        self.media = media
        self.pictures = media is Media.VIDEO
        self.id = track_id(media, number)
        self.codec = codec
        self.reader: TrackReader = open_reader(codec)
        self.grid = FrameGrid(Fraction(0))
        self.track = Track(self.id, codec)
        """As announced last."""

    def describe(self, facts: Facts) -> Track:
        """The track as far as its configuration and the source's metadata tell."""
        base = Track(
            self.id,
            self.codec,
            width=facts.width,
            height=facts.height,
            fps=facts.fps,
            sample_rate=facts.sample_rate,
            channels=facts.channels,
            bitrate=facts.bitrate,
        )
        self.track = base if self.reader.config is None else self.reader.track(base)
        return self.track

    def configure(self, record: bytes) -> bool:
        """Take a sequence header; whether it changes anything.

        Raises:
            RemoteProtocolError: it can't be read.
        """
        if not record and self.codec is Codec.OPUS:
            record = OPUS_STEREO
        return self.reader.configure(record) is not None

    def regrid(self) -> None:
        """Begin the grid of the track's frames anew, as its configuration is another."""
        if self.pictures:
            step = frame_step(self.track.fps)
        else:
            told = self.reader.facts
            step = (told.frame if told is not None else None) or Fraction(0)
        self.grid = FrameGrid(step)

    def place(self, unit: Unit, tag: Tag, ms: int) -> Packet:
        """The packet of an access unit with an unwrapped timestamp."""
        raw = ms * TICKS_PER_MS
        if tag.nanos:
            raw += round(tag.nanos / NANOS_PER_TICK)
        dts = pts = self.grid.snap(raw)
        if self.pictures:
            pts = raw + tag.cts * TICKS_PER_MS
            placed = self.grid.near(pts)
            if placed is not None:
                pts = placed
            if pts < dts:
                pts = dts
        return Packet(self.id, pts, dts, unit.kind, unit.flags, unit.data, unit.dur)


def track_id(media: Media, number: int) -> int:
    """The track's number in the epoch: video has even ones, audio odd ones, defaults 0 and 1."""
    return 2 * number + (media is not Media.VIDEO)


def refuse(name: str, media: Media, by: str) -> Unsupported:
    """The error for a codec that can't be taken."""
    usable = [TITLES[codec] for codec in Codec if codec in USABLE and codec.media is media]
    choice = " or ".join(filter(None, (", ".join(usable[:-1]), usable[-1])))
    return Unsupported(f"{name} {media} can't come in by {by} here: use {choice}")
