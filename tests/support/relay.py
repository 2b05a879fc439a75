"""A TCP line between two programs that can go bad in the middle, without being closed."""

from __future__ import annotations

import random
import socket
import threading
import time
from contextlib import suppress
from enum import Enum
from typing import Self

from tests.support.ports import HOST

CHUNK = 16_384


class Line(Enum):
    """What becomes of what one sends to the other."""

    SOUND = "it comes"
    HELD = "it is kept back; the connection stays"
    GARBLED = "something else comes instead"


class Relay:
    """Takes callers to a port, until told otherwise."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.line = Line.SOUND
        self.random = random.Random(1)
        self.listener = socket.create_server((HOST, 0))
        self.port: int = self.listener.getsockname()[1]
        self.sockets: list[socket.socket] = [self.listener]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def turn(self, line: Line) -> float:
        """Let the line go bad, or be sound; when that was."""
        self.line = line
        return time.time()

    def accept(self) -> None:
        """Take callers until the end."""
        with suppress(OSError):
            while True:
                caller, _ = self.listener.accept()
                server = socket.create_connection((HOST, self.target))
                self.sockets += [caller, server]
                for one, other, way in ((caller, server, True), (server, caller, False)):
                    threading.Thread(target=self.pump, args=(one, other, way), daemon=True).start()

    def pump(self, source: socket.socket, sink: socket.socket, bad: bool) -> None:
        """Pass on what comes; only what callers send can go bad."""
        with suppress(OSError):
            while data := source.recv(CHUNK):
                line = self.line if bad else Line.SOUND
                if line is Line.HELD:
                    continue
                if line is Line.GARBLED:
                    data = self.random.randbytes(len(data))
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
