"""Makes guessing slow: counts the different wrong logins of an address, and when it has to wait.

A peer who keeps giving the same wrong login, like a player that was left open, learns nothing by it
and harms nobody behind the same address; one who tries different ones is not heard for a while.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

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

    def __init__(self, now: Callable[[], float], limit: int) -> None:
        self.now = now
        self.limit = limit
        """Different ones within :data:`WINDOW_S`, after which an address has to wait."""
        self._guessers: OrderedDict[str, Guesser] = OrderedDict()

    def note(self, ip: str, guess: Hashable) -> None:
        """A login was wrong."""
        place, now = site(ip), self.now()
        guesser = self._guessers.get(place)
        if guesser is None or now - guesser.since > WINDOW_S:
            guesser = self._guessers[place] = Guesser(now)
            self._guessers.move_to_end(place)
            if len(self._guessers) > GUESSERS_MAX:
                self._guessers.popitem(last=False)
        if len(guesser.seen) < self.limit:
            guesser.seen.add(hash(guess))

    def exhausted(self, ip: str) -> bool:
        """Whether an address has to wait; reads only, in any thread."""
        if not self._guessers:
            return False
        guesser = self._guessers.get(site(ip))
        return (
            guesser is not None
            and len(guesser.seen) >= self.limit
            and self.now() - guesser.since <= WINDOW_S
        )


def site(ip: str) -> str:
    """The address as far as it tells who somebody is: of IPv6, the network of the site."""
    if ":" not in ip:
        return ip
    address = ipaddress.IPv6Address(ip.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{int(address) >> (128 - SITE_BITS):x}"
