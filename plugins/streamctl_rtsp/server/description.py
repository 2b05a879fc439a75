"""How the tracks of a stream are described to players.

Specifications: RFC 8866, RFC 2326 appendix C.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.sdp import MediaDescription, SessionDescription, origin, serialise
from streamctl_rtsp.wire.control import TRACK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.rtp.announced import Described

ANYWHERE = {4: "0.0.0.0", 6: "::"}


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
