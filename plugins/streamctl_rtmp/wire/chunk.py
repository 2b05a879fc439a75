"""RTMP chunks: messages cut into pieces and put together again (RTMP 1.0 section 5.3).

Theory of operation of the parser: bytes are consumed as they come. A message that lies in the
buffer as one chunk becomes one slice. When the chunks of a longer one follow each other, which they
nearly always do, their one-byte headers stand at equal distances: they are compared with one
strided slice and left out or deleted at once. Only what a read cuts apart is assembled in its
chunk stream, again whole runs of chunks at a time.
Audio and video messages that need none of this care are taken first, by a loop of their own.
Between reads the parser keeps, besides assembled payload, a part of a chunk header at most.

Set Chunk Size and Abort Message concern the chunk layer alone and are obeyed here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from streamctl.errors import LocalProtocolError, RemoteProtocolError
from streamctl_rtmp.wire.messages import Message, MessageType, parse_uint32

DEFAULT_CHUNK_SIZE = 128
MAX_CHUNK_SIZE = 0xFFFFFF
"""A message can't be longer, so a larger chunk size means the same."""
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""The length field allows no more; an intra picture of 8K video stays below a quarter of it."""
MAX_PARTIAL_BYTES = 32 * 1024 * 1024
"""Payload of unfinished messages over all chunk streams: two of the longest."""
MAX_CHUNK_STREAMS = 64
"""Real peers use fewer than ten; ids up to 65599 would cost memory for every id ever seen."""
EXTENDED = 0xFFFFFF
"""A timestamp field of this value says that four more bytes follow."""
VIDEO_HEAD_BYTES = 5
"""What stands before the first NAL unit of a picture."""
SMALL_PIECE_BYTES = 4096
"""Pieces below this are put together, so that a byte at a time costs a byte of memory."""
FEW_CHUNKS = 32
"""Up to here joining slices is faster than deleting headers from a copy."""
FIRST_LOOK = 32
"""Headers of a run that are compared at first; more of them only behind as many that fit."""
MAX_WORK = 512
"""Messages, and chunks that need a look of their own, in one call: some milliseconds. A read may
bring two hundred times as many, of one byte each, and everybody else would wait."""
HEADER_BYTES = (11, 7, 3, 0)
"""Size of the message header by chunk format."""
AUDIO, VIDEO = MessageType.AUDIO.value, MessageType.VIDEO.value
"""Plain numbers: members of enumerations are looked up at ten times the cost."""
START = struct.Struct(">Q")
"""Basic header of one byte, timestamp, length and type of a message, in one look."""
STREAM_NUMBER = struct.Struct("<I")
FULL_HEADER_BYTES = 12


@dataclass(slots=True)
class Incoming:
    """What is remembered of one incoming chunk stream."""

    csid: int
    timestamp: int = 0
    delta: int = 0
    """What a new message without a timestamp of its own adds."""
    extended: bytes = b""
    """The extended timestamp of the last header, as it stood there; empty = it had none."""
    length: int = 0
    type: int = 0
    stream_id: int = 0
    begun: bool = False
    """A message is unfinished."""
    pieces: list[bytearray] = field(default_factory=list)
    """What has come of an unfinished message."""
    size: int = 0
    """Bytes in ``pieces``."""

    def add(self, piece: bytearray) -> None:
        """Append payload; small pieces are put together, large ones not copied again."""
        if self.pieces and len(self.pieces[-1]) < SMALL_PIECE_BYTES:
            self.pieces[-1] += piece
        else:
            self.pieces.append(piece)
        self.size += len(piece)

    def take(self) -> list[bytearray]:
        """Hand out the pieces; none are left."""
        pieces, self.pieces, self.size = self.pieces, [], 0
        return pieces


class ChunkParser:
    """Turns incoming bytes into messages."""

    def __init__(self, *, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self.max_message_bytes = max_message_bytes
        """May be changed at any time; a message in progress is not affected."""
        self.chunk_size = DEFAULT_CHUNK_SIZE
        self.streams: dict[int, Incoming] = {}
        self.partial = 0
        """Bytes of unfinished messages."""
        self.rest = b""
        """What was not taken: the beginning of a chunk header, or all that is ``behind``."""
        self.behind = False
        """The last call left whole messages for the next one, to let others have their turn."""
        self.current: Incoming | None = None
        """The stream whose chunk is cut by the end of the buffer."""
        self.wanted = 0
        """Bytes that are missing of that chunk."""

    def receive(self, data: bytes | memoryview) -> list[Message]:
        """The messages that these bytes complete; nothing refers to ``data`` afterwards.

        After many of them :attr:`behind` is set, and the rest comes from a call with no bytes.

        Raises:
            RemoteProtocolError: not a chunk stream, or a limit was passed.
        """
        if self.rest:
            data = self.rest + data
            self.rest = b""
        self.behind = False
        messages: list[Message] = []
        position = looks = 0
        size = len(data)
        while position < size and len(messages) + looks < MAX_WORK:
            looks += 1
            stream = self.current
            if stream is None:
                position = self._media(data, position, messages)
                if position == size:
                    break
                stream, start = self._header(data, position)
                if stream is None:
                    self.rest = bytes(data[position:])
                    return messages
                position = start
                if not stream.size:
                    pieces, end = self._whole(stream, data, position)
                    if pieces is not None:
                        self._finish(stream, pieces, messages)
                        position = end
                        continue
                self.current = stream
                self.wanted = min(self.chunk_size, stream.length - stream.size)
            position = self._fill(stream, data, position)
            if stream.size == stream.length:
                self.partial -= stream.length
                self._finish(stream, [memoryview(piece) for piece in stream.take()], messages)
        self.rest = bytes(data[position:])
        self.behind = position < size
        return messages

    def _media(self, data: bytes | memoryview, position: int, messages: list[Message]) -> int:
        """Take the audio and video messages that lie undivided at ``position``.

        Returns where something else begins, or a message that needs a closer look: nothing has
        been changed for its sake. What this takes, the other methods would take alike, slower.
        """
        last = len(data) - FULL_HEADER_BYTES
        while position <= last and len(messages) < MAX_WORK:
            word: int = START.unpack_from(data, position)[0]
            first, kind = word >> 56, word & 0xFF
            stream = self.streams.get(first & 0x3F)
            timestamp = word >> 32 & EXTENDED
            if first >= 0x80 or stream is None or stream.begun or timestamp == EXTENDED:
                break
            length = word >> 8 & 0xFFFFFF
            if length > self.max_message_bytes:
                break
            start = position + (8 if first & 0x40 else FULL_HEADER_BYTES)
            if kind == AUDIO:
                end = start + length
                if length > self.chunk_size or end > len(data):
                    break
                head, payload = b"", bytes(data[start:end])
            elif kind == VIDEO and length > VIDEO_HEAD_BYTES:
                found = self._picture(data, start, length, 0xC0 | first)
                if found is None:
                    break
                payload, end = found
                head = bytes(data[start : start + VIDEO_HEAD_BYTES])
            else:
                break
            stream.delta = timestamp
            if first & 0x40:
                timestamp = (stream.timestamp + timestamp) & 0xFFFFFFFF
            else:
                stream.stream_id = STREAM_NUMBER.unpack_from(data, position + 8)[0]
            stream.timestamp, stream.length, stream.type = timestamp, length, kind
            stream.extended = b""
            messages.append(Message(kind, timestamp, stream.stream_id, payload, head))
            position = end
        return position

    def missing(self) -> int:
        """Bytes that must still come for a message that has been cut apart; 0 = it is unknown."""
        stream = self.current
        if stream is None:
            return 0
        left = stream.length - stream.size
        headers = (left - self.wanted + self.chunk_size - 1) // self.chunk_size
        return left + headers

    def _whole(
        self, stream: Incoming, data: bytes | memoryview, position: int
    ) -> tuple[list[bytes | memoryview] | None, int]:
        """The pieces of a message that lies in the buffer undivided, and where it ends."""
        length = stream.length
        chunk_size = self.chunk_size
        if length <= chunk_size:
            end = position + length
            return ([data[position:end]] if end <= len(data) else None), end
        more = (length - 1) // chunk_size
        end = position + length + more
        if stream.extended or stream.csid >= 64 or end > len(data):
            return None, position
        stride = chunk_size + 1
        if alike(data, position + chunk_size, more, stride, 0xC0 | stream.csid) < more:
            return None, position
        if more <= FEW_CHUNKS:
            starts = range(position, end, stride)
            return [data[at : min(at + chunk_size, end)] for at in starts], end
        run = bytearray(data[position:end])
        del run[chunk_size::stride]
        return [memoryview(run)], end

    def _picture(
        self, data: bytes | memoryview, start: int, length: int, separator: int
    ) -> tuple[bytes, int] | None:
        """What follows the head of a message of one or few chunks, and where it ends."""
        size = self.chunk_size
        more = (length - 1) // size
        end = start + length + more
        if end > len(data) or more > FEW_CHUNKS or size < VIDEO_HEAD_BYTES:
            return None
        body = start + VIDEO_HEAD_BYTES
        if not more:
            return bytes(data[body:end]), end
        if bytes(data[start + size : end : size + 1]).count(separator) < more:
            return None
        run = data[start:end]
        pieces = [run[at : at + size] for at in range(size + 1, end - start, size + 1)]
        return b"".join((data[body : start + size], *pieces)), end

    def _fill(self, stream: Incoming, data: bytes | memoryview, position: int) -> int:
        """Append the rest of the current chunk and the run of chunks behind it."""
        before = stream.size
        end = min(position + self.wanted, len(data))
        stream.add(bytearray(data[position:end]))
        self.wanted -= end - position
        if not self.wanted:
            self.current = None
            if not stream.extended and stream.csid < 64:
                end = self._run(stream, data, end)
        self.partial += stream.size - before
        if self.partial > MAX_PARTIAL_BYTES:
            raise RemoteProtocolError(
                f"unfinished messages hold more than {MAX_PARTIAL_BYTES} bytes"
            )
        return end

    def _run(self, stream: Incoming, data: bytes | memoryview, position: int) -> int:
        """Append the whole chunks of the same message that follow directly."""
        stride = self.chunk_size + 1
        missing = stream.length - stream.size
        count = min(missing // self.chunk_size, (len(data) - position) // stride)
        count = alike(data, position, count, stride, 0xC0 | stream.csid)
        if not count:
            return position
        end = position + count * stride
        run = bytearray(data[position:end])
        del run[::stride]
        stream.add(run)
        return end

    def _finish(
        self, stream: Incoming, pieces: list[bytes | memoryview], messages: list[Message]
    ) -> None:
        """Hand out a message; what precedes a picture is kept apart, so that it is copied once."""
        stream.begun = False
        kind = stream.type
        head = b""
        if kind == MessageType.VIDEO and len(pieces[0]) >= VIDEO_HEAD_BYTES:
            first = pieces[0]
            head = bytes(first[:VIDEO_HEAD_BYTES])
            pieces[0] = first[VIDEO_HEAD_BYTES:]
        payload = b"".join(pieces)
        if kind > MessageType.ABORT:
            messages.append(Message(kind, stream.timestamp, stream.stream_id, payload, head))
        elif kind == MessageType.SET_CHUNK_SIZE:
            self._set_chunk_size(parse_uint32(payload))
        elif kind == MessageType.ABORT:
            self._abort(parse_uint32(payload))

    def _set_chunk_size(self, size: int) -> None:
        if not 0 < size <= 0x7FFFFFFF:
            raise RemoteProtocolError(f"invalid chunk size: `{size}`")
        self.chunk_size = min(size, MAX_CHUNK_SIZE)

    def _abort(self, csid: int) -> None:
        stream = self.streams.get(csid)
        if stream is not None:
            self._drop(stream)

    def _drop(self, stream: Incoming) -> None:
        """Forget an unfinished message."""
        self.partial -= stream.size
        stream.take()
        stream.begun = False

    def _header(self, data: bytes | memoryview, position: int) -> tuple[Incoming | None, int]:
        """The stream of the chunk at ``position`` and where its payload starts; None = wait."""
        first = data[position]
        csid = first & 0x3F
        start = position + 1
        if csid < 2:
            if len(data) < start + 1 + csid:
                return None, position
            csid, start = wide_csid(data, start, csid)
        form = first >> 6
        stream = self.streams.get(csid) or self._new_stream(csid, form)
        if form == 3:
            return self._continue(stream, data, start)
        end = start + HEADER_BYTES[form]
        if end > len(data):
            return None, position
        value = data[start] << 16 | data[start + 1] << 8 | data[start + 2]
        extended = b""
        if value == EXTENDED:
            extended = bytes(data[end : end + 4])
            if len(extended) < 4:
                return None, position
            value = int.from_bytes(extended, "big")
            end += 4
        if stream.size or stream.begun:
            # A peer that begins anew has given the unfinished message up (section 5.4.2 asks
            # for an Abort Message, which encoders that drop frames leave out).
            self._drop(stream)
        if form < 2:
            length = data[start + 3] << 16 | data[start + 4] << 8 | data[start + 5]
            self._check_length(length)
            stream.length = length
            stream.type = data[start + 6]
        if form == 0:
            stream.timestamp = value
            stream.stream_id = int.from_bytes(data[start + 7 : start + 11], "little")
        else:
            stream.timestamp = (stream.timestamp + value) & 0xFFFFFFFF
        stream.delta = value
        stream.extended = extended
        stream.begun = True
        return stream, end

    def _check_length(self, length: int) -> None:
        if length > self.max_message_bytes:
            raise RemoteProtocolError(
                f"a message is longer than {self.max_message_bytes} bytes: `{length}`"
            )

    def _new_stream(self, csid: int, form: int) -> Incoming:
        if form != 0 and form != 1:
            raise RemoteProtocolError(f"chunk stream {csid} begins without a message header")
        if len(self.streams) >= MAX_CHUNK_STREAMS:
            raise RemoteProtocolError(f"more than {MAX_CHUNK_STREAMS} chunk streams")
        stream = self.streams[csid] = Incoming(csid)
        return stream

    def _continue(
        self, stream: Incoming, data: bytes | memoryview, start: int
    ) -> tuple[Incoming | None, int]:
        """A chunk without a message header: the next of its message, or a message like the last."""
        if stream.extended:
            # Some peers repeat the extended timestamp here and some don't (section 5.3.1.3).
            found = bytes(data[start : start + 4])
            if found == stream.extended:
                start += 4
            elif len(found) < 4 and stream.extended.startswith(found):
                return None, start
        if not stream.begun:
            self._check_length(stream.length)
            stream.timestamp = (stream.timestamp + stream.delta) & 0xFFFFFFFF
            stream.begun = True
        return stream, start


def alike(data: bytes | memoryview, start: int, count: int, stride: int, value: int) -> int:
    """How many of ``count`` bytes, ``stride`` apart from ``start`` on, are ``value`` before others.

    The work grows with the answer and not with ``count``: a peer that breaks every run after its
    first chunk pays for each look with the bytes that it sent.
    """
    found, look = 0, FIRST_LOOK
    while found < count:
        look = min(look, count - found)
        at = start + found * stride
        seen = bytes(data[at : at + look * stride : stride])
        fitting = look - len(seen.lstrip(bytes((value,))))
        found += fitting
        if fitting < look:
            break
        look *= 2
    return found


def wide_csid(data: bytes | memoryview, start: int, form: int) -> tuple[int, int]:
    """A chunk stream id of two or three bytes and where the header goes on (section 5.3.1.1)."""
    if form == 0:
        return 64 + data[start], start + 1
    return 64 + data[start] + data[start + 1] * 256, start + 2


def basic_header(form: int, csid: int) -> bytes:
    """The basic header of a chunk.

    Raises:
        LocalProtocolError: no such chunk stream id.
    """
    if 2 <= csid < 64:
        return bytes((form << 6 | csid,))
    if 64 <= csid < 320:
        return bytes((form << 6, csid - 64))
    if 320 <= csid < 65600:
        high, low = divmod(csid - 64, 256)
        return bytes((form << 6 | 1, low, high))
    raise LocalProtocolError(f"no such chunk stream id: `{csid}`")


def serialize_media(csid: int, message: Message, chunk_size: int) -> bytes:
    """Like :func:`serialize`, quicker: the frame is copied once, which is most of the work.

    Raises:
        LocalProtocolError: no such chunk stream id, or the message is too long.
    """
    size = len(message.head) + len(message.data)
    timestamp = message.timestamp
    if size > chunk_size or timestamp >= EXTENDED or not 2 <= csid < 64:
        return serialize(csid, message, chunk_size)
    header = media_header(csid, message.type, timestamp, size, message.stream_id)
    return b"".join((header, message.head, message.data))


def media_header(csid: int, kind: int, timestamp: int, size: int, stream_id: int) -> bytes:
    """What stands before a message of one chunk; id, timestamp and size must be ordinary ones."""
    start = START.pack(csid << 56 | timestamp << 32 | size << 8 | kind)
    return start + STREAM_NUMBER.pack(stream_id)


def serialize(csid: int, message: Message, chunk_size: int) -> bytes:
    """The chunks of a message: a full header, then headers of one byte.

    The absolute timestamp makes the bytes independent of what was sent before, so that they
    can be shared between players. From 0xFFFFFF ms on every chunk repeats the extended
    timestamp, as section 5.3.1.3 and the large players ask.

    Raises:
        LocalProtocolError: no such chunk stream id, or the message is too long.
    """
    data = message.body
    size = len(data)
    if size > MAX_MESSAGE_BYTES - 1:
        raise LocalProtocolError(f"a message is too long for RTMP: {size} bytes")
    timestamp = message.timestamp
    extended = b"" if timestamp < EXTENDED else timestamp.to_bytes(4, "big")
    header = b"".join(
        (
            basic_header(0, csid),
            min(timestamp, EXTENDED).to_bytes(3, "big"),
            size.to_bytes(3, "big"),
            message.type.to_bytes(1, "big"),
            message.stream_id.to_bytes(4, "little"),
            extended,
        )
    )
    if size <= chunk_size:
        return header + data
    separator = basic_header(3, csid) + extended
    pieces = [data[at : at + chunk_size] for at in range(0, size, chunk_size)]
    return header + separator.join(pieces)
