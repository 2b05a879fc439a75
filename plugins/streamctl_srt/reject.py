"""Why SRT connections are refused: our reasons as codes, and the codes of others as sentences.

Codes below 1000 are libsrt's own, those from 1000 on come from the peer's program: the SRT Access
Control guidelines count them like those of HTTP.
"""

from __future__ import annotations

from streamctl.sdk.session import RefusalCode

BAD_REQUEST = 1400
INTERNAL = 1500
CODES = {
    RefusalCode.BAD_REQUEST: BAD_REQUEST,
    RefusalCode.NOT_FOUND: 1404,
    RefusalCode.UNAUTHORIZED: 1401,
    RefusalCode.FORBIDDEN: 1403,
    RefusalCode.BUSY: 1409,
    RefusalCode.LIMIT: 1402,
    RefusalCode.DISABLED: 1423,
    RefusalCode.UNSUPPORTED: 1406,
    RefusalCode.SHUTDOWN: 1503,
}
GONE = "the peer closed the connection or fell silent"
TEXTS = {
    # Nobody refused: it came about, and was over before it was looked at.
    0: GONE,
    1: "the system refused a socket",
    2: "refused by the peer",
    3: "the peer has no room for it",
    4: "the peer's handshake makes no sense",
    5: "too many handshakes wait at the peer",
    8: "the peer's SRT is too old",
    10: "wrong passphrase",
    11: "one side has a passphrase, the other has none",
    12: "the peer sends messages of another kind",
    13: "the peer has another congestion control",
    14: "the peer has another packet filter",
    16: "no answer",
    17: "the peer has another cipher",
    1000: "refused by the peer",
    1001: "the peer does not know a key of the stream id",
    1002: "the peer can't take the path of the stream id",
    1003: "the peer does not know the host of the stream id",
    1400: "the peer can't read the stream id",
    1401: "not authorised: a key or password is missing or wrong",
    1402: "the peer is full",
    1403: "forbidden",
    1404: "no such stream",
    1405: "the peer does not do this: publishing or playing",
    1406: "the stream is not served over SRT",
    1409: "the stream already has a publisher",
    1423: "the stream is switched off",
    1500: "an error inside the peer",
    1503: "the peer is shutting down",
}


def reason_text(code: int) -> str:
    """A reason in words."""
    return TEXTS.get(code) or f"refused by the peer with code {code}"
