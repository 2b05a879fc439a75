"""Whole conversations, cut and bent: a session breaks off, and leaves nothing behind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError
from streamctl_rtmp.session import RtmpSession
from streamctl_rtmp.wire.client import Role
from streamctl_rtmp.wire.messages import ChunkStream, Command, Message, MessageType
from tests.plugins.streamctl_rtmp.dialogue import Client
from tests.plugins.streamctl_rtmp.world import FakeWire, World, remote

HANDSHAKE_BYTES = 1 + 2 * 1536


class Recording(Client):
    """A client whose bytes are kept."""

    def __init__(self, world: World, role: Role) -> None:
        super().__init__(world, role)
        self.sent = bytearray()
        heard = self.session.received

        def received(data: bytes | memoryview) -> None:
            self.sent += data
            heard(data)

        self.session.received = received  # type: ignore[method-assign] # a tap on the line


def published() -> bytes:
    """All that a client says that publishes, goes, and publishes again."""
    client = Recording(World(), Role.PUBLISH)
    client.run()
    for _ in range(2):
        client.headers()
        for number in range(8):
            client.picture(40 * number, key=not number % 4)
            client.send(MessageType.AUDIO, 40 * number, b"\xaf\x01" + bytes(30))
        client.send(MessageType.VIDEO, 400, b"\x27\x01\0\0\0" + bytes(700))
        client.send(MessageType.VIDEO, 0x1000000, b"\x80av01\x81\x08\x0c\x00")
        client.send(MessageType.AGGREGATE, 440, bytes(60))
        for name in ("FCUnpublish", "deleteStream"):
            client.connection.send_command(Command(name, 4, None, (1,)), 1)
        client.connection.send_command(Command("publish", 5, None, ("news", "live")), 1)
        client.run()
    return bytes(client.sent)


def played() -> bytes:
    """All that a client says that plays, pauses and asks odd things."""
    client = Recording(World(), Role.PLAY)
    client.run()
    for name, *args in (("pause", True, 0.0), ("pause", False, 0.0), ("seek", 5.0), ("what",)):
        client.connection.send_command(Command(name, 6, None, tuple(args)), 1)
    client.connection.send_control(MessageType.USER_CONTROL, b"\0\x06\0\0\0\x01")
    client.connection.send_message(
        ChunkStream.COMMAND, Message(MessageType.COMMAND_AMF3, 0, 1, b"\0\x02\0\x01x")
    )
    client.run()
    return bytes(client.sent)


CONVERSATIONS = {"published": published(), "played": played()}


def replay(data: bytes, step: int) -> tuple[World, bool]:
    """The world after a session has heard these bytes, and whether it took them all."""
    world = World()
    session = RtmpSession(world, world.ctx.as_context)
    wire = FakeWire(session)
    session.connected(wire, remote())
    complete = True
    try:
        for at in range(0, len(data), step):
            session.received(data[at : at + step])
            wire.turns()
    except ProtocolError:
        complete = False
    session.closed("closed by the peer")
    assert world.connections == []
    assert world.writer is None
    assert [ended for ended, _ in world.ended] == world.sessions
    assert not world.fanout.viewers
    return world, complete


@pytest.mark.parametrize("name", CONVERSATIONS)
@pytest.mark.parametrize("step", [1536, 97])
def test_the_conversations_are_whole(name: str, step: int) -> None:
    world, complete = replay(CONVERSATIONS[name], step)
    assert complete
    assert len(world.sessions) == (3 if name == "published" else 1)


MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, 1 << 20),
        st.integers(0, 12),
        st.one_of(st.binary(max_size=8), st.just(b"\xff" * 4), st.just(b"\0" * 4)),
    ),
    min_size=1,
    max_size=6,
)
"""Places behind the handshake, how much is taken out there, and what is put in."""


@given(st.sampled_from(sorted(CONVERSATIONS)), MUTATIONS, st.integers(1, 3000))
def test_a_bent_conversation_ends_cleanly(
    name: str, mutations: list[tuple[int, int, bytes]], step: int
) -> None:
    data = bytearray(CONVERSATIONS[name])
    for place, out, octets in mutations:
        at = HANDSHAKE_BYTES + place % (len(data) - HANDSHAKE_BYTES)
        data[at : at + out] = octets
    replay(bytes(data), step)


@given(st.sampled_from(sorted(CONVERSATIONS)), st.integers(0, 1 << 20), st.integers(1, 3000))
def test_a_cut_conversation_ends_cleanly(name: str, place: int, step: int) -> None:
    data = CONVERSATIONS[name]
    _, complete = replay(data[: place % len(data)], step)
    assert complete


@given(st.binary(max_size=200), st.integers(0, 3100))
def test_noise_behind_the_beginning_of_a_handshake_ends_cleanly(noise: bytes, kept: int) -> None:
    replay(CONVERSATIONS["played"][:kept] + noise, 1000)
