"""Logins: Basic (RFC 7617) and Digest (RFC 7616, and RFC 2069 for old clients), both sides.

A server gives a connection a nonce of its own, so that nothing heard on one opens another. Digest
is offered without ``qop``, as cameras and players expect it from each other; a client may be asked
for either form.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PARAMETER = re.compile(
    r'(?<![A-Za-z0-9_-])([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))'
)
"""A name is looked at from its beginning alone: a long one without a value would cost seconds."""
SCHEME = re.compile(r"\s*([A-Za-z]+)(?:\s+|$)")
ESCAPED = re.compile(r"\\(.)")
MAX_FIELD_BYTES = 8_192
"""Of one header: logins have some hundred."""
HASHES = {"MD5": "md5", "SHA-256": "sha256"}
COUNT = "00000001"
"""A nonce is counted from the start for each request, with another number of the client."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a server wants to see."""

    scheme: str
    """``Basic`` or ``Digest``."""
    realm: str = ""
    nonce: str = ""
    algorithm: str = "MD5"
    opaque: str = ""
    qop: bool = False
    """The server wants ``qop=auth``."""
    stale: bool = False
    """The login was right, but its nonce is used up."""

    def serialize(self) -> str:
        """The value of a ``WWW-Authenticate`` header."""
        text = f'{self.scheme} realm="{quoted(self.realm)}"'
        if self.scheme == "Digest":
            text += f', nonce="{quoted(self.nonce)}"'
            # Old clients know no other, and stumble over its name.
            text += f", algorithm={self.algorithm}" if self.algorithm != "MD5" else ""
            text += ', qop="auth"' if self.qop else ""
            text += f', opaque="{quoted(self.opaque)}"' if self.opaque else ""
            text += ', stale="TRUE"' if self.stale else ""
        return text


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What a client said to prove who it is."""

    user: str = ""
    password: str = ""
    """Empty with Digest, which keeps it."""
    proof: Callable[[str], bool] | None = None
    """Whether a password is the one that a Digest was made with."""


@dataclass(frozen=True, slots=True, repr=False)
class Login:
    """Who a client says it is."""

    user: str
    password: str

    def authorize(self, challenge: Challenge, method: str, url: str, cnonce: str) -> str:
        """The value of an ``Authorization`` header for one request.

        ``cnonce`` is a random text, used where the server wants ``qop``.
        """
        if challenge.scheme == "Basic":
            return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        values = {
            "username": self.user,
            "realm": challenge.realm,
            "nonce": challenge.nonce,
            "uri": url,
        }
        if challenge.qop:
            values |= {"cnonce": cnonce, "nc": COUNT, "qop": "auth"}
        if challenge.algorithm != "MD5":
            values["algorithm"] = challenge.algorithm
        values["response"] = digest(values, self.password, method)
        if challenge.opaque:
            values["opaque"] = challenge.opaque
        bare = {"algorithm", "nc", "qop"}
        return "Digest " + ", ".join(
            f"{name}={value}" if name in bare else f'{name}="{quoted(value)}"'
            for name, value in values.items()
        )


def parse_challenges(fields: Iterable[str]) -> list[Challenge]:
    """What the ``WWW-Authenticate`` headers of a response want, the strongest first.

    Challenges of other kinds, or with an unknown algorithm, are left out.
    """
    found = []
    for field in fields:
        scheme = SCHEME.match(field[:MAX_FIELD_BYTES])
        if scheme is None:
            continue
        values = parameters(field[scheme.end() : MAX_FIELD_BYTES])
        name = scheme[1].title()
        algorithm = values.get("algorithm", "MD5").upper()
        qops = {qop.strip().lower() for qop in values.get("qop", "").split(",")} - {""}
        if name == "Basic":
            found.append(Challenge("Basic", values.get("realm", "")))
        elif name == "Digest" and algorithm in HASHES and (not qops or "auth" in qops):
            found.append(
                Challenge(
                    "Digest",
                    values.get("realm", ""),
                    values.get("nonce", ""),
                    algorithm,
                    values.get("opaque", ""),
                    bool(qops),
                    values.get("stale", "").lower() == "true",
                )
            )
    return sorted(found, key=strength, reverse=True)


def strength(challenge: Challenge) -> int:
    """How little a login tells who listens in."""
    return 0 if challenge.scheme == "Basic" else list(HASHES).index(challenge.algorithm) + 1


def parse_credentials(field: str, method: str, url: str, nonce: str, realm: str) -> Credentials:
    """What an ``Authorization`` header says, judged as far as that can be done without a secret.

    Whatever can't be a right login is an empty one.
    """
    scheme = SCHEME.match(field)
    if scheme is None or len(field) > MAX_FIELD_BYTES:
        return Credentials()
    rest = field[scheme.end() :]
    if scheme[1].lower() == "basic":
        return basic(rest)
    if scheme[1].lower() != "digest":
        return Credentials()
    values = parameters(rest)
    algorithm = values.get("algorithm", "MD5").upper()
    right = (
        hmac.compare_digest(values.get("nonce", "").encode(), nonce.encode())
        and values.get("realm", realm) == realm
        and algorithm in HASHES
        and same_place(values.get("uri", ""), url)
    )
    if not right:
        return Credentials(values.get("username", ""))

    def proof(password: str) -> bool:
        wanted = digest(values | {"realm": realm}, password, method)
        return hmac.compare_digest(wanted.encode(), values.get("response", "").lower().encode())

    return Credentials(values.get("username", ""), proof=proof)


def basic(text: str) -> Credentials:
    """The login in the clear."""
    try:
        plain = base64.b64decode(text.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return Credentials()
    user, _, password = plain.partition(":")
    return Credentials(user, password)


def digest(values: dict[str, str], password: str, method: str) -> str:
    """The response to a challenge (RFC 7616 section 3.4.1)."""
    name = HASHES[values.get("algorithm", "MD5").upper()]
    who = hashed(name, f"{values.get('username', '')}:{values.get('realm', '')}:{password}")
    what = hashed(name, f"{method}:{values.get('uri', '')}")
    between = values.get("nonce", "")
    if "qop" in values:
        between += f":{values.get('nc', '')}:{values.get('cnonce', '')}:{values['qop']}"
    return hashed(name, f"{who}:{between}:{what}")


def hashed(name: str, text: str) -> str:
    """A sum in hexadecimal."""
    return hashlib.new(name, text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def parameters(text: str) -> dict[str, str]:
    """The parameters of a login or a challenge, names in lower case."""
    found: dict[str, str] = {}
    for name, held, bare in PARAMETER.findall(text):
        found.setdefault(name.lower(), ESCAPED.sub(r"\1", held) if held else bare)
    return found


def same_place(given: str, url: str) -> bool:
    """Whether one URL lies at or below the other, as clients sign either a stream or its track."""
    first, second = place(given), place(url)
    return first.startswith(second) or second.startswith(first)


def place(url: str) -> str:
    """The path of a URL."""
    if url == "*":
        return ""
    try:
        return unquote(urlsplit(url).path).rstrip("/")
    except ValueError:
        return url


def quoted(text: str) -> str:
    """A text as it stands in quotation marks."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
