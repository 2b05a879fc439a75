"""From FLV tags and RTMP messages to an epoch: access units, tracks and one unwrapped clock.

Used by whoever receives media, be it from a publisher or from a server that is pulled. What can't
be read is counted and left out, since encoders send odd things in between; a codec that streamctl
can't carry ends the publishing with its name.

A source may send several tracks of a medium, each with its number, and may change the codec of any
of them: a new sequence header is enough. Tracks that its metadata names are announced before their
first frames, so that nobody waits for others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from streamctl.errors import RemoteProtocolError
from streamctl.media.flv import CONFIG, FRAME, OTHER, parse_audio, parse_video
from streamctl.media.flv_incoming import (
    MAX_TRACKS,
    SELF_TOLD,
    USABLE,
    IncomingTrack,
    refuse,
    track_id,
)
from streamctl.media.flv_metadata import Metadata, metadata
from streamctl.media.flv_packer import TagType
from streamctl.media.packet import Media
from streamctl.media.timestamps import Unwrapper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.flv import Tag
    from streamctl.media.packet import Packet, Track

CLOCK_BITS = 31
"""Timestamps have 32 bits, but publishers made of FFmpeg begin anew after 31. Counted by these,
both kinds go on."""
# Looking a member up in its enum costs as much as a call.
VIDEO_TAG = TagType.VIDEO
VIDEO, AUDIO = Media.VIDEO, Media.AUDIO


class Incoming(Protocol):
    """An audio or video tag, or the message that is the same."""

    @property
    def type(self) -> int:
        """8 or 9."""

    @property
    def timestamp(self) -> int:
        """Milliseconds modulo 2^32."""

    @property
    def head(self) -> bytes:
        """What precedes ``data``, where it is kept apart."""

    @property
    def data(self) -> bytes:
        """The body, or what is left of it."""


class Epoch(Protocol):
    """Where access units go."""

    def tracks(self, tracks: Sequence[Track]) -> None:
        """Announce the tracks."""

    def put(self, packets: list[Packet], now: float) -> None:
        """Take access units in decode order."""

    def drop(self, count: int) -> None:
        """Count what could not be read."""


class Ingest:
    """Feeds one epoch."""

    def __init__(self, out: Epoch, by: str) -> None:
        self.out = out
        self.by = by
        """The protocol, for messages."""
        self._packets: list[Packet] = []
        self._tracks: dict[int, IncomingTrack] = {}
        self._metadata = Metadata()
        self._clock = Unwrapper(CLOCK_BITS)

    def metadata(self, name: str, values: Sequence[Any]) -> None:
        """Announce the tracks that a source says it will send in script data of that name."""
        found = next((value for value in values if isinstance(value, dict)), None)
        if name != "onMetaData" or found is None:
            return
        self._metadata = metadata(found)
        for media, tracks in (
            (Media.VIDEO, self._metadata.video),
            (Media.AUDIO, self._metadata.audio),
        ):
            for number, facts in tracks.items():
                new = track_id(media, number) not in self._tracks and number < MAX_TRACKS
                if new and facts.codec in USABLE:
                    track = IncomingTrack(media, number, facts.codec)
                    track.describe(facts)
                    self._tracks[track.id] = track
        self._announce()

    def take(self, message: Incoming, now: float) -> None:
        """Take one audio or video tag; :meth:`flush` passes on what was collected.

        Raises:
            Unsupported: the codec can't be carried.
            StaleEpoch: the epoch has ended.
        """
        if message.type == VIDEO_TAG:
            head = message.head
            tag = parse_video(head, message.data) if head else parse_video(message.data)
            media = VIDEO
        else:
            tag = parse_audio(message.data)
            media = AUDIO
        if tag.parts:
            for part in tag.parts:
                self._take(part, media, message.timestamp, now)
        else:
            self._take(tag, media, message.timestamp, now)

    def flush(self, now: float) -> None:
        """Write what was collected.

        Raises:
            StaleEpoch: the epoch has ended.
        """
        if self._packets:
            packets, self._packets = self._packets, []
            self.out.put(packets, now)

    def _take(self, tag: Tag, media: Media, timestamp: int, now: float) -> None:
        """Take what belongs to one track."""
        track = self._tracks.get(2 * tag.track + (media is AUDIO))
        if track is None or tag.codec is not track.codec:
            track = self._change_codec(tag, media, track)
        kind = tag.kind
        try:
            if track is None or kind is OTHER:
                self.out.drop(1)
            elif kind is FRAME:
                unit = track.reader.unit(tag.body)
                if unit.config is not None:
                    self._configured(track, tag.track, now)
                if unit.data:
                    self._packets.append(track.place(unit, tag, self._clock.unwrap(timestamp)))
                else:
                    self.out.drop(1)
            elif kind is CONFIG and track.configure(tag.body):
                self._configured(track, tag.track, now)
        except RemoteProtocolError:
            self.out.drop(1)

    def _change_codec(
        self, tag: Tag, media: Media, track: IncomingTrack | None
    ) -> IncomingTrack | None:
        """The track of a unit of another codec than before, or of none; None = it is dropped.

        Raises:
            Unsupported: the codec can't be carried.
        """
        codec = tag.codec
        if tag.kind not in {CONFIG, FRAME} or tag.track >= MAX_TRACKS:
            return None
        if codec is None or codec not in USABLE:
            raise refuse(tag.name, media, self.by)
        configured = track is not None and track.reader.config is not None
        if configured and tag.kind is FRAME and codec not in SELF_TOLD:
            # Nothing could be made of it without a sequence header: a stray unit.
            return None
        track = IncomingTrack(media, tag.track, codec)
        self._tracks[track.id] = track
        return track

    def _configured(self, track: IncomingTrack, number: int, now: float) -> None:
        """Announce a track's configuration behind what it does not concern."""
        self.flush(now)
        track.describe(self._metadata.facts(track.media, number))
        track.regrid()
        self._announce()

    def _announce(self) -> None:
        tracks = [self._tracks[number].track for number in sorted(self._tracks)]
        if tracks:
            self.out.tracks(tracks)
