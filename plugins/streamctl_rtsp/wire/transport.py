"""The ``Transport`` header: how one track travels (RFC 2326 section 12.39).

A client lists what it can, in the order that it likes best; the server answers with the one that
is used. Parameters that are not known are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

from streamctl.errors import RemoteProtocolError

MAX_TRANSPORTS = 16
"""Clients list three."""
PAIR = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
SSRC = re.compile(r"[0-9A-Fa-f]{1,8}")
PART = re.compile(r'(?:[^",]+|"[^"]*"?)+')
"""What stands between commas, those in quotation marks apart."""
MAX_PORT = 65_535
MAX_CHANNEL = 255

Pair = tuple[int, int]
"""Ports or channels of RTP and of RTCP."""


@dataclass(frozen=True, slots=True)
class Transport:
    """One way to carry a track."""

    profile: str = "RTP/AVP"
    """``RTP/AVP``, or ``RTP/SAVP`` for an encrypted one."""
    tcp: bool = False
    """Inside the connection."""
    unicast: bool = True
    """Whether the packets go to one receiver."""
    interleaved: Pair | None = None
    """Channels inside the connection."""
    client_port: Pair | None = None
    server_port: Pair | None = None
    port: Pair | None = None
    """Ports of a multicast group."""
    destination: str = ""
    source: str = ""
    ttl: int | None = None
    ssrc: int | None = None
    mode: str = ""
    """``PLAY`` or ``RECORD``, in upper case; empty = not said, which is ``PLAY``."""

    @property
    def records(self) -> bool:
        """Whether it is for media that the client sends."""
        return self.mode in {"RECORD", "RECEIVE"}

    def serialize(self) -> str:
        """The text of one transport."""
        parts = [f"{self.profile}/TCP" if self.tcp else self.profile]
        parts.append("unicast" if self.unicast else "multicast")
        if self.destination:
            parts.append(f"destination={self.destination}")
        if self.source:
            parts.append(f"source={self.source}")
        for name, pair in (
            ("interleaved", self.interleaved),
            ("client_port", self.client_port),
            ("server_port", self.server_port),
            ("port", self.port),
        ):
            if pair is not None:
                parts.append(f"{name}={pair[0]}-{pair[1]}")
        if self.ttl is not None:
            parts.append(f"ttl={self.ttl}")
        if self.ssrc is not None:
            parts.append(f"ssrc={self.ssrc:08X}")
        if self.mode:
            parts.append(f'mode="{self.mode}"')
        return ";".join(parts)


def parse_transports(text: str) -> list[Transport]:
    """The transports of a header, those that are none of RTP left out.

    Raises:
        RemoteProtocolError: there is none, or a parameter makes no sense.
    """
    found = []
    for part in islice(PART.finditer(text), MAX_TRANSPORTS):
        transport = parse_transport(part.group().strip())
        if transport is not None:
            found.append(transport)
    if not found:
        raise RemoteProtocolError(f"no transport of RTP in {text[:100]!r}")
    return found


def parse_transport(text: str) -> Transport | None:
    """One transport; None = none of RTP.

    Raises:
        RemoteProtocolError: a parameter makes no sense.
    """
    first, *parameters = (part.strip() for part in text.split(";"))
    protocol, _, rest = first.upper().partition("/")
    profile, _, lower = rest.partition("/")
    if protocol != "RTP" or profile not in {"AVP", "AVPF", "SAVP", "SAVPF"}:
        return None
    if lower not in {"", "UDP", "TCP"}:
        return None
    values: dict[str, str] = {}
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        values.setdefault(name.strip().lower(), value.strip().strip('"'))
    interleaved = pair(values, "interleaved", MAX_CHANNEL)
    return Transport(
        profile=f"RTP/{profile}",
        # Some name the channels alone.
        tcp=lower == "TCP" or interleaved is not None,
        unicast="multicast" not in values,
        interleaved=interleaved,
        client_port=pair(values, "client_port", MAX_PORT),
        server_port=pair(values, "server_port", MAX_PORT),
        port=pair(values, "port", MAX_PORT),
        destination=values.get("destination", ""),
        source=values.get("source", ""),
        ttl=number(values, "ttl", 255),
        ssrc=ssrc(values.get("ssrc", "")),
        mode=values.get("mode", "").upper(),
    )


def pair(values: dict[str, str], name: str, largest: int) -> Pair | None:
    """Two numbers; one alone has the next one beside it.

    Raises:
        RemoteProtocolError: it is something else.
    """
    text = values.get(name)
    if text is None:
        return None
    found = PAIR.fullmatch(text)
    if found is None:
        raise RemoteProtocolError(f"not a pair of numbers: `{name}={text[:40]}`")
    first = int(found[1])
    second = int(found[2]) if found[2] else first + 1
    if max(first, second) > largest:
        raise RemoteProtocolError(f"beyond {largest}: `{name}={text}`")
    return first, second


def number(values: dict[str, str], name: str, largest: int) -> int | None:
    """A number within its bounds; None = not said, or nothing of use."""
    text = values.get(name, "")
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(largest)):
        return None
    return min(int(text), largest)


def ssrc(text: str) -> int | None:
    """A synchronisation source, which is written in hexadecimal; None = not said."""
    text = text.strip().removeprefix("0x")
    return int(text, 16) if SSRC.fullmatch(text) else None
