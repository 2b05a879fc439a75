"""From RTMP messages to an epoch: access units, tracks and one unwrapped clock.

Used by whoever receives media, be it from a publisher or from a server that is pulled. Messages
that can't be read are counted and left out, since encoders send odd things in between; a codec
that streamctl can't carry ends the publishing with its name.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError, Unsupported
from streamctl.media import flv
from streamctl.media.aac import AacConfig
from streamctl.media.codecs import complete
from streamctl.media.flv import TagKind
from streamctl.media.h264 import AvcConfig, normalize_prefixed
from streamctl.media.packet import TIMESCALE, Codec, Kind, Packet, Track
from streamctl.media.timestamps import FrameGrid, Unwrapper, frame_step, ms_to_ticks
from streamctl_rtmp.wire.messages import MessageType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.h264 import AccessUnit
    from streamctl.sdk.lane import EpochWriter
    from streamctl_rtmp.wire.events import DataReceived
    from streamctl_rtmp.wire.messages import Message

VIDEO_TRACK = 0
AUDIO_TRACK = 1
LENGTH_BYTES = 4
"""NAL unit lengths of ``Packet.data``, and so of the configuration that describes it."""


class Ingest:
    """Feeds one epoch."""

    def __init__(self, out: EpochWriter) -> None:
        self.out = out
        self.dropped = 0
        """Messages without anything to play in them."""
        self._packets: list[Packet] = []
        self._tracks: dict[int, Track] = {}
        self._facts = flv.Metadata(video=False, audio=False)
        self._clock = Unwrapper(32)
        self._pictures = FrameGrid(frame_step(0))
        self._sounds = FrameGrid(frame_step(0))
        self._avc: AvcConfig | None = None
        self._asc: bytes | None = None

    def metadata(self, event: DataReceived) -> None:
        """Announce the tracks that a source says it will send."""
        values = next((value for value in event.values if isinstance(value, dict)), None)
        if event.name != "onMetaData" or values is None:
            return
        self._facts = flv.metadata(values)
        if self._facts.video and VIDEO_TRACK not in self._tracks:
            self._tracks[VIDEO_TRACK] = self._video_track(None)
        if self._facts.audio and AUDIO_TRACK not in self._tracks:
            self._tracks[AUDIO_TRACK] = self._audio_track(None)
        self._announce()

    def take(self, message: Message, now: float) -> None:
        """Take one audio or video message; :meth:`flush` passes on what was collected.

        Raises:
            Unsupported: the codec can't be carried.
            StaleEpoch: the epoch has ended.
        """
        if message.type == MessageType.VIDEO:
            head = message.head
            tag = flv.parse_video(head, message.data) if head else flv.parse_video(message.data)
            wanted = Codec.H264
        else:
            tag = flv.parse_audio(message.data)
            wanted = Codec.AAC
        if tag.codec is not wanted:
            self._other_codec(tag, message)
        elif tag.kind is TagKind.FRAME:
            if wanted is Codec.H264:
                self._picture(tag, message.timestamp, now)
            else:
                self._sound(tag.body, message.timestamp)
        elif tag.kind is TagKind.CONFIG:
            try:
                self._configure(tag, now)
            except RemoteProtocolError:
                self.dropped += 1
        elif tag.kind is TagKind.OTHER:
            self.dropped += 1

    def flush(self, now: float) -> None:
        """Write what was collected.

        Raises:
            StaleEpoch: the epoch has ended.
        """
        if self._packets:
            packets, self._packets = self._packets, []
            self.out.put(packets, now)

    def _other_codec(self, tag: flv.Tag, message: Message) -> None:
        if tag.kind is TagKind.OTHER or not (message.head or message.data):
            self.dropped += 1
            return
        medium = "video" if message.type == MessageType.VIDEO else "audio"
        raise Unsupported(f"{tag.name} {medium} can't be published by RTMP here: use H.264 and AAC")

    def _picture(self, tag: flv.Tag, timestamp: int, now: float) -> None:
        avc = self._avc
        if avc is None:
            self.dropped += 1
            return
        try:
            unit = normalize_prefixed(tag.body, avc.length_size)
            if unit.sps or unit.pps:
                self._parameter_sets(avc, unit, now)
        except RemoteProtocolError:
            self.dropped += 1
            return
        if unit.data:
            raw = ms_to_ticks(self._clock.unwrap(timestamp))
            dts = self._pictures.snap(raw)
            pts = raw + ms_to_ticks(tag.cts)
            placed = self._pictures.near(pts)
            pts = max(dts, pts if placed is None else placed)
            self._packets.append(Packet(VIDEO_TRACK, pts, dts, unit.kind, unit.flags, unit.data))

    def _sound(self, frame: bytes, timestamp: int) -> None:
        if self._asc is None or not frame:
            self.dropped += 1
            return
        pts = self._sounds.snap(ms_to_ticks(self._clock.unwrap(timestamp)))
        self._packets.append(Packet(AUDIO_TRACK, pts, pts, Kind.AUDIO, 0, frame))

    def _configure(self, tag: flv.Tag, now: float) -> None:
        """Take a sequence header.

        Raises:
            RemoteProtocolError: it can't be read.
        """
        if tag.codec is Codec.H264:
            self._set_avc(AvcConfig.parse(tag.body), now)
        elif tag.body != self._asc:
            config = AacConfig.parse(tag.body)
            self._asc = tag.body
            self._sounds = FrameGrid(Fraction(TIMESCALE * config.frame_samples, config.sample_rate))
            self._change(self._audio_track(tag.body), now)

    def _parameter_sets(self, avc: AvcConfig, unit: AccessUnit, now: float) -> None:
        """Take parameter sets that came in band.

        Raises:
            RemoteProtocolError: they can't be read.
        """
        changed = avc.with_parameter_sets(unit.sps, unit.pps)
        if changed is not avc:
            self._set_avc(changed, now)

    def _set_avc(self, avc: AvcConfig, now: float) -> None:
        if avc == self._avc:
            return
        config = replace(avc, length_size=LENGTH_BYTES).serialize()
        self._avc = avc
        track = self._video_track(config)
        self._pictures = FrameGrid(frame_step(track.fps))
        self._change(track, now)

    def _change(self, track: Track, now: float) -> None:
        """Announce a track's configuration behind what it does not concern."""
        self.flush(now)
        self._tracks[track.id] = track
        self._announce()

    def _announce(self) -> None:
        tracks: Sequence[Track] = [self._tracks[number] for number in sorted(self._tracks)]
        if tracks:
            self.out.tracks(tracks)

    def _video_track(self, config: bytes | None) -> Track:
        facts = self._facts
        track = Track(
            VIDEO_TRACK,
            Codec.H264,
            config,
            width=facts.width,
            height=facts.height,
            fps=facts.fps,
            bitrate=facts.video_bitrate,
        )
        return track if config is None else complete(track)

    def _audio_track(self, config: bytes | None) -> Track:
        track = Track(AUDIO_TRACK, Codec.AAC, config, bitrate=self._facts.audio_bitrate)
        return track if config is None else complete(track)
