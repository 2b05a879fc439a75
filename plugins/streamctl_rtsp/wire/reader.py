"""From a stream of bytes to messages and interleaved frames (RFC 2326 sections 4 and 10.12).

A frame is ``$``, a channel, a length of two bytes and so many bytes of RTP or RTCP; frames stand
between messages, never inside. The bytes of one read are copied once; frames are views of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError
from streamctl_rtsp.wire.message import Headers, Request, Response, Status, parse_head

if TYPE_CHECKING:
    from collections.abc import Iterator

DOLLAR = 0x24
FRAME_HEAD_BYTES = 4
MAX_HEAD_BYTES = 16_384
"""Request lines of 4 KiB are in use, and logins and cookies beside them."""
MAX_BODY_BYTES = 262_144
"""Descriptions have a few KiB; those with many tracks and long parameter sets ten times that."""
MAX_GARBAGE_BYTES = 262_144
"""What a careless server may send between two messages, before it is no RTSP any more."""
HEAD_END = re.compile(rb"\r?\n\r?\n")
BLANK = b"\r\n"
BEGIN = re.compile(
    rb"\$|RTSP/|HTTP/|R(?:T(?:SP?)?)?\Z|H(?:T(?:TP?)?)?\Z"
    rb"|(?:\A|(?<=\n))[A-Z_]{1,20}(?:\Z| [^\r\n]*(?:\Z| RTSP/\d))"
)
"""A frame, a response (that to a tunnel is one of HTTP) or a request, or what may yet become one
of them."""


@dataclass(slots=True)
class Frame:
    """One packet of RTP or RTCP inside the connection."""

    channel: int
    data: memoryview
    """A view of bytes that nobody changes; keeping it keeps the whole read."""


Event = Request | Response | Frame


class RtspReader:
    """Takes bytes as they come, whoever sends them."""

    def __init__(self, *, lenient: bool = False) -> None:
        """``lenient`` skips what is no message, as cameras send it behind a description."""
        self.lenient = lenient
        self.garbage = 0
        """Bytes that were skipped since the last message or frame."""
        self._rest = bytearray()
        self._need = 0
        """Nothing can be done with fewer bytes."""
        self._raw = False

    def receive(self, data: bytes | memoryview) -> Iterator[Event]:
        """The messages and frames that are complete now, one after the other.

        Iterate to the end: what was not looked at is kept for the next call only then. Nothing
        follows a request of HTTP: :meth:`take_rest` has what came behind it.

        Raises:
            RemoteProtocolError: it is no RTSP, or too large; ``reply`` is an answer for a client.
        """
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return
            data, self._rest = bytes(self._rest), bytearray()
        else:
            data = bytes(data)
        view = memoryview(data)
        at, end = 0, len(data)
        while at < end and not self._raw:
            if data[at] == DOLLAR:
                if end - at < FRAME_HEAD_BYTES:
                    self._need = FRAME_HEAD_BYTES
                    break
                stop = at + FRAME_HEAD_BYTES + (data[at + 2] << 8 | data[at + 3])
                if stop > end:
                    self._need = stop - at
                    break
                self.garbage = 0
                yield Frame(data[at + 1], view[at + FRAME_HEAD_BYTES : stop])
                at = stop
                continue
            message, stop = self._message(data, at)
            if message is not None:
                self.garbage = 0
                self._raw = isinstance(message, Request) and message.tunnels
                yield message
            elif stop == at:
                break
            at = stop
        self._rest += view[at:]

    def take_rest(self) -> bytes:
        """What came behind the last message and is not used yet."""
        rest, self._rest = bytes(self._rest), bytearray()
        return rest

    def _message(self, data: bytes, at: int) -> tuple[Request | Response | None, int]:
        """The message that begins here and where it ends; no message = go on there, or wait."""
        skipped = self._skip(data, at)
        if skipped > at:
            return None, skipped
        limit = at + MAX_HEAD_BYTES
        found = HEAD_END.search(data, at, limit)
        if found is None:
            if len(data) >= limit:
                raise broken(f"a head of more than {MAX_HEAD_BYTES} bytes")
            self._need = len(data) - at + 1
            return None, at
        try:
            message = parse_head(data[at : found.start()])
        except RemoteProtocolError as error:
            raise broken(error.message, data[at : found.start()]) from None
        if isinstance(message, Request) and message.tunnels:
            # Its length is of no meaning.
            return message, found.end()
        stop = found.end() + body_length(message)
        if stop > len(data):
            self._need = stop - at
            return None, at
        message.body = data[found.end() : stop]
        return message, stop

    def _skip(self, data: bytes, at: int) -> int:
        """Where the next message or frame may begin.

        Raises:
            RemoteProtocolError: not here, or too far away.
        """
        start = at
        while at < len(data) and data[at] in BLANK:
            at += 1
        if not self.lenient:
            if at < len(data) and data[at] != DOLLAR and not 65 <= data[at] & 0xDF <= 90:
                raise broken(f"not RTSP: {data[at : at + 16]!r}")
        elif at < len(data) and data[at] != DOLLAR:
            found = BEGIN.search(data[at:])
            at = at + found.start() if found else len(data)
        self.garbage += at - start
        if self.garbage > MAX_GARBAGE_BYTES:
            raise broken(f"{self.garbage} bytes that are no RTSP")
        return at


def body_length(message: Request | Response) -> int:
    """The length of a message's body.

    Raises:
        RemoteProtocolError: it is no number, or too large.
    """
    text = message.headers.get("Content-Length") or "0"
    if not (text.isascii() and text.isdigit()):
        raise reject(message, Status.BAD_REQUEST, f"not a length: {text[:40]!r}")
    if len(text) > len(str(MAX_BODY_BYTES)) or int(text) > MAX_BODY_BYTES:
        raise reject(
            message, Status.ENTITY_TOO_LARGE, f"a body of more than {MAX_BODY_BYTES} bytes"
        )
    return int(text)


def reject(message: Request | Response, status: Status, text: str) -> RemoteProtocolError:
    """The error of a message that can't be taken."""
    return RemoteProtocolError(text, reply=answer(status, message.cseq))


def broken(text: str, head: bytes = b"") -> RemoteProtocolError:
    """The error of bytes that are no message."""
    found = re.search(rb"(?im)^CSeq *: *(\d{1,20})\s*$", head)
    number = int(found[1]) if found else None
    return RemoteProtocolError(text, reply=answer(Status.BAD_REQUEST, number))


def answer(status: Status, cseq: int | None) -> bytes:
    """A response without anything but its status."""
    fields = [] if cseq is None else [("CSeq", str(cseq))]
    return Response(status, Headers(fields)).serialize()
