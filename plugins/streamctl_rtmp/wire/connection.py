"""What both ends of an RTMP connection share: handshake, chunks, acknowledgements, pings.

:class:`~streamctl_rtmp.wire.server.ServerConnection` and
:class:`~streamctl_rtmp.wire.client.ClientConnection` add the commands. Deadlines belong to whoever
drives the connection: nothing here knows the time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

from streamctl.errors import RemoteProtocolError
from streamctl.media import amf0
from streamctl_rtmp.wire.chunk import AUDIO, DEFAULT_CHUNK_SIZE, VIDEO, ChunkParser, serialize
from streamctl_rtmp.wire.events import DataReceived, Event
from streamctl_rtmp.wire.messages import (
    ChunkStream,
    Command,
    Message,
    MessageType,
    UserControl,
    parse_data,
    parse_uint32,
    split_aggregate,
    user_control,
)

OUT_CHUNK_SIZE = 65_536
"""Announced to every peer: nearly every frame is one chunk, so nothing has to be cut."""
WINDOW_BYTES = 2_500_000
"""The acknowledgement window that is asked of peers and kept until they ask for another."""
DATA_TYPES = frozenset({MessageType.DATA_AMF0, MessageType.DATA_AMF3})
MIN_WINDOW_BYTES = 4096
"""Peers that ask for a smaller window are acknowledged at this distance: answers cost too."""
MEDIA = frozenset({AUDIO, VIDEO})
MAX_COMMAND_BYTES = 65_536
"""Longest message while no media is expected: commands and metadata are a few kilobytes."""


class Handshake(Protocol):
    """One side of the handshake."""

    def receive(self, buffer: bytearray) -> tuple[bytes, bool]:
        """Consume from ``buffer``; what to send, and whether the handshake is complete."""


class Connection(ABC):
    """The state of one connection: bytes in, events out, bytes to send."""

    def __init__(self, handshake: Handshake) -> None:
        self.handshake: Handshake | None = handshake
        """None once it is complete."""
        self.parser = ChunkParser(max_message_bytes=MAX_COMMAND_BYTES)
        self.out_chunk_size = DEFAULT_CHUNK_SIZE
        self.bytes_received = 0
        self.acknowledged = 0
        """``bytes_received`` as last told to the peer."""
        self.window = WINDOW_BYTES
        self.ignored = 0
        """Messages that could not be read and were passed over."""
        self._greeting = bytearray()
        self._out: list[bytes] = []

    def receive_data(self, data: bytes | memoryview) -> list[Event]:
        """What these bytes say.

        Raises:
            RemoteProtocolError: the peer broke the protocol; nothing can follow.
        """
        events: list[Event] = []
        if self.handshake is not None:
            data = self._shake_hands(self.handshake, data)
            if self.handshake is not None:
                return events
        self.bytes_received += len(data)
        for message in self.parser.receive(data):
            if message.type in MEDIA:
                events.append(message)
            else:
                self._take(message, events)
        if self.bytes_received - self.acknowledged >= self.window:
            self._acknowledge()
        return events

    def data_to_send(self) -> bytes:
        """Everything that was queued since the last call."""
        if not self._out:
            return b""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def send_message(self, csid: int, message: Message) -> None:
        """Queue a message."""
        self._out.append(serialize(csid, message, self.out_chunk_size))

    def send_command(self, command: Command, stream_id: int = 0) -> None:
        """Queue a command."""
        self.send_message(
            ChunkStream.COMMAND,
            Message(MessageType.COMMAND_AMF0, 0, stream_id, command.serialize()),
        )

    def send_data(self, stream_id: int, *values: object) -> None:
        """Queue a data message."""
        self.send_message(
            ChunkStream.DATA, Message(MessageType.DATA_AMF0, 0, stream_id, amf0.encode(*values))
        )

    def send_control(self, kind: MessageType, body: bytes) -> None:
        """Queue a protocol control message."""
        self.send_message(ChunkStream.CONTROL, Message(kind, 0, 0, body))

    def send_chunk_size(self, size: int = OUT_CHUNK_SIZE) -> None:
        """Announce the size of outgoing chunks; what follows has it."""
        self.send_control(MessageType.SET_CHUNK_SIZE, size.to_bytes(4, "big"))
        self.out_chunk_size = size

    def _shake_hands(self, handshake: Handshake, data: bytes | memoryview) -> bytes:
        """Go on with the handshake; what is left of the data when it is complete."""
        self._greeting += data
        reply, complete = handshake.receive(self._greeting)
        if reply:
            self._out.append(reply)
        if not complete:
            return b""
        rest = bytes(self._greeting)
        self._greeting.clear()
        self.handshake = None
        self._shaken()
        return rest

    def _shaken(self) -> None:
        """The handshake is complete; a client begins to talk here."""
        return

    def _take(self, message: Message, events: list[Event]) -> None:
        """One message that is not audio or video itself."""
        match message.type:
            case MessageType.COMMAND_AMF0 | MessageType.COMMAND_AMF3:
                self._command(Command.parse(message), events)
            case MessageType.DATA_AMF0 | MessageType.DATA_AMF3:
                self._data(message, events)
            case MessageType.AGGREGATE:
                for inner in split_aggregate(message):
                    if inner.type == MessageType.VIDEO or inner.type == MessageType.AUDIO:
                        events.append(inner)
                    elif inner.type in DATA_TYPES:
                        self._data(inner, events)
            case MessageType.WINDOW_ACK_SIZE:
                self.window = max(parse_uint32(message.data), MIN_WINDOW_BYTES)
            case MessageType.SET_PEER_BANDWIDTH:
                self._peer_bandwidth(parse_uint32(message.data))
            case MessageType.USER_CONTROL:
                self._user_control(message.data, events)
            case _:
                # Acknowledgements say nothing that TCP doesn't; shared objects and unknown
                # types are not for media.
                return

    def _data(self, message: Message, events: list[Event]) -> None:
        """A data message; encoders put private and even malformed values there."""
        try:
            values = parse_data(message)
        except RemoteProtocolError:
            self.ignored += 1
            return
        if values and values[0] == "@setDataFrame":
            del values[0]
        if values and isinstance(values[0], str):
            events.append(DataReceived(values[0], tuple(values[1:]), message.timestamp))

    def _user_control(self, body: bytes, events: list[Event]) -> None:
        kind = int.from_bytes(body[:2], "big")
        if kind == UserControl.PING_REQUEST and len(body) >= 6:
            token = int.from_bytes(body[2:6], "big")
            self.send_control(
                MessageType.USER_CONTROL, user_control(UserControl.PING_RESPONSE, token)
            )

    def _peer_bandwidth(self, window: int) -> None:
        """Answer a limit of our output by the window that we ask for (section 5.4.5)."""
        self.send_control(MessageType.WINDOW_ACK_SIZE, WINDOW_BYTES.to_bytes(4, "big"))

    def _acknowledge(self) -> None:
        self.acknowledged = self.bytes_received
        self.send_control(
            MessageType.ACKNOWLEDGEMENT, (self.bytes_received & 0xFFFFFFFF).to_bytes(4, "big")
        )

    @abstractmethod
    def _command(self, command: Command, events: list[Event]) -> None:
        """One command of the peer."""
