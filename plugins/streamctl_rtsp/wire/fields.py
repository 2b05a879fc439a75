"""Further header fields of RTSP: ``Session``, ``RTP-Info``, ``Range`` and ``Scale``.

Specification: RFC 2326 sections 12.37, 12.33 and 12.29.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_TIMEOUT_S = 60
"""How long a session lives without a sign of its client, if the server doesn't say."""
MAX_TIMEOUT_S = 86_400
SESSION_ID = re.compile(r"[^\s;,]{1,256}")
INFO_SEPARATOR = re.compile(r",(?=\s*url\s*=)", re.IGNORECASE)
"""Commas between entries; a URL may have some of its own."""


@dataclass(frozen=True, slots=True)
class SessionField:
    """A session's name, and how long it lives without a sign of the client."""

    id: str
    timeout_s: int = DEFAULT_TIMEOUT_S

    def serialize(self) -> str:
        """The value of the header."""
        return f"{self.id};timeout={self.timeout_s}"


def parse_session(text: str) -> SessionField | None:
    """The value of a ``Session`` header; None = no name."""
    name, *parameters = (part.strip() for part in text.split(";"))
    if SESSION_ID.fullmatch(name) is None:
        return None
    timeout_s = DEFAULT_TIMEOUT_S
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        digits = re.match(r"\s*(\d{1,9})", value)
        if key.strip().lower() == "timeout" and digits and int(digits[1]):
            timeout_s = min(int(digits[1]), MAX_TIMEOUT_S)
    return SessionField(name, timeout_s)


@dataclass(frozen=True, slots=True)
class RtpInfo:
    """Where the first packet of a track stands."""

    url: str
    sequence: int | None = None
    timestamp: int | None = None

    def serialize(self) -> str:
        """One entry of the header."""
        text = f"url={self.url}"
        if self.sequence is not None:
            text += f";seq={self.sequence}"
        if self.timestamp is not None:
            text += f";rtptime={self.timestamp}"
        return text


def parse_rtp_info(text: str) -> list[RtpInfo]:
    """The entries of an ``RTP-Info`` header; those without a URL are left out."""
    found = []
    for entry in INFO_SEPARATOR.split(text):
        values: dict[str, str] = {}
        # A URL with a semicolon of its own is cut: nothing tells it from a parameter.
        for part in entry.split(";"):
            key, equals, value = part.strip().partition("=")
            if equals:
                values.setdefault(key.strip().lower(), value.strip().strip('"'))
        if "url" in values:
            found.append(
                RtpInfo(
                    values["url"],
                    bounded(values.get("seq", ""), 0xFFFF),
                    bounded(values.get("rtptime", ""), 0xFFFF_FFFF),
                )
            )
    return found


def bounded(text: str, largest: int) -> int | None:
    """A number; None = none, or too large."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(largest)):
        return None
    value = int(text)
    return value if value <= largest else None
