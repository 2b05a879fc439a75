"""Signs of life: what keeps a session from timing out.

Some servers count one method only, without a word about which, and RTCP counts with few. So both
methods that change nothing are used, as long as the server knows them.
Specification: RFC 2326 sections 10.8 and 12.37.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import ConnectionFailed
from streamctl_rtsp.wire.message import Method, Status

if TYPE_CHECKING:
    from streamctl.sdk.context import Clock
    from streamctl_rtsp.client.connection import RtspClient

SHARE = 0.4
"""Of the timeout: a sign that is late by a tenth of it is in time still."""
LEAST_S = 0.5
MOST_S = 25.0
"""Address translation forgets connections that are silent for half a minute."""
UNKNOWN = frozenset(
    {
        Status.BAD_REQUEST,
        Status.METHOD_NOT_ALLOWED,
        Status.PARAMETER_NOT_UNDERSTOOD,
        Status.NOT_IMPLEMENTED,
        Status.OPTION_NOT_SUPPORTED,
    }
)
"""What servers say to methods that they don't know, whatever they announced."""


def period(timeout_s: float) -> float:
    """The time between two signs."""
    return min(max(timeout_s * SHARE, LEAST_S), MOST_S)


async def keep_alive(
    client: RtspClient, url: str, timeout_s: float, methods: frozenset[str], clock: Clock
) -> None:
    """Give signs of life for ever.

    Raises:
        ConnectionFailed: the session or the connection is gone.
        RemoteProtocolError: the server broke the protocol.
    """
    signs = [Method.OPTIONS]
    if Method.GET_PARAMETER in methods:
        signs.insert(0, Method.GET_PARAMETER)
    while True:
        await clock.sleep(period(timeout_s))
        for sign in tuple(signs):
            status = await answer(client, sign, url)
            if status == Status.SESSION_NOT_FOUND:
                raise ConnectionFailed(f"`{client.upstream.shown}` has lost the session")
            if status in UNKNOWN and len(signs) > 1:
                signs.remove(sign)


async def answer(client: RtspClient, sign: Method, url: str) -> int:
    """What a server says to a sign of life; 0 = nothing.

    Raises:
        ConnectionFailed: the connection is gone, or the login is refused.
        RemoteProtocolError: the server broke the protocol.
    """
    try:
        return (await client.ask(sign, url)).status
    except ConnectionFailed as error:
        if client.failure is not None or error.permanent:
            raise
        # Media may well go on without answers; that it doesn't is noticed elsewhere.
        return 0
