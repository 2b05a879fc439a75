"""The tracks of a stream as they are sent by RTP, and whether others can take their place.

Specification: RFC 3551, section 3 (dynamic payload types).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError, Unsupported
from streamctl.media.aac import AacConfig
from streamctl.media.codecs import TITLES
from streamctl.media.packet import Codec, Media
from streamctl.media.rtp.formats import format_of
from streamctl.media.rtp.payloads import CODECS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.packet import Init
    from streamctl.media.rtp.formats import RtpFormat

FIRST_TYPE = 96
"""Payload types from here on mean what the description says."""


@dataclass(frozen=True, slots=True)
class Described:
    """A track that receivers are offered."""

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


def unknown(init: Init) -> bool:
    """Whether a track has yet to tell its configuration, as sound does that comes late."""
    return any(
        track.codec in CODECS and not track.config and format_of(track, FIRST_TYPE) is None
        for track in init.tracks
    )


def alike(tracks: Sequence[Described], others: Sequence[Described]) -> bool:
    """Whether who was told of some tracks can play others."""
    return len(tracks) == len(others) and all(
        one.same(other) for one, other in zip(tracks, others, strict=True)
    )


def left_out(init: Init, told: Sequence[Described]) -> str:
    """Names of the tracks of a stream that are not among those that are sent; empty = none.

    Raises:
        Unsupported: nothing of what the stream shows is sent.
    """
    sent = {one.id for one in told}
    shown = [track for track in init.tracks if track.media is Media.VIDEO] or init.tracks
    if shown and not any(track.id in sent for track in shown):
        raise Unsupported(f"RTP can't carry {TITLES[shown[0].codec]}")
    missing = [track for track in init.tracks if track.id not in sent]
    return ", ".join(TITLES.get(track.codec, str(track.codec)) for track in missing)
