"""Just enough RTSP for load tools, written apart from the product: DESCRIBE, SETUP, PLAY.

Everything is blocking and trusts its peer; a benchmark that hangs is ended by its harness.
"""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWER_BYTES = 65_536
HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"^Content-Length: *(\d+)", re.IGNORECASE | re.MULTILINE)
SESSION = re.compile(rb"^Session: *([^;\r]+)", re.IGNORECASE | re.MULTILINE)
MEDIA = re.compile(r"^m=(\w+).*?^a=control:(\S+)", re.MULTILINE | re.DOTALL)


class Dialogue:
    """Requests on one connection, answered before there is media on it."""

    def __init__(self, port: int, name: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"rtsp://127.0.0.1:{port}/live/{name}"
        self.session = ""
        self._count = 0

    def send(self, method: str, url: str, *fields: str) -> None:
        """Ask without waiting for the answer."""
        self._count += 1
        named = [f"Session: {self.session}"] if self.session else []
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._count}", *named, *fields, "", ""]
        self.socket.sendall("\r\n".join(lines).encode())

    def ask(self, method: str, url: str, *fields: str) -> tuple[bytes, bytes]:
        """Ask, and return head and body of the answer."""
        self.send(method, url, *fields)
        seen = b""
        while HEAD_END not in seen or len(seen) < whole(seen):
            data = self.socket.recv(ANSWER_BYTES)
            if not data:
                raise ConnectionError(f"the server closed the connection: {seen[-200:]!r}")
            seen += data
        head, _, body = seen.partition(HEAD_END)
        if not head.startswith(b"RTSP/1.0 200"):
            raise ConnectionError(f"{method} {url} was refused: {head!r}")
        return head, body

    def set_up(self, transport: Callable[[int], str]) -> list[str]:
        """Set up all tracks; ``transport`` says how each goes, by its place in the description."""
        found = MEDIA.findall(self.ask("DESCRIBE", self.url)[1].decode())
        for place, (_, control) in enumerate(found):
            url = control if "://" in control else f"{self.url}/{control}"
            head, _ = self.ask("SETUP", url, f"Transport: {transport(place)}")
            session = SESSION.search(head)
            assert session is not None
            self.session = session[1].decode()
        return [media for media, _ in found]


def whole(seen: bytes) -> int:
    """How long an answer is, by its head."""
    length = LENGTH.search(seen)
    return seen.index(HEAD_END) + len(HEAD_END) + (int(length[1]) if length else 0)


def open_inside(port: int, name: str) -> socket.socket:
    """A connection that plays a stream inside itself; the answer to PLAY is still unread."""
    dialogue = Dialogue(port, name)
    dialogue.set_up(lambda at: f"RTP/AVP/TCP;unicast;interleaved={2 * at}-{2 * at + 1}")
    dialogue.send("PLAY", dialogue.url)
    return dialogue.socket
