"""Fetches what playlists name: playlists, segments, keys and initialization sections.

What fails is asked for again a few times with growing pauses; what asking again can't help is not.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

from anyio import to_thread

from streamctl.errors import (
    ConnectionFailed,
    MediaError,
    ProtocolError,
    RemoteProtocolError,
    StreamctlError,
)
from streamctl.net.http_client import Refused
from streamctl.net.http_session import Wish
from streamctl_hls.crypt import METHOD, decrypted, vector
from streamctl_hls.wire.playlist import MAX_BYTES, parse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from streamctl.net.http_session import Answer, HttpSession
    from streamctl.net.http_target import Target
    from streamctl.sdk.context import Clock
    from streamctl_hls.wire.follow import Piece
    from streamctl_hls.wire.playlist import Key, Map, MediaPlaylist, Multivariant, Resource

    T = TypeVar("T")

PLAYLIST_TRIES = 5
SEGMENT_TRIES = 3
FIRST_PAUSE_S = 0.5
"""Doubled with each attempt."""
PLAYLIST_S = 15.0
SEGMENT_S = 60.0
"""What slow servers need for a long segment; who is slower than the media plays can't be helped."""
MAX_SEGMENT_BYTES = 256 << 20
"""Ten seconds at 200 Mbit/s; held in memory until they have been played."""
MAX_KEY_BYTES = 4096
"""A key has 16; what is larger is a page that says no."""
KEPT_KEYS = 16
KEPT_MAPS = 16
"""Some alternate between advertisements and programme."""
MAX_MAP_BYTES = 1 << 20
"""Initialization sections have a few kilobytes."""
THREAD_BYTES = 65_536
"""Larger playlists take more than some milliseconds, and are read in a thread."""


class Loader:
    """Fetches for one input."""

    def __init__(self, session: HttpSession, home: Target, clock: Clock) -> None:
        self.session = session
        self.home = home
        """The configured address, whose login and headers other addresses there get too."""
        self.clock = clock
        self.variables: Mapping[str, str] | None = None
        """What playlists may import from the multivariant one; None = there is none."""
        self._keys: OrderedDict[str, bytes] = OrderedDict()
        self._maps: OrderedDict[Map, bytes] = OrderedDict()

    async def playlist(
        self, url: str, *, first: bool = False, timeout_s: float = PLAYLIST_S
    ) -> tuple[MediaPlaylist | Multivariant, str]:
        """A playlist, and where it came from in the end; the ``first`` one has to be there.

        Raises:
            ConnectionFailed: it can't be fetched.
            ProtocolError: it can't be read.
        """

        async def attempt() -> tuple[MediaPlaylist | Multivariant, str]:
            wish = Wish(self._target(url), MAX_BYTES, packed=True, timeout_s=timeout_s)
            answer = await self.session.get(wish)
            place = answer.target.url
            try:
                if len(answer.body) < THREAD_BYTES:
                    return parse(answer.body, place, self.variables), place
                return await to_thread.run_sync(parse, answer.body, place, self.variables), place
            except ProtocolError as error:
                raise type(error)(f"`{answer.target.shown}`: {error}") from None

        try:
            return await self._tried(attempt, 1 if first else PLAYLIST_TRIES)
        except StreamctlError as error:
            if first and (isinstance(error, ProtocolError) or gone(error)):
                error.permanent = True
            raise

    async def piece(self, piece: Piece) -> bytes:
        """The media of a segment or part.

        Raises:
            StreamctlError: it can't be fetched or decrypted.
        """
        assert piece.at is not None
        at = piece.at

        async def attempt() -> bytes:
            secret = await self._secret(piece.key)
            data = await self._resource(at, MAX_SEGMENT_BYTES)
            return await self._plain(data, secret, piece.key, piece.sequence)

        return await self._tried(attempt, SEGMENT_TRIES)

    async def hint(self, at: Resource) -> bytes:
        """A part that is about to come.

        Raises:
            StreamctlError: it does not.
        """
        return await self._resource(at, MAX_SEGMENT_BYTES)

    async def map(self, section: Map, sequence: int) -> bytes:
        """An initialization section.

        Raises:
            StreamctlError: it can't be fetched or decrypted.
        """
        if section not in self._maps:

            async def attempt() -> bytes:
                secret = await self._secret(section.key)
                data = await self._resource(section.at, MAX_MAP_BYTES)
                return await self._plain(data, secret, section.key, sequence)

            self._maps[section] = await self._tried(attempt, SEGMENT_TRIES)
            if len(self._maps) > KEPT_MAPS:
                self._maps.popitem(last=False)
        return self._maps[section]

    async def _secret(self, key: Key | None) -> bytes:
        """The secret of a key; empty for none.

        Raises:
            MediaError: no key can help, as the encryption is of another kind.
            StreamctlError: it can't be fetched.
        """
        if key is None:
            return b""
        if key.method != METHOD:
            raise MediaError(f"encrypted with `{key.method}`, which can't be read", permanent=True)
        if key.url not in self._keys:
            wish = Wish(self._target(key.url), MAX_KEY_BYTES, timeout_s=PLAYLIST_S)
            self._keys[key.url] = (await self.session.get(wish)).body
            if len(self._keys) > KEPT_KEYS:
                self._keys.popitem(last=False)
        return self._keys[key.url]

    async def _plain(self, data: bytes, secret: bytes, key: Key | None, sequence: int) -> bytes:
        """Bytes as they were before they were encrypted."""
        if key is None:
            return data
        try:
            return await to_thread.run_sync(decrypted, data, secret, vector(key.iv, sequence))
        except RemoteProtocolError:
            # There may be another one behind the same address by now.
            self._keys.pop(key.url, None)
            raise

    async def _resource(self, at: Resource, most: int) -> bytes:
        span = (at.span.start, at.span.length) if at.span else None
        if span and span[1] > most:
            raise ConnectionFailed(f"a byte range of {span[1]} bytes is too long")
        wish = Wish(self._target(at.url), most, span=span, timeout_s=SEGMENT_S)
        answer: Answer = await self.session.get(wish)
        return answer.body

    def shown(self, url: str) -> str:
        """An address for messages."""
        return self._target(url).shown

    def _target(self, url: str) -> Target:
        """An address, with what its server may know of us."""
        return self.home.linked(url)

    async def _tried(self, attempt: Callable[[], Awaitable[T]], tries: int) -> T:
        """What an attempt brings, after some that brought nothing."""
        pause_s = FIRST_PAUSE_S
        for left in range(tries - 1, -1, -1):
            try:
                return await attempt()
            except StreamctlError as error:
                if error.permanent or not left:
                    raise
            await self.clock.sleep(pause_s)
            pause_s *= 2
        raise AssertionError("unreachable")


def gone(error: StreamctlError) -> bool:
    """Whether a server says that there is no such thing."""
    return isinstance(error, Refused) and error.status in {404, 410}
