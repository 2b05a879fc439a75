"""Session descriptions: the part of SDP that media servers, cameras and encoders use.

Reading forgives what real peers get wrong: line ends, blank lines, order, unknown lines, a missing
``v=``, malformed attributes. Writing is strict. What a format's parameters mean is left to
:mod:`streamctl.media.rtp`.
Specification: RFC 8866; ``rtpmap`` and ``fmtp`` sections 6.6 and 6.15.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 262_144
"""Parameter sets are the largest things in it, and those of a track are a few hundred bytes."""
MAX_LINES = 4096
MAX_MEDIA = 64
"""More than any source of ours can have tracks."""
MAX_TYPE = 127
"""Payload types have seven bits (RFC 3550, section 5.1)."""
LINE = re.compile(r"[a-z]=", re.IGNORECASE)
NUMBER = re.compile(r"[0-9]{1,9}")
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
DEFAULT_NAME = "-"
"""What an empty session name is written as (RFC 8866, section 5.3)."""


@dataclass(frozen=True, slots=True)
class RtpMap:
    """What an ``a=rtpmap`` says of one payload type."""

    encoding: str
    """As it is written; compare it without regard to case."""
    clock_rate: int
    channels: int = 0
    """Channels of audio; 0 = not said, which means one."""


@dataclass(slots=True)
class Attributes:
    """The ``a=`` lines of one section, in order; names in lower case."""

    attributes: list[tuple[str, str]] = field(default_factory=list)

    def attribute(self, name: str) -> str | None:
        """The value of the first attribute of that name; None if there is none."""
        return next((value for key, value in self.attributes if key == name), None)

    def values(self, name: str) -> list[str]:
        """The values of all attributes of that name."""
        return [value for key, value in self.attributes if key == name]

    @property
    def control(self) -> str:
        """The ``a=control`` of RTSP; empty if there is none."""
        return self.attribute("control") or ""

    @property
    def direction(self) -> str:
        """``sendrecv``, ``sendonly``, ``recvonly`` or ``inactive``; empty if it is not said."""
        return next((key for key, _ in self.attributes if key in DIRECTIONS), "")


@dataclass(slots=True)
class MediaDescription(Attributes):
    """One ``m=`` section."""

    kind: str = ""
    """``video``, ``audio``, ``application``; lower case."""
    port: int = 0
    protocol: str = "RTP/AVP"
    formats: tuple[str, ...] = ()
    """Payload types, as texts."""
    connection: str = ""
    """The address of its ``c=`` line, without TTL; empty = that of the session."""
    bandwidth_kbps: int = 0
    """``b=AS``; 0 = not said."""

    @property
    def payload_types(self) -> tuple[int, ...]:
        """The formats that are payload types of RTP, each once.

        Whoever looks each of them up does so as often as there can be types, not formats.
        """
        numbers = (int(text) for text in self.formats if text.isdecimal() and len(text) < 4)
        return tuple(dict.fromkeys(number for number in numbers if number <= MAX_TYPE))

    def rtpmap(self, payload_type: int) -> RtpMap | None:
        """What the section says of a payload type; None if nothing that makes sense."""
        for text in self._told("rtpmap", payload_type):
            return read_rtpmap(text)
        return None

    def fmtp(self, payload_type: int) -> dict[str, str]:
        """The parameters of a payload type, their names in lower case; empty if there are none."""
        found: dict[str, str] = {}
        for text in self._told("fmtp", payload_type):
            found |= read_fmtp(text)
        return found

    def _told(self, name: str, payload_type: int) -> Iterator[str]:
        """What attributes of a name say of a payload type, which stands at their beginning."""
        begin = f"{payload_type} "
        for key, value in self.attributes:
            if key == name and value.startswith(begin):
                yield value[len(begin) :]


@dataclass(slots=True)
class SessionDescription(Attributes):
    """A whole description."""

    name: str = ""
    origin: str = ""
    """What follows ``o=``."""
    connection: str = ""
    """The address of the ``c=`` line of the session, without TTL."""
    media: list[MediaDescription] = field(default_factory=list)


def read_rtpmap(text: str) -> RtpMap | None:
    """What follows the payload type of an ``a=rtpmap``; None if it makes no sense."""
    encoding, _, rest = text.strip().partition("/")
    rate, _, channels = rest.partition("/")
    if not encoding.strip():
        return None
    return RtpMap(encoding.strip(), number(rate), number(channels))


def read_fmtp(text: str) -> dict[str, str]:
    """What follows the payload type of an ``a=fmtp``: values by name in lower case.

    A parameter without a value has an empty one.
    """
    found = {}
    for part in text.split(";"):
        name, _, value = part.strip().partition("=")
        if name.strip():
            found[name.strip().lower()] = value.strip()
    return found


def number(text: str) -> int:
    """The number that a text begins with; 0 if it begins with none."""
    found = NUMBER.match(text.strip())
    return int(found.group()) if found else 0


def parse(data: bytes | str) -> SessionDescription:
    """Read a description.

    Raises:
        RemoteProtocolError: no session description, or one beyond all measure.
    """
    if len(data) > MAX_BYTES:
        raise RemoteProtocolError(f"a session description of {len(data)} bytes")
    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
    lines = text.removeprefix("\ufeff").replace("\0", "").splitlines()
    if len(lines) > MAX_LINES:
        raise RemoteProtocolError(f"a session description of {len(lines)} lines")
    session = SessionDescription()
    section: SessionDescription | MediaDescription = session
    known = False
    for raw in lines:
        line = raw.strip()
        if not LINE.match(line):
            continue
        kind, value = line[0].lower(), line[2:].strip()
        known = known or kind in "vm"
        if kind == "m":
            if len(session.media) >= MAX_MEDIA:
                raise RemoteProtocolError("a session description of too many media")
            section = read_media(value)
            session.media.append(section)
        elif kind in "so":
            read_of_session(session, kind, value)
        else:
            read_line(section, kind, value)
    if not known:
        raise RemoteProtocolError("not a session description")
    return session


def read_media(value: str) -> MediaDescription:
    """The section that an ``m=`` line begins."""
    words = value.split()
    kind, port, protocol = (*words[:3], "", "", "")[:3]
    return MediaDescription(
        kind=kind.lower(),
        port=number(port) & 0xFFFF,
        protocol=protocol.upper(),
        formats=tuple(words[3:]),
    )


def read_of_session(session: SessionDescription, kind: str, value: str) -> None:
    """Take a line that only sessions have."""
    if kind == "s":
        session.name = session.name or value
    else:
        session.origin = session.origin or value


def read_line(section: SessionDescription | MediaDescription, kind: str, value: str) -> None:
    """Take a line that both sessions and media can have; others are left out."""
    if kind == "a":
        name, _, rest = value.partition(":")
        section.attributes.append((name.strip().lower(), rest.strip()))
    elif kind == "c":
        section.connection = value.rsplit(maxsplit=1)[-1].partition("/")[0] if value else ""
    elif kind == "b" and isinstance(section, MediaDescription):
        name, _, rest = value.partition(":")
        if name.strip().upper() == "AS":
            section.bandwidth_kbps = number(rest)


def serialise(session: SessionDescription) -> bytes:
    """The bytes of a description, with the lines that the specification wants."""
    lines = [
        "v=0",
        f"o={session.origin or origin('127.0.0.1')}",
        f"s={session.name or DEFAULT_NAME}",
    ]
    if session.connection:
        lines.append(connection_line(session.connection))
    lines.append("t=0 0")
    lines += attribute_lines(session)
    for media in session.media:
        lines.append(
            f"m={media.kind} {media.port} {media.protocol} {' '.join(media.formats)}".rstrip()
        )
        if media.connection:
            lines.append(connection_line(media.connection))
        if media.bandwidth_kbps:
            lines.append(f"b=AS:{media.bandwidth_kbps}")
        lines += attribute_lines(media)
    return "".join(f"{single_line(line)}\r\n" for line in lines).encode()


def origin(host: str, session: int = 0, version: int = 1) -> str:
    """The value of an ``o=`` line."""
    return f"- {session} {version} IN {family(host)} {host}"


def connection_line(host: str) -> str:
    """The ``c=`` line of an address; groups of IPv4 need a TTL (RFC 8866, section 5.7)."""
    first = host.partition(".")[0]
    group = first.isdecimal() and 224 <= int(first) <= 239
    return f"c=IN {family(host)} {host}{'/16' if group else ''}"


def family(host: str) -> str:
    """The address type of a host."""
    return "IP6" if ":" in host else "IP4"


def attribute_lines(section: Attributes) -> list[str]:
    """The ``a=`` lines of a section."""
    return [f"a={name}:{value}" if value else f"a={name}" for name, value in section.attributes]


def write_fmtp(parameters: dict[str, str]) -> str:
    """What follows the payload type of an ``a=fmtp``."""
    return ";".join(f"{name}={value}" if value else name for name, value in parameters.items())


def single_line(text: str) -> str:
    """A text without line ends, which would begin another line."""
    return " ".join(text.splitlines())
