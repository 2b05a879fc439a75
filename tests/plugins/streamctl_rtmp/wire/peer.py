"""A client that talks to a server connection in messages."""

from __future__ import annotations

import random
from typing import Any

from streamctl_rtmp.wire.chunk import ChunkParser, serialize
from streamctl_rtmp.wire.messages import Command, Message, MessageType
from streamctl_rtmp.wire.server import ServerConnection

noise = random.Random(5).randbytes
HELLO = b"\x03" + bytes(1536) + bytes(1536)


class Peer:
    """Talks to a server connection in messages."""

    def __init__(self) -> None:
        self.server = ServerConnection(noise)
        self.parser = ChunkParser()
        assert self.server.receive_data(HELLO) == []
        assert len(self.server.data_to_send()) == 3073

    def send(self, kind: MessageType, body: bytes, *, csid: int = 3, timestamp: int = 0) -> Any:
        return self.server.receive_data(
            serialize(csid, Message(kind, timestamp, 1, body), self.server.parser.chunk_size)
        )

    def command(self, name: str, number: float, *args: object, obj: object = None) -> Any:
        return self.send(MessageType.COMMAND_AMF0, Command(name, number, obj, args).serialize())

    def answers(self) -> list[Message]:
        return self.parser.receive(self.server.data_to_send())

    def commands(self) -> list[Command]:
        kinds = (MessageType.COMMAND_AMF0,)
        return [Command.parse(message) for message in self.answers() if message.type in kinds]

    def codes(self) -> list[str]:
        return [str(command.info().get("code")) for command in self.commands()]

    def connect(self) -> Peer:
        self.command("connect", 1, obj={"app": "live", "tcUrl": "rtmp://h/live"})
        self.answers()
        return self

    def publish(self) -> Peer:
        self.command("publish", 5, "news", "live")
        self.server.accept_publish()
        self.answers()
        return self

    def play(self) -> Peer:
        self.command("play", 5, "news")
        self.server.accept_play()
        self.answers()
        return self
