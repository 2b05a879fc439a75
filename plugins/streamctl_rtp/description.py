"""Session descriptions in files: which tracks come, where, and how their senders are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from streamctl.errors import ConfigError, ProtocolError
from streamctl.media import sdp
from streamctl.media.rtp.formats import format_in
from streamctl_rtp.wire.intake import Described, readable

if TYPE_CHECKING:
    from pathlib import Path

    from streamctl.media.sdp import MediaDescription, SessionDescription
    from streamctl.sdk.context import Context


async def read(ctx: Context, url: str) -> SessionDescription:
    """The description in a file, which must lie below the media roots.

    Raises:
        ConfigError: it can't be read, or is none.
    """
    path: Path = await anyio.to_thread.run_sync(ctx.resolve_file, url)
    try:
        async with await anyio.open_file(path, "rb") as file:
            return sdp.parse(await file.read(sdp.MAX_BYTES + 1))
    except OSError as error:
        raise ConfigError(f"can't read `{path}`: {error.strerror}", key="sdp") from None
    except ProtocolError as error:
        raise ConfigError(f"`{path}`: {error.message}", key="sdp") from None


def tracks(session: SessionDescription, port: int) -> list[Described]:
    """The tracks that can be read; those whose port is not told come in on ``port``.

    Raises:
        ConfigError: there are none.
    """
    found = []
    for media in session.media:
        described = track(media, media.port or port)
        if described is not None and media.protocol.startswith("RTP/"):
            found.append(described)
    if not found:
        raise ConfigError("the session description has no RTP media that can be read", key="sdp")
    return found


def track(media: MediaDescription, port: int) -> Described | None:
    """What one section describes: the first of its payload types that can be read."""
    for payload_type in media.payload_types:
        rtp = format_in(media, payload_type)
        if rtp is not None and readable(rtp):
            feedback = {word for line in media.values("rtcp-fb") for word in line.lower().split()}
            return Described(rtp, port, full_intra="fir" in feedback and "pli" not in feedback)
    return None


def host(session: SessionDescription) -> str:
    """The multicast group that a description names; empty if it names none.

    A host is the sender's word for the receiver, which knows its own address better.
    """
    places = [session.connection, *(media.connection for media in session.media)]
    return next((one for one in places if is_group(one)), "")


def is_group(text: str) -> bool:
    """Whether a host is a multicast group."""
    first = text.partition(".")[0]
    return (text.lower().startswith("ff") and ":" in text) or (
        first.isdecimal() and 224 <= int(first) <= 239
    )
