"""What stands around the plugin in its tests: a gate, a writer, packets, and their senders."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

from streamctl.errors import StaleEpoch
from streamctl.media.rtp.packet import header
from streamctl.sdk.session import Action, Grant, Refusal, RefusalCode, Request, Session
from streamctl.testing.gate import ClosedGate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from streamctl.media.packet import Packet, Track
    from streamctl.sdk.lane import EpochWriter

HOST = "127.0.0.1"
TS = b"\x47\x01\x00\x10".ljust(188, b"m") * 7


class Writer:
    """Implements :class:`streamctl.sdk.lane.EpochWriter`; remembers."""

    def __init__(self) -> None:
        self.announced: list[Track] = []
        self.packets: list[Packet] = []
        self.data = bytearray()
        self.selected: list[tuple[int | None, tuple[int, ...]]] = []
        self.stale = False

    def tracks(self, tracks: Sequence[Track]) -> None:
        self.announced = list(tracks)

    def put(self, packets: list[Packet], now: float) -> None:
        del now
        self.packets += packets

    def select(self, program: int | None = None, pids: Collection[int] = ()) -> None:
        self.selected.append((program, tuple(pids)))

    def put_ts(self, data: bytes | bytearray | memoryview, now: float) -> None:
        del now
        if self.stale:
            raise StaleEpoch("the epoch has ended")
        self.data += data

    def drop(self, count: int) -> None:
        raise AssertionError(count)

    def discontinuity(self, reason: str) -> None:
        raise AssertionError(reason)


class OpenGate(ClosedGate):
    """Lets publishers of some streams in."""

    def __init__(self, *codes: str) -> None:
        super().__init__()
        self.codes = codes
        self.full = False
        self.busy = False
        self.writer = Writer()
        self.closes: list[Callable[[str], None]] = []
        self.sessions: list[Session] = []
        self.reasons: list[str] = []

    def admit(self, protocol: str, ip: str) -> Refusal | None:
        if self.full:
            return Refusal(RefusalCode.LIMIT, "too many")
        return super().admit(protocol, ip)

    def peek(self, request: Request) -> Grant | Refusal:
        return Grant(request.path, request) if request.path in self.codes else super().peek(request)

    def open(self, grant: Grant, close: Callable[[str], None]) -> Session:
        request = grant.request
        session = Session(
            *("id", "rtp", Action.PUBLISH, grant.code, request.ip, request.port, "", 0.0, close)
        )
        self.sessions.append(session)
        self.closes.append(close)
        return session

    def publish(self, grant: Grant, session: Session) -> EpochWriter:
        if self.busy:
            raise StaleEpoch("another publisher came first")
        return self.writer

    def close(self, session: Session, reason: str) -> None:
        self.reasons.append(reason)


def name(ip: str = HOST, port: int = 5000) -> bytes:
    """A sender's name as the kernel writes it."""
    family = socket.AF_INET.to_bytes(2, sys.byteorder)
    return family + port.to_bytes(2, "big") + socket.inet_aton(ip) + bytes(20)


def rtp(number: int, *, ssrc: int = 7, kind: int = 33, payload: bytes = TS) -> bytes:
    return header(kind, number, number * 900, ssrc) + payload
