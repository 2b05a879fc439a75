"""Judges logins: by the key of a stream, or by its users; and makes guessing slow.

An action is free unless the stream has a key for it, or users who may do it. A peer who keeps
giving the same wrong login, like a player that was left open, learns nothing by it and harms
nobody behind the same address; one who tries different ones is not heard for a while.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from streamctl.sdk.secret import alike, fits, is_hashed
from streamctl.sdk.session import Action, Refusal, RefusalCode

if TYPE_CHECKING:
    from streamctl.config.model import StreamConfig
    from streamctl.sdk.context import Clock
    from streamctl.sdk.session import Request

WINDOW_S = 60.0
"""From the first wrong login of an address on they are counted so long."""
GUESSERS_MAX = 4096
"""Addresses that are watched; of more, those that began first are forgotten."""
SITE_BITS = 64
"""One site has as many IPv6 addresses as are alike in these bits."""


@dataclass(slots=True)
class Guesser:
    """An address that wrong logins came from."""

    since: float
    seen: set[int] = field(default_factory=set)
    """By a sum of each: one is counted once."""


class Guesses:
    """Wrong logins by address."""

    def __init__(self, clock: Clock, limit: int) -> None:
        self.clock = clock
        self.limit = limit
        self._guessers: OrderedDict[str, Guesser] = OrderedDict()
        self._numbers = count()

    def note(self, request: Request) -> None:
        """A login was wrong."""
        place, now = site(request.ip), self.clock.now()
        guesser = self._guessers.get(place)
        if guesser is None or now - guesser.since > WINDOW_S:
            guesser = self._guessers[place] = Guesser(now)
            self._guessers.move_to_end(place)
            if len(self._guessers) > GUESSERS_MAX:
                self._guessers.popitem(last=False)
        if len(guesser.seen) < self.limit:
            # A proof looks different every time.
            other = 0 if request.proof is None else next(self._numbers)
            login = (request.path, request.key, request.user, request.password, other)
            guesser.seen.add(hash(login))

    def exhausted(self, ip: str) -> bool:
        """Whether an address has to wait; reads only, in any thread."""
        if not self._guessers:
            return False
        guesser = self._guessers.get(site(ip))
        return (
            guesser is not None
            and len(guesser.seen) >= self.limit
            and self.clock.now() - guesser.since <= WINDOW_S
        )

    def refusal(self, config: StreamConfig, request: Request) -> Refusal | None:
        """What a peer hears whose login is not even looked at; None = it is."""
        if not (request.logs_in and guarded(config, request.action) and self.exhausted(request.ip)):
            return None
        return Refusal(RefusalCode.LIMIT, f"too many wrong logins from {request.ip}: wait a minute")


def guarded(config: StreamConfig, action: Action) -> bool:
    """Whether an action needs a login."""
    return key_of(config, action) is not None or any(user.may(action) for user in config.users)


def login(config: StreamConfig, request: Request) -> Refusal | None:
    """Whether a stream's configuration refuses a login, or the lack of one."""
    action = request.action
    key = key_of(config, action)
    users = [user for user in config.users if user.may(action)]
    if key is None and not users:
        return None
    right = False if key is None else knows_key(key, request)
    for user in users:
        # All are compared, so that the time does not tell whose name it is.
        right |= knows_password(user.name, user.password.get_secret_value(), request)
    if right:
        return None
    secrets = [user.password.get_secret_value() for user in users]
    plain = any(map(is_hashed, secrets if key is None else [key, *secrets]))
    wanted = "login" if users else "key"
    if request.logs_in:
        message = f"wrong {wanted} for {action}"
        return Refusal(RefusalCode.UNAUTHORIZED, message, guessed=True, plain=plain)
    return Refusal(RefusalCode.UNAUTHORIZED, f"missing {wanted} for {action}", plain=plain)


def key_of(config: StreamConfig, action: Action) -> str | None:
    """The key for an action."""
    secret = config.publish_key if action is Action.PUBLISH else config.read_key
    return None if secret is None else secret.get_secret_value()


def knows_key(key: str, request: Request) -> bool:
    """Whether a peer gave the key, in whatever place its program has for such things."""
    said = [fits(key, given) for given in (request.key, request.password, request.user)]
    return any(said) or proven(key, request)


def knows_password(name: str, password: str, request: Request) -> bool:
    """Whether a peer is this user."""
    known = fits(password, request.password) | proven(password, request)
    return alike(name, request.user) & known


def proven(secret: str, request: Request) -> bool:
    """Whether a peer knows a secret that it did not say."""
    return request.proof is not None and not is_hashed(secret) and request.proof(secret)


def site(ip: str) -> str:
    """The address as far as it tells who somebody is: of IPv6, the network of the site."""
    if ":" not in ip:
        return ip
    address = ipaddress.IPv6Address(ip.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{int(address) >> (128 - SITE_BITS):x}"
