"""What ``connect`` and its answer say of Enhanced RTMP.

A peer that says nothing may know it all the same (players made of FFmpeg do), so nothing here gates
the codecs that are sent. Only numbered tracks wait for a peer's word, since a reader that doesn't
know them would take them for the default track.

Specification: Enhanced RTMP v2, "Enhancing NetConnection connect Command".
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from streamctl.media.flv_head import CODECS, CODES
from streamctl.media.packet import Media

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamctl.media.packet import Codec


class Capability(enum.IntFlag):
    """Bits of ``capsEx``."""

    RECONNECT = 1
    MULTITRACK = 2
    MOD_EX = 4
    TIMESTAMP_NANO_OFFSET = 8


CAN_FORWARD = 4
"""``FourCcInfoMask`` of a peer that neither encodes nor decodes."""
OURS = Capability.MULTITRACK | Capability.MOD_EX | Capability.TIMESTAMP_NANO_OFFSET
NAMES = frozenset({"fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx"})


def capabilities(properties: Mapping[str, Any]) -> Capability:
    """What a peer's ``capsEx`` says; nothing if it is absent or no number."""
    value = properties.get("capsEx")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**31:
        return Capability(0)
    return Capability(int(value) & 0x0F)


def introduction(ours: Capability = OURS) -> dict[str, Any]:
    """What a peer says of itself, be it a client or a server."""
    return {
        "fourCcList": [code(codec) for codec in sorted(CODECS)],
        "videoFourCcInfoMap": forwarded(Media.VIDEO),
        "audioFourCcInfoMap": forwarded(Media.AUDIO),
        "capsEx": int(ours),
    }


def answer(properties: Mapping[str, Any]) -> dict[str, Any]:
    """What the server says of itself to a peer that speaks of Enhanced RTMP; else nothing."""
    return {} if NAMES.isdisjoint(properties) else introduction()


def forwarded(media: Media) -> dict[str, int]:
    """The codecs of a medium that pass through, by FourCC."""
    return {code(codec): CAN_FORWARD for codec in sorted(CODECS) if codec.media is media}


def code(codec: Codec) -> str:
    """The FourCC of a codec as text."""
    return CODES[codec].decode("ascii")
