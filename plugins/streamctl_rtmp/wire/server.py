"""The server's side of RTMP: answers the commands of publishers and players.

Theory of operation: ``connect``, ``createStream`` and the courtesies around them are answered
here, since nothing about them needs a decision; ``publish`` and ``play`` are reported, and the
owner accepts or refuses. There is one message stream, number 1, whatever a peer asks for. What
each state allows stands in :data:`ALLOWED`; commands that nobody needs are answered like those
of the servers that encoders were written against.

Sections 7.2.1 (NetConnection) and 7.2.2 (NetStream) of RTMP 1.0.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from streamctl.errors import LocalProtocolError, RemoteProtocolError
from streamctl_rtmp.wire import enhanced
from streamctl_rtmp.wire.chunk import MAX_MESSAGE_BYTES
from streamctl_rtmp.wire.connection import MAX_COMMAND_BYTES, WINDOW_BYTES, Connection
from streamctl_rtmp.wire.events import (
    Connected,
    ConnectRefused,
    Event,
    PauseRequested,
    PlayRequested,
    PublishRequested,
    StreamEnded,
)
from streamctl_rtmp.wire.handshake import Random, ServerHandshake
from streamctl_rtmp.wire.messages import (
    STREAM_ID,
    BandwidthLimit,
    Command,
    MessageType,
    UserControl,
    peer_bandwidth,
    status,
    user_control,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FMS_VERSION = "FMS/3,5,7,7009"
"""Players decide by this version what a server can do; the value that most servers give."""
CAPABILITIES = 31
AMF3 = 3
"""``objectEncoding`` of clients that send AMF3 too."""
MAX_NAME = 1024
"""Longest application or stream name: the limit of ffmpeg's own tcUrl."""


class State(enum.Enum):
    """What a peer of the server is doing."""

    OPENED = "opened"
    """Nothing is known of it."""
    CONNECTED = "connected"
    PUBLISH_PENDING = "publish pending"
    PLAY_PENDING = "play pending"
    PUBLISHING = "publishing"
    PLAYING = "playing"
    ENDED = "ended"
    """It was refused or sent away; whatever still comes is ignored."""


STREAM_STATES = frozenset(
    {State.PUBLISH_PENDING, State.PLAY_PENDING, State.PUBLISHING, State.PLAYING}
)
CONNECTED_STATES = STREAM_STATES | {State.CONNECTED}
ALLOWED: dict[str, frozenset[State]] = {
    "connect": frozenset({State.OPENED}),
    "createStream": CONNECTED_STATES,
    "releaseStream": CONNECTED_STATES,
    "FCPublish": CONNECTED_STATES,
    "FCUnpublish": CONNECTED_STATES,
    "FCSubscribe": CONNECTED_STATES,
    "_checkbw": CONNECTED_STATES,
    "getStreamLength": CONNECTED_STATES,
    "publish": frozenset({State.CONNECTED, State.PLAYING}),
    "play": frozenset({State.CONNECTED, State.PLAYING}),
    "play2": frozenset({State.CONNECTED, State.PLAYING}),
    "pause": CONNECTED_STATES,
    "seek": CONNECTED_STATES,
    "receiveAudio": CONNECTED_STATES,
    "receiveVideo": CONNECTED_STATES,
    "closeStream": CONNECTED_STATES,
    "deleteStream": CONNECTED_STATES,
}
"""In which states a command may come; commands that don't stand here may come in any."""

REFUSALS = {
    State.CONNECTED: ("error", "NetConnection.Connect.Closed"),
    State.PUBLISH_PENDING: ("error", "NetStream.Publish.BadName"),
    State.PLAY_PENDING: ("error", "NetStream.Play.StreamNotFound"),
    State.PUBLISHING: ("error", "NetStream.Failed"),
    State.PLAYING: ("status", "NetStream.Play.UnpublishNotify"),
}
"""Level and code by which encoders and players understand that it is over."""


