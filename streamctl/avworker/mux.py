"""The mux job: packets from the parent as a file that only libav knows how to write.

The child touches no file: what the muxer writes goes back to the parent as bytes with their
place. Codec parameters that libav wants beside the packets are learnt from it, too: each track's
configuration and first frame are shown to its FLV demuxer, which knows all codecs of FLV.
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
from av.error import FFmpegError

from streamctl.avworker import wire
from streamctl.avworker.container import quiet, reason
from streamctl.avworker.wire import MuxJob, Record, RecordType
from streamctl.errors import MediaError, RemoteProtocolError
from streamctl.media.flv_packer import TagPacker, TagType
from streamctl.media.packet import TIMESCALE, Init, Kind, Packet, Track

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.stream import Stream

    from streamctl.avworker.channel import Channel

WAITING_TICKS = 3 * TIMESCALE
"""A track that has shown no frame by then is left out: the head of a file needs all tracks."""
OPTIONS = {
    "mp4": {
        "movflags": "+hybrid_fragmented+frag_keyframe+default_base_moof+delay_moov",
        "frag_duration": "2000000",
        "movie_timescale": str(TIMESCALE),
    }
}
"""An MP4 is readable up to its last fragment at any time, and like any other when it is whole."""
BUFFER_BYTES = 1 << 18
FLV_HEAD = b"FLV\1\5\0\0\0\x09\0\0\0\0"
KEYS = frozenset({Kind.KEY, Kind.AUDIO})


def mux(job: MuxJob, channel: Channel) -> None:
    """Run the job.

    Raises:
        MediaError: the format can't hold these tracks.
    """
    quiet()
    Mux(job, channel).run()


class Outgoing(io.RawIOBase):
    """The file as libav sees it."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.position = 0
        self.end = 0

    def write(self, data: Any) -> int:
        """Send bytes for the present place."""
        self.channel.send(wire.write_record(self.position, bytes(data)))
        self.position += len(data)
        self.end = max(self.end, self.position)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go elsewhere."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.end}[whence]
        self.position = start + offset
        return self.position

    def tell(self) -> int:
        """The present place."""
        return self.position

    def seekable(self) -> bool:
        """The parent writes anywhere."""
        return True

    def writable(self) -> bool:
        """That is what it is for."""
        return True


class FlvTags(TagPacker):
    """Tags as they stand in a file."""

    def tag(self, kind: TagType, timestamp: int, head: bytes, data: bytes) -> bytes:
        """The tag and its size."""
        size = len(head) + len(data)
        start = bytes((kind,)) + size.to_bytes(3, "big")
        time = (timestamp & 0xFFFFFF).to_bytes(3, "big") + bytes((timestamp >> 24 & 0xFF, 0, 0, 0))
        return start + time + head + data + (size + 11).to_bytes(4, "big")


class Mux:
    """One file."""

    def __init__(self, job: MuxJob, channel: Channel) -> None:
        self.job = job
        self.channel = channel
        self.tracks: tuple[Track, ...] = ()
        self.held: list[Packet] = []
        self.container: OutputContainer | None = None
        self.streams: dict[int, Stream] = {}
        self.base = 0

    def run(self) -> None:
        """Take packets until the parent says that there are no more."""
        try:
            while (record := self.channel.receive()).type is not RecordType.END:
                if record.type is RecordType.TRACKS:
                    self._announce(wire.parse_tracks_record(record))
                else:
                    self._take(wire.parse_packets(record))
            if self.container is None and self.held:
                self._begin()
            if self.container is not None:
                self.container.close()
        except RemoteProtocolError as error:
            raise MediaError(f"the parent sent nonsense: {error}") from None
        except (FFmpegError, ValueError) as error:
            raise MediaError(f"`{self.job.format}` can't be written: {reason(error)}") from None
        self.channel.send(Record(RecordType.END))

    def _announce(self, tracks: tuple[Track, ...]) -> None:
        if not self.held and self.container is None:
            self.tracks = tracks

    def _take(self, packets: list[Packet]) -> None:
        if self.container is not None:
            self._write(packets)
            return
        self.held += packets
        seen = {packet.track for packet in self.held}
        late = self.held[-1].dts - self.held[0].dts > WAITING_TICKS
        if late or seen >= {track.id for track in self.tracks}:
            self._begin()

    def _begin(self) -> None:
        """Write the head, and what was held for it."""
        out: Any = Outgoing(self.channel)
        options = OPTIONS.get(self.job.format, {})
        container = av.open(
            out, "w", format=self.job.format, options=options, buffer_size=BUFFER_BYTES
        )
        for track in self.tracks:
            first = next((packet for packet in self.held if packet.track == track.id), None)
            if first is not None:
                with described(track, first) as source:
                    stream = container.add_stream_from_template(source.streams[0], opaque=True)
                stream.time_base = Fraction(1, TIMESCALE)
                if track.language:
                    stream.metadata["language"] = track.language
                self.streams[track.id] = stream
        self.container = container
        self.base = min(packet.dts for packet in self.held)
        held, self.held = self.held, []
        self._write(held)

    def _write(self, packets: list[Packet]) -> None:
        assert self.container is not None
        for packet in packets:
            stream = self.streams.get(packet.track)
            if stream is None:
                continue
            unit = av.Packet(packet.data)
            unit.stream = stream
            unit.time_base = Fraction(1, TIMESCALE)
            unit.pts, unit.dts = packet.pts - self.base, packet.dts - self.base
            unit.duration = packet.dur
            unit.is_keyframe = packet.kind in KEYS
            self.container.mux_one(unit)


def described(track: Track, first: Packet) -> InputContainer:
    """A container whose only stream is this track, as libav understands it."""
    tags = FlvTags(base=first.dts)
    tags.use(Init(1, 1, (track,)))
    data = FLV_HEAD + tags.headers(first.dts) + tags.message(first)
    return av.open(io.BytesIO(data), "r", format="flv")
