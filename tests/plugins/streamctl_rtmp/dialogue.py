"""A client connection and the session that serves it, talking in memory."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from streamctl_rtmp.session import RtmpSession
from streamctl_rtmp.wire.client import ClientConnection, Role, Target
from streamctl_rtmp.wire.events import Refused, Started
from streamctl_rtmp.wire.messages import ChunkStream, Message, MessageType
from tests.plugins.streamctl_rtmp.world import ASC, IDR, SLICE, FakeWire, World, avcc, remote

if TYPE_CHECKING:
    from streamctl_rtmp.wire.asking import Asker

noise = random.Random(11).randbytes


class Client:
    """A client connection and the session that serves it."""

    def __init__(
        self,
        world: World,
        role: Role,
        name: str = "news",
        *,
        app: str = "live",
        port: int = 5000,
        asker: Asker | None = None,
    ) -> None:
        self.connection = ClientConnection(role, Target(app, name, f"rtmp://h/{app}"), noise)
        self.session = RtmpSession(world, world.ctx.as_context, asker)
        self.wire = FakeWire(self.session)
        self.events: list[Any] = []
        self.connection.open()
        self.session.connected(self.wire, remote(port))

    def run(self) -> Client:
        """Talk until both have nothing to say."""
        while True:
            up = self.connection.data_to_send()
            if up:
                self.session.received(up)
                self.wire.turns()
            down = self.wire.taken()
            if down:
                self.events += self.connection.receive_data(down)
            if not up and not down:
                return self

    def started(self) -> bool:
        return any(isinstance(event, Started) for event in self.events)

    def media(self) -> list[Message]:
        self.run()
        return [event for event in self.events if isinstance(event, Message)]

    def refusal(self) -> str:
        [event] = [event for event in self.events if isinstance(event, Refused)]
        return event.description

    def send(self, kind: MessageType, timestamp: int, body: bytes) -> None:
        self.connection.send_media(ChunkStream.VIDEO, kind, timestamp, body)

    def headers(self) -> None:
        self.connection.send_data(1, "@setDataFrame", "onMetaData", {"videocodecid": 7})
        self.send(MessageType.VIDEO, 0, b"\x17\x00\0\0\0" + avcc())
        self.send(MessageType.AUDIO, 0, b"\xaf\x00" + ASC)

    def picture(self, timestamp: int, *, key: bool = False) -> None:
        head, unit = (b"\x17", IDR) if key else (b"\x27", SLICE)
        self.send(MessageType.VIDEO, timestamp, head + b"\x01\0\0\0" + unit)

    def leave(self) -> None:
        self.session.closed("closed by the peer")


def publisher(world: World) -> Client:
    """A client that has begun to publish."""
    client = Client(world, Role.PUBLISH).run()
    client.headers()
    client.picture(0, key=True)
    client.picture(40)
    return client.run()
