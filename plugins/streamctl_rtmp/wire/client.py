"""The client's side of RTMP: connects to another server to play or to publish.

Theory of operation: :meth:`ClientConnection.open` queues the handshake; everything after it follows
from the server's answers, in the order that encoders and players use: connect, then for a publisher
releaseStream and FCPublish, createStream, and ``publish`` or ``play``. The owner hears
:class:`Started` when media may flow, or :class:`Refused` with the server's sentence.

Sections 7.2.1 (NetConnection) and 7.2.2 (NetStream) of RTMP 1.0.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from streamctl.errors import LocalProtocolError
from streamctl_rtmp.wire import enhanced
from streamctl_rtmp.wire.chunk import MAX_MESSAGE_BYTES
from streamctl_rtmp.wire.connection import WINDOW_BYTES, Connection
from streamctl_rtmp.wire.events import (
    Connected,
    Event,
    Refused,
    Started,
    StreamCreated,
    StreamEnded,
)
from streamctl_rtmp.wire.handshake import ClientHandshake, Random
from streamctl_rtmp.wire.messages import (
    ChunkStream,
    Command,
    Message,
    MessageType,
    UserControl,
    user_control,
)

PLAYER_AGENT = "LNX 9,0,124,2"
"""``flashVer`` of players; servers read it as the version of a Flash Player."""
PUBLISHER_AGENT = "FMLE/3.0 (compatible; streamctl)"
"""``flashVer`` of publishers; some services want to see ``FMLE``."""
AUDIO_CODECS = 0x0FFF
VIDEO_CODECS = 0x00FF
LIVE = -2000
"""``start`` of a play command: the live stream, or a recorded one of the name."""
BUFFER_MS = 1000
"""Announced to servers, which pace by it what they send at once."""


class Role(enum.Enum):
    """What a client is there for."""

    PLAY = "play"
    PUBLISH = "publish"


class Pending(enum.IntEnum):
    """Transaction numbers of the commands whose answers matter."""

    CONNECT = 1
    RELEASE = 2
    FC_PUBLISH = 3
    CREATE_STREAM = 4
    START = 5


@dataclass(frozen=True, slots=True)
class Target:
    """What to open on a server."""

    app: str
    name: str
    tc_url: str


class ClientConnection(Connection):
    """One connection to a server."""

    def __init__(self, role: Role, target: Target, random: Random) -> None:
        self._client_handshake = ClientHandshake(random)
        super().__init__(self._client_handshake)
        self.role = role
        self.target = target
        self.stream_id = 0
        self.started = False
        self.capabilities = enhanced.OURS
        """Said to the server: what this side can read beyond RTMP 1.0."""

    def open(self) -> None:
        """Queue the first bytes."""
        self._out.append(self._client_handshake.start())

    def send_media(self, csid: ChunkStream, kind: MessageType, timestamp: int, data: bytes) -> None:
        """Queue one audio, video or data message of a publisher.

        Raises:
            LocalProtocolError: the server has not said that it takes media.
        """
        if not self.started:
            raise LocalProtocolError("the server does not take media yet")
        self.send_message(csid, Message(kind, timestamp, self.stream_id, data))

    def close(self) -> None:
        """Queue the goodbye."""
        if not self.stream_id:
            return
        if self.role is Role.PUBLISH:
            self.send_command(Command("FCUnpublish", 0, None, (self.target.name,)))
        self.send_command(Command("deleteStream", 0, None, (self.stream_id,)))
        self.started = False

    def _shaken(self) -> None:
        self.send_chunk_size()
        agent = PUBLISHER_AGENT if self.role is Role.PUBLISH else PLAYER_AGENT
        properties: dict[str, Any] = {
            "app": self.target.app,
            "flashVer": agent,
            "tcUrl": self.target.tc_url,
            **enhanced.introduction(self.capabilities),
        }
        if self.role is Role.PUBLISH:
            properties["type"] = "nonprivate"
        else:
            properties |= {
                "fpad": False,
                "capabilities": 15,
                "audioCodecs": AUDIO_CODECS,
                "videoCodecs": VIDEO_CODECS,
                "videoFunction": 1,
            }
        self.send_command(Command("connect", Pending.CONNECT, properties))

    def _command(self, command: Command, events: list[Event]) -> None:
        match command.name:
            case "_result":
                self._result(command, events)
            case "_error":
                self._error(command, events)
            case "onStatus":
                self._status(command, events)
            case "close":
                events.append(StreamEnded("the server closes the connection"))
            case _:
                # onBWDone, onFCPublish and the like tell nothing that the results don't.
                return

    def _result(self, command: Command, events: list[Event]) -> None:
        if command.transaction == Pending.CONNECT:
            properties = command.object if isinstance(command.object, dict) else {}
            # Servers say what they can in either of the two objects of their answer.
            properties = {**properties, **command.info()}
            events.append(Connected(self.target.app, self.target.tc_url, properties=properties))
            self._create_stream()
        elif command.transaction == Pending.CREATE_STREAM:
            number = command.args[0] if command.args else 0
            if not isinstance(number, float) or not 0 < number < 2**32:
                events.append(Refused("createStream", "the server gave no message stream"))
                return
            self.stream_id = int(number)
            events.append(StreamCreated())
            self._start()

    def _create_stream(self) -> None:
        self.send_control(MessageType.WINDOW_ACK_SIZE, WINDOW_BYTES.to_bytes(4, "big"))
        if self.role is Role.PUBLISH:
            name = self.target.name
            self.send_command(Command("releaseStream", Pending.RELEASE, None, (name,)))
            self.send_command(Command("FCPublish", Pending.FC_PUBLISH, None, (name,)))
        self.send_command(Command("createStream", Pending.CREATE_STREAM))

    def _start(self) -> None:
        name = self.target.name
        if self.role is Role.PUBLISH:
            command = Command("publish", Pending.START, None, (name, "live"))
            self.send_command(command, self.stream_id)
            return
        # Media may come before the status that announces it.
        self.parser.max_message_bytes = MAX_MESSAGE_BYTES
        self.send_command(Command("play", Pending.START, None, (name, LIVE)), self.stream_id)
        self.send_control(
            MessageType.USER_CONTROL,
            user_control(UserControl.SET_BUFFER_LENGTH, self.stream_id, BUFFER_MS),
        )

    def _error(self, command: Command, events: list[Event]) -> None:
        if command.transaction in {Pending.CONNECT, Pending.CREATE_STREAM, Pending.START}:
            events.append(refusal(command.info()))

    def _status(self, command: Command, events: list[Event]) -> None:
        info = command.info()
        code = text(info, "code")
        if text(info, "level") == "error":
            events.append(refusal(info))
        elif code in {"NetStream.Publish.Start", "NetStream.Play.Start"}:
            self.started = True
            events.append(Started(code))
        elif code in {
            "NetStream.Play.Stop",
            "NetStream.Play.Complete",
            "NetStream.Play.UnpublishNotify",
            "NetStream.Unpublish.Success",
        }:
            events.append(StreamEnded(code))

    def _user_control(self, body: bytes, events: list[Event]) -> None:
        super()._user_control(body, events)
        if int.from_bytes(body[:2], "big") == UserControl.STREAM_EOF and self.started:
            events.append(StreamEnded("the server says that the stream has ended"))


def refusal(info: dict[str, Any]) -> Refused:
    """What a refusal says; ``ex`` is how servers send clients elsewhere."""
    found = info.get("ex")
    ex = found if isinstance(found, dict) else {}
    # The second name is the stream's whole URL, of servers that must not change the first.
    redirect = text(ex, "redirect2") or text(ex, "redirect")
    return Refused(text(info, "code"), text(info, "description"), redirect)


def text(info: dict[str, Any], name: str) -> str:
    """A member of a status as text."""
    value = info.get(name, "")
    return value if isinstance(value, str) else ""
