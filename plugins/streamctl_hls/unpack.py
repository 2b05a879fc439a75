"""Segments taken apart into tracks and access units, whatever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from streamctl.errors import MediaError, RemoteProtocolError
from streamctl.media import ac3
from streamctl.media.fmp4.demux import Fmp4Demuxer
from streamctl.media.fmp4.demux import Tracks as Fmp4Tracks
from streamctl.media.mpegts.align import Aligner
from streamctl.media.mpegts.assemble import Pes
from streamctl.media.mpegts.demux import TsDemuxer
from streamctl.media.mpegts.frames import sound_codec
from streamctl.media.mpegts.pes import PesHeader
from streamctl.media.mpegts.unpack import ProgramTime
from streamctl.media.mpegts.unpack_sound import SoundUnpacker
from streamctl.media.packet import Codec, Packet, Track
from streamctl_hls.sniff import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamctl.sdk.transport import TransportOptions
    from streamctl_hls.feed import Loaded

Found = Packet | tuple[Track, ...]
"""An access unit, or the tracks as they are from here on."""
SLICE_BYTES = 188 * 348
"""So much is taken apart at a time, so that others have their turn."""
CLOCK = b"com.apple.streaming.transportStreamTimestamp\0"
"""The owner of the frame that tells where sound begins (RFC 8216bis, section 3.1.4)."""
TAG_HEADER_BYTES = 10


class Unpacker(Protocol):
    """Takes the segments of one rendition apart."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """Tracks that can't be read, in words."""

    def feed(self, loaded: Loaded) -> Iterator[list[Found]]:
        """What a segment holds, piece by piece.

        Raises:
            RemoteProtocolError: it is damaged.
            MediaError: it can't be read.
        """

    def flush(self) -> list[Found]:
        """What was held back, since nothing follows it."""


class TsUnpacker:
    """MPEG-TS."""

    def __init__(self, anchor: int | None = None, chosen: TransportOptions | None = None) -> None:
        self._aligner = Aligner()
        self._demuxer = TsDemuxer(chosen.program or None, chosen.pids) if chosen else TsDemuxer()
        if anchor is not None:
            self._demuxer.anchor(anchor)

    @property
    def left_out(self) -> tuple[str, ...]:
        return tuple(f"PID {pid}: {why}" for pid, why in self._demuxer.left_out.items())

    def feed(self, loaded: Loaded) -> Iterator[list[Found]]:
        data = memoryview(loaded.data)
        for at in range(0, len(data), SLICE_BYTES):
            packets = self._aligner.feed(data[at : at + SLICE_BYTES])
            yield [
                item if isinstance(item, Packet) else item.tracks
                for item in self._demuxer.feed(packets)
            ]
        if self._demuxer.scrambled:
            raise MediaError("the segments are scrambled", permanent=True)
        if not self._demuxer.tracks:
            # Every segment begins with its tables (RFC 8216bis, section 3.1.1).
            reason = self._demuxer.programs.reason or "the streams that are wanted are not there"
            raise RemoteProtocolError(reason)

    def flush(self) -> list[Found]:
        rest = self._demuxer.feed(self._aligner.finish()) + self._demuxer.flush()
        return [item if isinstance(item, Packet) else item.tracks for item in rest]


class Fmp4Unpacker:
    """Fragmented MP4."""

    def __init__(self) -> None:
        self._demuxer = Fmp4Demuxer()
        self._section = b""

    @property
    def left_out(self) -> tuple[str, ...]:
        return self._demuxer.left_out

    def feed(self, loaded: Loaded) -> Iterator[list[Found]]:
        # Without a section of its own a segment may hold it, and the next ones go on from that.
        section = loaded.section or self._section or loaded.data
        if section != self._section:
            tracks = self._demuxer.start(section).tracks
            self._section = section
            yield [tracks]
        for items in self._demuxer.feed(loaded.data):
            yield [item.tracks if isinstance(item, Fmp4Tracks) else item for item in items]

    def flush(self) -> list[Found]:
        return []


class SoundSegments:
    """Sound without a container, behind a tag that tells where it begins."""

    left_out = ()

    def __init__(self, anchor: int | None = None) -> None:
        self._time = ProgramTime()
        self._time.unwrapper.last = anchor
        self._unpacker: SoundUnpacker | None = None

    def feed(self, loaded: Loaded) -> Iterator[list[Found]]:
        clock, sound = split_tag(loaded.data)
        if self._unpacker is None:
            codec = sound_codec(Codec.AC3 if sound[:2] == ac3.SYNC else Codec.AAC, sound)
            self._unpacker = SoundUnpacker(Track(0, codec), self._time)
        found: list[Packet | Track] = []
        header = PesHeader(0xC0, len(sound), 0, clock, clock)
        self._unpacker.take(Pes(header, sound), found)
        yield [item if isinstance(item, Packet) else (item,) for item in found]

    def flush(self) -> list[Found]:
        return []


def split_tag(data: bytes) -> tuple[int | None, bytes]:
    """Where the sound of a segment begins, if that is told, and the sound.

    Raises:
        RemoteProtocolError: the tag is cut off.
    """
    clock = None
    while data.startswith(b"ID3"):
        if len(data) < TAG_HEADER_BYTES:
            raise RemoteProtocolError("an ID3 tag is cut off")
        size = 0
        for byte in data[6:TAG_HEADER_BYTES]:
            size = size << 7 | byte & 0x7F
        end = TAG_HEADER_BYTES + size
        at = data.find(CLOCK, 0, end)
        if at >= 0:
            begin = at + len(CLOCK)
            clock = int.from_bytes(data[begin : begin + 8], "big") & ((1 << 33) - 1)
        if end > len(data):
            raise RemoteProtocolError("an ID3 tag is cut off")
        data = data[end:]
    return clock, data


def open_unpacker(
    kind: Kind, anchor: int | None, chosen: TransportOptions | None = None
) -> Unpacker:
    """Takes segments of a format apart; their times begin near the anchor, if they can wrap.

    Raises:
        MediaError: something was chosen that this format does not have.
    """
    if chosen is not None and kind is not Kind.TS:
        raise MediaError(
            f"`program` and `pids` choose from MPEG-TS, and the segments are {kind.value}",
            permanent=True,
        )
    if kind is Kind.FMP4:
        return Fmp4Unpacker()
    return TsUnpacker(anchor, chosen) if kind is Kind.TS else SoundSegments(anchor)
