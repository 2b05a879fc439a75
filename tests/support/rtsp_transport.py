"""How a camera of the tests is reached: datagrams, and text in a tunnel."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from tests.support.peers import HOST

Kept = tuple[Callable[[bytes], None], Callable[[bytes], None]]
"""Take RTP and RTCP."""


class Reading(Protocol):
    """Where requests are read from; ends with empty bytes."""

    def read(self, size: int, /) -> bytes:
        """So many bytes, or what is left."""

    def readline(self) -> bytes:
        """The rest of the line."""


class Decoded:
    """What a client sends through HTTP: base64 in quanta of any length."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.ready = b""

    def read(self, size: int, /) -> bytes:
        """So many decoded bytes, or what is left."""
        while len(self.ready) < size and (quantum := self.reading.read(4)):
            self.ready += base64.b64decode(quantum)
        found, self.ready = self.ready[:size], self.ready[size:]
        return found

    def readline(self) -> bytes:
        """The rest of the line."""
        line = b""
        while not line.endswith(b"\n") and (one := self.read(1)):
            line += one
        return line


class UdpPair:
    """Two sockets of a track over UDP: one for RTP, one for RTCP."""

    def __init__(self, to: tuple[int, int], kept: Kept, host: str = HOST) -> None:
        """``to`` has the client's ports, or those of a group."""
        self.to = to
        self.host = host
        self.own = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for one in self.own:
            one.bind((HOST, 0))
            one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(HOST))
        for one, keep in zip(self.own, kept, strict=True):
            threading.Thread(target=self.read, args=(one, keep), daemon=True).start()

    @property
    def transport(self) -> str:
        """The own ports, for the answer to SETUP."""
        rtp, rtcp = (one.getsockname()[1] for one in self.own)
        return f"server_port={rtp}-{rtcp}"

    def send(self, control: bool, data: bytes) -> None:
        """Send a datagram."""
        with suppress(OSError):
            self.own[control].sendto(data, (self.host, self.to[control]))

    def read(self, one: socket.socket, keep: Callable[[bytes], None]) -> None:
        """Keep what comes."""
        with suppress(OSError):
            while data := one.recv(65_536):
                keep(data)

    def close(self) -> None:
        """Free the ports."""
        for one in self.own:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
