"""Just enough RTMP for load tools, written apart from the product: handshake, commands, chunks.

Everything is blocking and trusts its peer; a benchmark that hangs is ended by its harness.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

CHUNK = 4096
STAMP_TAG = b"streamctl-bench:"
"""A 16-byte SEI UUID (H.264, D.1.6) that stands before each stamp."""
STAMP_BYTES = 16
"""Send time, nanoseconds of CLOCK_MONOTONIC, as hexadecimal digits: no start code can arise."""
COMMAND, AUDIO, VIDEO, SET_CHUNK_SIZE = 20, 8, 9, 1
BUFFER = 1 << 20


def amf(*values: object) -> bytes:
    """AMF0 values: strings, numbers, booleans, None and objects."""
    return b"".join(map(amf_value, values))


def amf_value(value: object) -> bytes:
    """One AMF0 value."""
    match value:
        case None:
            return b"\x05"
        case bool():
            return bytes((1, value))
        case int() | float():
            return b"\0" + struct.pack(">d", value)
        case str():
            text = value.encode()
            return b"\x02" + struct.pack(">H", len(text)) + text
        case dict():
            body = b"".join(
                struct.pack(">H", len(name)) + name.encode() + amf_value(item)
                for name, item in value.items()
            )
            return b"\x03" + body + b"\0\0\x09"
        case _:
            raise TypeError(f"no AMF0 form of {value!r}")


def header(kind: int, length: int, timestamp: int, stream: int, csid: int) -> bytes:
    """A type 0 chunk header without extended timestamp."""
    fields = timestamp.to_bytes(3) + length.to_bytes(3) + bytes((kind,))
    return bytes((csid,)) + fields + struct.pack("<I", stream)


def message(kind: int, payload: bytes, *, timestamp: int = 0, stream: int = 0) -> bytes:
    """A whole message in chunks of 4096 bytes (the initial 128 for commands and control)."""
    csid, size = (6, CHUNK) if kind in (AUDIO, VIDEO) else (3, 128)
    parts = [header(kind, len(payload), timestamp, stream, csid)]
    for start in range(0, len(payload), size):
        if start:
            parts.append(bytes((0xC0 | csid,)))
        parts.append(payload[start : start + size])
    return b"".join(parts)


def command(*values: object, stream: int = 0) -> bytes:
    """An AMF0 command message."""
    return message(COMMAND, amf(*values), stream=stream)


def open_connection(port: int, app: str) -> socket.socket:
    """Connect, shake hands and send ``connect`` and ``createStream``."""
    sock = socket.create_connection(("127.0.0.1", port), 30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(b"\x03" + bytes(8) + b"\x5a" * 1528)
    answer = receive(sock, 1 + 1536 + 1536)
    target = {"app": app, "tcUrl": f"rtmp://127.0.0.1:{port}/{app}", "fpad": False}
    sock.sendall(answer[1:1537] + command("connect", 1, target) + command("createStream", 2, None))
    return sock


def receive(sock: socket.socket, length: int) -> bytes:
    """Exactly that many bytes."""
    parts = bytearray()
    while len(parts) < length:
        data = sock.recv(length - len(parts))
        if not data:
            raise ConnectionError("the server closed the connection")
        parts += data
    return bytes(parts)


def open_player(port: int, name: str) -> socket.socket:
    """A connection that plays a stream; what the server answers is still unread."""
    sock = open_connection(port, "live")
    sock.sendall(command("play", 3, None, name, -2000, stream=1))
    return sock


def open_publisher(port: int, name: str) -> socket.socket:
    """A connection that may publish."""
    sock = open_connection(port, "live")
    sock.sendall(
        message(SET_CHUNK_SIZE, CHUNK.to_bytes(4))
        + command("publish", 3, None, name, "live", stream=1)
    )
    seen = b""
    while b"NetStream.Publish.Start" not in seen:
        data = sock.recv(65536)
        if not data:
            sock.close()
            raise ConnectionError(f"publishing `{name}` was refused: {seen[-200:]!r}")
        seen += data
    return sock


@dataclass(slots=True)
class Message:
    """A media message made ready: only its timestamp and stamp change from send to send."""

    at_ms: int
    kind: int
    before: bytes
    """From behind the timestamp to the stamp (or the end)."""
    after: bytes
    stamped: bool

    def render(self, timestamp: int, now_ns: int) -> bytes:
        """The bytes to send now."""
        start = b"\x06" + timestamp.to_bytes(3)
        if not self.stamped:
            return start + self.before
        return b"".join((start, self.before, b"%016x" % now_ns, self.after))


def prepare(at_ms: int, kind: int, payload: bytes) -> Message:
    """Chunk a media payload; a stamp that a chunk boundary would cut is given up."""
    raw = message(kind, payload, stream=1)
    stamp = raw.find(STAMP_TAG)
    if stamp < 0:
        return Message(at_ms, kind, raw[4:], b"", stamped=False)
    stamp += len(STAMP_TAG)
    cut = bytes((0xC6,)) in raw[stamp : stamp + STAMP_BYTES]
    if cut:
        return Message(at_ms, kind, raw[4:], b"", stamped=False)
    return Message(at_ms, kind, raw[4:stamp], raw[stamp + STAMP_BYTES :], stamped=True)
