"""What a server describes: its tracks, where each is asked for, and what can't be taken.

Forgives what cameras get wrong in their descriptions: clocks that no video has, dynamic payload
types without a name whose parameters give them away, missing controls.
Specifications: RFC 2326 appendix C (SDP), RFC 6184, RFC 7798; ONVIF's streaming specification for
the tracks of talkback.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from streamctl.media import sdp
from streamctl.media.packet import TIMESCALE, Media
from streamctl.media.rtp.formats import TRANSPORT_STREAM, RtpFormat, format_in
from streamctl_rtsp.wire.control import resolve

if TYPE_CHECKING:
    from streamctl.media.sdp import MediaDescription, SessionDescription
    from streamctl_rtsp.wire.message import Headers

MAX_TRACKS = 16
"""Cameras have three; each costs a round trip, and two ports over UDP."""
SHOWN_TYPES = 8
"""How many of a section's formats a message names."""
GUESSES = {"sprop-vps": "H265", "sprop-parameter-sets": "H264", "packetization-mode": "H264"}
"""Encodings by parameters that no other has."""


@dataclass(frozen=True, slots=True)
class OfferedTrack:
    """A track that can be taken."""

    url: str
    """What SETUP names."""
    format: RtpFormat
    group: str = ""
    """The multicast group that its description names; empty = none."""
    port: int = 0
    """The group's port."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A description, as far as it is of use."""

    url: str
    """What PLAY names."""
    tracks: tuple[OfferedTrack, ...]
    left_out: tuple[str, ...]
    """Names of what can't be taken."""


def base_of(headers: Headers, asked: str) -> str:
    """What controls are relative to, by the answer to DESCRIBE (RFC 2326 section C.1.1)."""
    for name in ("Content-Base", "Content-Location"):
        told = headers.get(name).strip()
        if told:
            return resolve(asked, told)
    return asked


def read_offer(data: bytes, base: str) -> Offer:
    """Read a description.

    Raises:
        RemoteProtocolError: it is none.
    """
    session = sdp.parse(data)
    whole = resolve(base, session.control)
    tracks: list[OfferedTrack] = []
    left_out: list[str] = []
    talkback = {media.direction for media in session.media} >= {"recvonly", "sendonly"}
    for media in session.media:
        if media.direction == "inactive" or (talkback and media.direction == "sendonly"):
            continue
        found = usable_format(media)
        if found is None or len(tracks) == MAX_TRACKS:
            left_out.append(name_of(media))
            continue
        group = group_of(session, media)
        # Without a control of its own the only track is the whole.
        url = resolve(base, media.control) if media.control else whole
        tracks.append(OfferedTrack(url, found, group, media.port if group else 0))
    return Offer(whole, tuple(tracks), tuple(left_out))


def usable_format(media: MediaDescription) -> RtpFormat | None:
    """The first format of a section that can be read; None if there is none."""
    for payload_type in media.payload_types:
        found = format_in(media, payload_type) or guess(media, payload_type)
        if found is not None and (found.codec or found.encoding == TRANSPORT_STREAM):
            video = found.media is Media.VIDEO
            return replace(found, clock_rate=TIMESCALE) if video else found
    return None


def guess(media: MediaDescription, payload_type: int) -> RtpFormat | None:
    """The format of a payload type without a name, by its parameters."""
    fmtp = media.fmtp(payload_type)
    encoding = next((GUESSES[key] for key in GUESSES if key in fmtp), "")
    return RtpFormat(payload_type, encoding, TIMESCALE, 1, fmtp) if encoding else None


def name_of(media: MediaDescription) -> str:
    """What a section is called where it is left out."""
    for payload_type in media.payload_types:
        known = media.rtpmap(payload_type)
        if known is not None:
            return f"{known.encoding} {media.kind}"
    return f"{media.kind} of payload type {' '.join(media.formats[:SHOWN_TYPES]) or 'none'}"


def group_of(session: SessionDescription, media: MediaDescription) -> str:
    """The multicast group that a section is sent to; empty = none."""
    host = media.connection or session.connection
    first = host.partition(".")[0]
    ipv4 = first.isdecimal() and 224 <= int(first) <= 239
    return host if ipv4 or host.lower().startswith("ff") else ""
