"""How the tracks of a stream are described to players, and whether others are described alike.

Specifications: RFC 8866, RFC 2326 appendix C.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError
from streamctl.media.aac import AacConfig
from streamctl.media.packet import Codec, Media
from streamctl.media.rtp.formats import format_of
from streamctl.media.sdp import MediaDescription, SessionDescription, origin, serialise
from streamctl_rtsp.wire.control import TRACK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.packet import Init
    from streamctl.media.rtp.formats import RtpFormat

FIRST_TYPE = 96
"""Payload types from here on mean what the description says."""
ANYWHERE = {4: "0.0.0.0", 6: "::"}


@dataclass(frozen=True, slots=True)
class Described:
    """A track that players are offered."""

    index: int
    """Its number in the description, and half of its channel inside connections."""
    id: int
    """Its number in the epoch."""
    format: RtpFormat
    media: str
    bitrate: int
    ssrc: int | None = None
    """Of its packets, if that is known."""

    def same(self, other: Described) -> bool:
        """Whether who was told the one can play the other."""
        return (
            self.media == other.media
            and self.format.payload_type == other.format.payload_type
            and self.format.encoding == other.format.encoding
            and self.format.clock_rate == other.format.clock_rate
            and self.format.channels == other.format.channels
            # Parameter sets of pictures come with them.
            and (self.media == "video" or parameters(self.format) == parameters(other.format))
        )


def parameters(told: RtpFormat) -> dict[str, object]:
    """What is told of a sound, however it is written.

    Some sources end a configuration of AAC with the words that there is no extension.
    """
    found: dict[str, object] = dict(told.fmtp)
    if told.codec is Codec.AAC and "config" in told.fmtp:
        with suppress(ValueError, ProtocolError):
            found["config"] = AacConfig.parse(bytes.fromhex(told.fmtp["config"]))
    return found


def described(init: Init) -> list[Described]:
    """The tracks that can be sent: pictures first, whatever the order of their source.

    So another source with the same tracks is described in the same way.
    """
    found: list[Described] = []
    for track in sorted(init.tracks, key=lambda track: track.media is not Media.VIDEO):
        index = len(found)
        rtp = format_of(track, FIRST_TYPE + index)
        if rtp is not None:
            found.append(Described(index, track.id, rtp, track.media.value, track.bitrate))
    return found


def alike(tracks: Sequence[Described], others: Sequence[Described]) -> bool:
    """Whether who was told of some tracks can play others."""
    return len(tracks) == len(others) and all(
        one.same(other) for one, other in zip(tracks, others, strict=True)
    )


def describe(tracks: Sequence[Described], title: str, host: str, version: int) -> bytes:
    """The description of live tracks."""
    anywhere = ANYWHERE[6 if ":" in host else 4]
    session = SessionDescription(
        [("tool", "streamctl"), ("type", "broadcast"), ("control", "*"), ("range", "npt=now-")],
        name=title,
        origin=origin(host or anywhere, version, version),
        connection=anywhere,
    )
    session.media = [
        MediaDescription(
            [*track.format.attributes, ("control", f"{TRACK}{track.index}")],
            kind=track.media,
            formats=(str(track.format.payload_type),),
            bandwidth_kbps=track.bitrate // 1000,
        )
        for track in tracks
    ]
    return serialise(session)
