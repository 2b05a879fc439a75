"""RTMP messages and the bodies of those that are not media (RTMP 1.0 sections 5.4, 6 and 7).

Audio and video bodies belong to :mod:`streamctl.media.flv`; how messages are cut into chunks to
:mod:`streamctl_rtmp.wire.chunk`.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass, field
from typing import Any

from streamctl.errors import RemoteProtocolError
from streamctl.media import amf0, amf3

STREAM_ID = 1
"""The only message stream: ``createStream`` always answers it, so that bytes can be shared."""
MAX_AGGREGATED = 4096
"""Messages in one aggregate: minutes of sound. As many as fit its size would take seconds."""


class MessageType(enum.IntEnum):
    """Message type ids."""

    SET_CHUNK_SIZE = 1
    ABORT = 2
    ACKNOWLEDGEMENT = 3
    USER_CONTROL = 4
    WINDOW_ACK_SIZE = 5
    SET_PEER_BANDWIDTH = 6
    AUDIO = 8
    VIDEO = 9
    DATA_AMF3 = 15
    SHARED_OBJECT_AMF3 = 16
    COMMAND_AMF3 = 17
    DATA_AMF0 = 18
    SHARED_OBJECT_AMF0 = 19
    COMMAND_AMF0 = 20
    AGGREGATE = 22


AMF3_TYPES = frozenset({MessageType.COMMAND_AMF3, MessageType.DATA_AMF3})
AMF0_FORMAT = b"\x00"
AMF0_STRING = b"\x02"
"""Every command and every data message begins with a string."""


class UserControl(enum.IntEnum):
    """Event types of user control messages (section 7.1.7)."""

    STREAM_BEGIN = 0
    STREAM_EOF = 1
    STREAM_DRY = 2
    SET_BUFFER_LENGTH = 3
    STREAM_IS_RECORDED = 4
    PING_REQUEST = 6
    PING_RESPONSE = 7


class BandwidthLimit(enum.IntEnum):
    """Limit types of Set Peer Bandwidth (section 5.4.5)."""

    HARD = 0
    SOFT = 1
    DYNAMIC = 2


class ChunkStream(enum.IntEnum):
    """The chunk stream ids that this side sends on, one per use as players expect."""

    CONTROL = 2
    COMMAND = 3
    AUDIO = 4
    DATA = 5
    VIDEO = 6


@dataclass(slots=True, eq=False)
class Message:
    """One complete message."""

    type: int
    timestamp: int
    """Milliseconds modulo 2^32, absolute."""
    stream_id: int
    data: bytes
    head: bytes = b""
    """What precedes ``data``, where it is kept apart: the first bytes of a picture's message."""

    @property
    def body(self) -> bytes:
        """The whole body."""
        return self.head + self.data

    def __eq__(self, other: object) -> bool:
        """Whether the messages are the same, however their bodies are divided."""
        if not isinstance(other, Message):
            return NotImplemented
        mine = (self.type, self.timestamp, self.stream_id, self.body)
        return mine == (other.type, other.timestamp, other.stream_id, other.body)

    __hash__ = None  # type: ignore[assignment] # two divisions of one body would differ


@dataclass(frozen=True, slots=True)
class Command:
    """The body of a command message (section 7.1.1)."""

    name: str
    transaction: float
    """0 = no answer is expected."""
    object: Any = None
    """The command object; None for most commands."""
    args: tuple[Any, ...] = field(default=())

    @classmethod
    def parse(cls, message: Message) -> Command:
        """The command in a message of either command type.

        Raises:
            RemoteProtocolError: not AMF, or without a name.
        """
        values = parse_data(message)
        name = values[0] if values else None
        transaction = values[1] if len(values) > 1 else 0.0
        if not isinstance(name, str) or not isinstance(transaction, float):
            raise RemoteProtocolError("a command has no name or no transaction number")
        return cls(name, transaction, values[2] if len(values) > 2 else None, tuple(values[3:]))

    def serialize(self) -> bytes:
        """The body in AMF0."""
        return amf0.encode(self.name, self.transaction, self.object, *self.args)

    def text(self, index: int) -> str:
        """The argument at ``index`` if it is a string, else an empty one."""
        value = self.args[index] if index < len(self.args) else ""
        return value if isinstance(value, str) else ""

    def info(self) -> dict[str, Any]:
        """The first argument that is an object: the information of results and statuses."""
        return next((arg for arg in self.args if isinstance(arg, dict)), {})


def status(level: str, code: str, description: str, **more: Any) -> Command:
    """An ``onStatus`` command (section 7.2.2)."""
    info = {"level": level, "code": code, "description": description, **more}
    return Command("onStatus", 0, None, (info,))


def parse_data(message: Message) -> list[Any]:
    """The values of a command or data message (section 7.1.2).

    The AMF3 form begins with a format byte, of which only 0 is defined: AMF0, with single values in
    AMF3 behind a marker. Bodies without it are taken for what their first value is.

    Raises:
        RemoteProtocolError: not AMF.
    """
    body = message.data
    if message.type in AMF3_TYPES:
        if body[:1] == AMF0_FORMAT:
            return amf0.decode(body[1:])
        if body[:1] != AMF0_STRING:
            return amf3.decode(body)
    return amf0.decode(body)


def parse_uint32(data: bytes) -> int:
    """The four bytes of a protocol control message.

    Raises:
        RemoteProtocolError: too short.
    """
    if len(data) < 4:
        raise RemoteProtocolError("a protocol control message is too short")
    return int.from_bytes(data[:4], "big")


def user_control(event: UserControl, *values: int) -> bytes:
    """The body of a user control message."""
    return struct.pack(f">H{len(values)}I", event, *values)


def peer_bandwidth(window: int, limit: BandwidthLimit) -> bytes:
    """The body of Set Peer Bandwidth."""
    return struct.pack(">IB", window, limit)


def split_aggregate(message: Message) -> list[Message]:
    """The messages inside an aggregate (section 7.1.6); what is cut off at its end is left out.

    Timestamps inside are relative to the first one, which stands for the aggregate's own.

    Raises:
        RemoteProtocolError: too many messages.
    """
    data = message.data
    found: list[Message] = []
    position = 0
    shift: int | None = None
    while position + 11 <= len(data):
        size = int.from_bytes(data[position + 1 : position + 4], "big")
        low = int.from_bytes(data[position + 4 : position + 7], "big")
        timestamp = data[position + 7] << 24 | low
        start = position + 11
        if start + size > len(data):
            break
        if len(found) == MAX_AGGREGATED:
            raise RemoteProtocolError(f"an aggregate holds more than {MAX_AGGREGATED} messages")
        if shift is None:
            shift = message.timestamp - timestamp
        found.append(
            Message(
                data[position] & 0x1F,
                (timestamp + shift) & 0xFFFFFFFF,
                message.stream_id,
                data[start : start + size],
            )
        )
        # Each message is followed by the size of itself with its header, as in FLV files.
        position = start + size + 4
    return found
