"""The two logins that RTMP servers ask publishers for, in the query of the application.

The server refuses ``connect`` with a description that names the method; the client connects again
with its user, is refused with a challenge, and connects a third time with the answer. Neither
method is published: this is what the encoders do that pass (FFmpeg, librtmp, Wirecast).

* ``adobe`` (Flash Media Server, Wowza): MD5 of salted password and challenges, in base64.
* ``llnw`` (Limelight): HTTP Digest (RFC 2617) with a fixed realm, method and counter.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamctl_rtmp.wire.handshake import Random

METHOD = re.compile(r"authmod=(adobe|llnw)\b")
NEEDS_USER = "code=403 need auth"
PARAMETER = re.compile(r"[?&](\w+)=([^&\s\]]*)")
REASONS = {
    "authfailed": "the user or the password is wrong",
    "nosuchuser": "no such user",
}
COUNT = "00000001"
REALM = "live"
INSTANCE = "_definst_"
"""The instance of an application that names none."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who connects."""

    user: str
    password: str


class LoginRefused(Exception):
    """The server wants a login that can't be given, or refused the one that was."""


def next_query(description: str, app: str, login: Login, random: Random) -> str:
    """The query for the next ``connect`` after a refusal; empty if it is about something else.

    Raises:
        LoginRefused: no user is known, or the server refused it.
    """
    method = METHOD.search(description)
    if method is None:
        return ""
    if not login.user:
        raise LoginRefused("it wants a user and a password: `rtmp://USER:PASSWORD@HOST/…`")
    given = dict(PARAMETER.findall(description))
    reason = given.get("reason", "")
    if reason in REASONS:
        raise LoginRefused(REASONS[reason])
    start = f"authmod={method[1]}&user={quote(login.user, safe='')}"
    if reason != "needauth":
        return start if NEEDS_USER in description else ""
    challenge = random(4).hex()
    if method[1] == "adobe":
        return f"{start}&{adobe(given, login, challenge)}"
    return f"{start}&{llnw(given, login, challenge, app)}"


def adobe(given: Mapping[str, str], login: Login, challenge: str) -> str:
    """The answer to a challenge of the method ``adobe``."""
    opaque = given.get("opaque", "")
    asked = opaque or given.get("challenge", "")
    who = login.user, login.password
    response = adobe_response(who, given.get("salt", ""), asked, challenge)
    tail = f"&opaque={opaque}" if opaque else ""
    return f"challenge={challenge}&response={response}{tail}"


def adobe_response(who: tuple[str, str], salt: str, asked: str, challenge: str) -> str:
    """What proves a user and a password: to the server's challenge and the client's own."""
    user, password = who
    return b64_md5(b64_md5(user + salt + password) + asked + challenge)


def llnw(given: Mapping[str, str], login: Login, challenge: str, app: str) -> str:
    """The answer to a challenge of the method ``llnw``."""
    nonce = given.get("nonce", "")
    path = app if "/" in app else f"{app}/{INSTANCE}"
    who = hex_md5(f"{login.user}:{REALM}:{login.password}")
    what = hex_md5(f"publish:/{path}")
    response = hex_md5(f"{who}:{nonce}:{COUNT}:{challenge}:auth:{what}")
    return f"nonce={nonce}&cnonce={challenge}&nc={COUNT}&response={response}"


def b64_md5(text: str) -> str:
    """An MD5 sum in base64."""
    return base64.b64encode(md5(text).digest()).decode()


def hex_md5(text: str) -> str:
    """An MD5 sum in hexadecimal."""
    return md5(text).hexdigest()


def md5(text: str) -> hashlib._Hash:
    """MD5, which these methods prescribe."""
    return hashlib.md5(text.encode(), usedforsecurity=False)