class ServerConnection(Connection):
    """One client of the server."""

    def __init__(
        self, random: Random, ask: Callable[[Mapping[str, object]], str] | None = None
    ) -> None:
        """``ask`` says why ``connect`` is refused, by its properties; empty = it is not."""
        super().__init__(ServerHandshake(random))
        self.ask = ask
        self.state = State.OPENED
        self.stream_name = ""
        self.pending: PublishRequested | PlayRequested | None = None
        """The request that waits for a decision; one that the peer took back is none."""

    def accept_publish(self) -> None:
        """Tell the publisher to begin, and take messages of any size from now on.

        Raises:
            LocalProtocolError: nobody asked.
        """
        self._expect(State.PUBLISH_PENDING)
        self.state = State.PUBLISHING
        self.pending = None
        self.parser.max_message_bytes = MAX_MESSAGE_BYTES
        self.send_control(
            MessageType.USER_CONTROL, user_control(UserControl.STREAM_BEGIN, STREAM_ID)
        )
        self._status("status", "NetStream.Publish.Start", "publishing")

    def accept_play(self) -> None:
        """Tell the player that media follows.

        Raises:
            LocalProtocolError: nobody asked.
        """
        self._expect(State.PLAY_PENDING)
        self.state = State.PLAYING
        self.pending = None
        self.send_control(
            MessageType.USER_CONTROL, user_control(UserControl.STREAM_BEGIN, STREAM_ID)
        )
        self._status("status", "NetStream.Play.Reset", "resetting")
        self._status("status", "NetStream.Play.Start", "playing")
        self.send_data(STREAM_ID, "|RtmpSampleAccess", True, True)

    def refuse(self, description: str, code: str = "") -> None:
        """Say why there will be no media, or no more; the owner closes after this.

        ``code`` stands for the one that the state suggests.
        """
        if self.state is State.PLAYING:
            self.send_control(
                MessageType.USER_CONTROL, user_control(UserControl.STREAM_EOF, STREAM_ID)
            )
        words = REFUSALS.get(self.state)
        if words is not None:
            level, usual = words
            self._status(level, code or usual, description)
        self.state = State.ENDED
        self.pending = None

    def _expect(self, state: State) -> None:
        if self.state is not state:
            raise LocalProtocolError(f"the connection is {self.state.value}, not {state.value}")

    def _status(self, level: str, code: str, description: str) -> None:
        self.send_command(
            status(level, code, description, details=self.stream_name, clientid=STREAM_ID),
            STREAM_ID,
        )

    def _command(self, command: Command, events: list[Event]) -> None:
        if self.state is State.ENDED:
            return
        allowed = ALLOWED.get(command.name)
        if allowed is not None and self.state not in allowed:
            raise RemoteProtocolError(f"`{command.name}` while the peer is {self.state.value}")
        handler = HANDLERS.get(command.name)
        if handler is not None:
            handler(self, command, events)
        elif command.transaction and command.name not in {"_result", "_error", "onStatus"}:
            # The peer waits for an answer, whatever it was that it asked.
            self._result(command, None)

    def _result(self, command: Command, *args: object, properties: object = None) -> None:
        self.send_command(Command("_result", command.transaction, properties, args))

    def _connect(self, command: Command, events: list[Event]) -> None:
        properties = command.object if isinstance(command.object, dict) else {}
        app, tc_url, agent = (
            value[:MAX_NAME] if isinstance(value, str) else ""
            for value in (properties.get(name) for name in ("app", "tcUrl", "flashVer"))
        )
        if self.ask is not None and (refusal := self.ask(properties)):
            self._reject(command, refusal, events)
            return
        window = WINDOW_BYTES.to_bytes(4, "big")
        self.send_control(MessageType.WINDOW_ACK_SIZE, window)
        self.send_control(
            MessageType.SET_PEER_BANDWIDTH, peer_bandwidth(WINDOW_BYTES, BandwidthLimit.DYNAMIC)
        )
        self.send_control(MessageType.USER_CONTROL, user_control(UserControl.STREAM_BEGIN, 0))
        self.send_chunk_size()
        self._result(
            command,
            {
                "level": "status",
                "code": "NetConnection.Connect.Success",
                "description": "connection succeeded",
                # AMF0 is understood by clients of either encoding; they want to see theirs.
                "objectEncoding": AMF3 if properties.get("objectEncoding") == AMF3 else 0,
                **enhanced.answer(properties),
            },
            properties={"fmsVer": FMS_VERSION, "capabilities": CAPABILITIES},
        )
        self.state = State.CONNECTED
        events.append(Connected(app, tc_url, agent, properties))

    def _reject(self, command: Command, description: str, events: list[Event]) -> None:
        info = {
            "level": "error",
            "code": "NetConnection.Connect.Rejected",
            "description": description,
        }
        self.send_command(Command("_error", command.transaction, None, (info,)))
        self.state = State.ENDED
        events.append(ConnectRefused())

    def _create_stream(self, command: Command, events: list[Event]) -> None:
        self._result(command, STREAM_ID)

    def _confirm(self, command: Command, events: list[Event]) -> None:
        if command.transaction:
            self._result(command)

    def _fc_publish(self, command: Command, events: list[Event]) -> None:
        self._confirm(command, events)
        info = {"code": "NetStream.Publish.Start", "description": command.text(0)[:MAX_NAME]}
        self.send_command(Command("onFCPublish", 0, None, (info,)))

    def _fc_subscribe(self, command: Command, events: list[Event]) -> None:
        self._confirm(command, events)
        info = {"code": "NetStream.Play.Start", "description": command.text(0)[:MAX_NAME]}
        self.send_command(Command("onFCSubscribe", 0, None, (info,)))

    def _fc_unpublish(self, command: Command, events: list[Event]) -> None:
        self._confirm(command, events)
        info = {"code": "NetStream.Unpublish.Success", "description": command.text(0)[:MAX_NAME]}
        self.send_command(Command("onFCUnpublish", 0, None, (info,)))
        if self.state is State.PUBLISHING:
            self._end_stream(command, events)

    def _stream_length(self, command: Command, events: list[Event]) -> None:
        # A live stream has no length; players take 0 for that.
        self._result(command, 0)

    def _publish(self, command: Command, events: list[Event]) -> None:
        self._end_stream(command, events)
        self.stream_name = command.text(0)[:MAX_NAME]
        self.state = State.PUBLISH_PENDING
        self.pending = PublishRequested(self.stream_name)
        events.append(self.pending)

    def _play(self, command: Command, events: list[Event]) -> None:
        self._ask_to_play(command.text(0), command, events)

    def _play2(self, command: Command, events: list[Event]) -> None:
        name = command.info().get("streamName")
        self._ask_to_play(name if isinstance(name, str) else "", command, events)

    def _ask_to_play(self, name: str, command: Command, events: list[Event]) -> None:
        self._end_stream(command, events)
        self.stream_name = name[:MAX_NAME]
        self.state = State.PLAY_PENDING
        self.pending = PlayRequested(self.stream_name)
        events.append(self.pending)

    def _pause(self, command: Command, events: list[Event]) -> None:
        if self.state is not State.PLAYING:
            return
        paused = bool(command.args and command.args[0] is True)
        code = "NetStream.Pause.Notify" if paused else "NetStream.Unpause.Notify"
        self._status("status", code, "paused" if paused else "resumed")
        events.append(PauseRequested(paused))

    def _seek(self, command: Command, events: list[Event]) -> None:
        if self.state is State.PLAYING:
            self._status("status", "NetStream.Seek.Notify", "a live stream goes on where it is")

    def _end_stream(self, command: Command, events: list[Event]) -> None:
        """End what runs, because the peer says so or begins something else."""
        if self.state not in STREAM_STATES:
            return
        if self.state is State.PUBLISHING:
            self._status("status", "NetStream.Unpublish.Success", "no longer published")
        self.state = State.CONNECTED
        self.pending = None
        self.parser.max_message_bytes = MAX_COMMAND_BYTES
        events.append(StreamEnded(command.name))


HANDLERS: dict[str, Callable[[ServerConnection, Command, list[Event]], None]] = {
    "connect": ServerConnection._connect,
    "createStream": ServerConnection._create_stream,
    "releaseStream": ServerConnection._confirm,
    "FCPublish": ServerConnection._fc_publish,
    "FCUnpublish": ServerConnection._fc_unpublish,
    "FCSubscribe": ServerConnection._fc_subscribe,
    "_checkbw": ServerConnection._confirm,
    "getStreamLength": ServerConnection._stream_length,
    "publish": ServerConnection._publish,
    "play": ServerConnection._play,
    "play2": ServerConnection._play2,
    "pause": ServerConnection._pause,
    "seek": ServerConnection._seek,
    "closeStream": ServerConnection._end_stream,
    "deleteStream": ServerConnection._end_stream,
}
"""One table for all: methods bound to a connection would keep it alive in a circle."""
