"""The session description of a push, which its receivers need.

Specification: RFC 8866.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from streamctl.errors import ConfigError
from streamctl.media import sdp
from streamctl.media.sdp import MediaDescription, SessionDescription

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.rtp.announced import Described
    from streamctl.sdk.context import Context

NAME = "streamctl"


def port_of(track: Described, first: int) -> int:
    """Where a track goes, whose reports go to the next port."""
    return first + 2 * track.index


def describe(told: Sequence[Described], host: str, first: int) -> bytes:
    """The description of tracks that are sent to a host, from a port on."""
    session = SessionDescription(
        [("tool", NAME)], name=NAME, origin=sdp.origin(host), connection=host
    )
    session.media = [
        MediaDescription(
            list(track.format.attributes),
            kind=track.media,
            port=port_of(track, first),
            formats=(str(track.format.payload_type),),
            bandwidth_kbps=track.bitrate // 1000,
        )
        for track in told
    ]
    return sdp.serialise(session)


async def write(ctx: Context, url: str, text: bytes) -> None:
    """Write a description to a file, which must lie below the media roots; it appears whole.

    Raises:
        ConfigError: it can't be written.
    """

    def replace() -> None:
        path = ctx.place_file(url)
        new = path.with_name(f"{path.name}.new")
        try:
            new.write_bytes(text)
            new.replace(path)
        except OSError as error:
            raise ConfigError(f"can't write `{path}`: {error.strerror}", key="sdp") from None

    await anyio.to_thread.run_sync(replace)
