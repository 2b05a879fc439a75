"""Lanes as plugins see them: cursors, readers, the fan-out and the epoch writer.

The implementations live in ``streamctl.engine``; everything here is synchronous and belongs
to the loop thread, except :meth:`Cursor.wait`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from streamctl.media.packet import Chunk, Init, Item, Packet, Skipped, Track
    from streamctl.sdk.session import Session

    Greeting = Callable[[Chunk], bytes]
    """What a viewer gets before the chunk that it lands at."""


class Wire(Protocol):
    """The sending side of one connection, owned by ``streamctl.net``."""

    def write(self, data: bytes | memoryview) -> None:
        """Send without waiting; may call the peer's ``paused`` before it returns."""

    def unsent(self) -> int:
        """Bytes accepted by :meth:`write` that the peer's kernel has not acknowledged."""

    def set_send_buffer(self, size: int) -> None:
        """Ask the kernel for a send buffer of ``size`` bytes, within the bounds that make sense."""

    def read_least(self, size: int) -> None:
        """Ask to hear of arriving bytes only once there are ``size``, or some have waited long.

        A read costs the same, however little it brings. 1 = at once.
        """

    def call_again(self) -> None:
        """Hear nothing more in this turn of the loop, but in the next one, with no bytes at first.

        For a peer whose bytes mean so much work that others should have their turn before.
        """

    def close(self, reason: str) -> None:
        """Flush what was written, then close; never raises, may be called twice."""

    def abort(self, reason: str) -> None:
        """Close at once, dropping what was not sent."""


class Cursor(Protocol):
    """A reading position in one lane."""

    def join(self) -> Init:
        """Move to the newest random-access point.

        Raises:
            NotReady: the lane holds none yet.
        """

    def take(self, max_bytes: int = 262_144) -> list[Item]:
        """The next items, at most about ``max_bytes`` of payload; ``[]`` at the head.

        A :class:`~streamctl.media.packet.Skipped` comes first when the cursor had fallen off
        the tail and was moved to the newest random-access point.
        """

    def skip(self) -> Skipped:
        """Move on to the newest random-access point, if it lies ahead; what was lost."""

    def at_head(self) -> bool:
        """Whether nothing is left to take."""

    async def wait(self) -> None:
        """Return when there is something to take.

        Raises:
            NotReady: the lane was closed.
        """

    def close(self) -> None:
        """Give the position up; the lane may stop when its last reader has left."""


class FanOut(Protocol):
    """The tight loop that sends one byte lane to every viewer.

    A viewer at the head gets one joined ``bytes`` object per flush, shared with all others. A
    viewer whose wire is full is parked and served from the ring when its wire drains.
    """

    def add(
        self, cursor: Cursor, wire: Wire, session: Session, greet: Greeting | None = None
    ) -> None:
        """Join the viewer now, or at the first random-access point to come.

        ``greet`` makes what this viewer gets first there, and wherever it lands after a skip; by
        default it is the chunk's ``join``.
        """

    def remove(self, session: Session) -> None:
        """Forget the viewer; unknown sessions are ignored."""

    def park(self, session: Session) -> None:
        """Stop writing to the viewer (its wire called ``paused``)."""

    def serve(self, session: Session) -> None:
        """Go on writing to the viewer (its wire called ``resumed``)."""

    def units(self, session: Session) -> int:
        """The units of all chunks that were written to the viewer; 0 = it is unknown."""

    def bytes_per_second(self) -> float:
        """Average rate of what the lane holds; 0 = unknown."""


class Reader(Protocol):
    """A synchronous consumer of a lane: a converter, a segmenter, a recorder."""

    def feed(self, items: Sequence[Item]) -> None:
        """Take the items of one write, in order; an exception ends this reader only."""


class Attachment(Protocol):
    """The registration of a reader at a lane."""

    def detach(self) -> None:
        """Stop feeding the reader; may be called twice."""


class EpochWriter(Protocol):
    """The only way into a stream: one uninterrupted run of one input.

    Every method raises :class:`~streamctl.errors.StaleEpoch` once the epoch has ended.
    """

    def tracks(self, tracks: Sequence[Track]) -> None:
        """Announce the tracks; again when a config becomes known or changes.

        Packets are held until every announced track has its config, at most 3 s.
        """

    def put(self, packets: list[Packet], now: float) -> None:
        """Write access units in decode order; timestamps are the source's own, unwrapped.

        The packets belong to the stream afterwards and are modified in place.
        """

    def select(self, program: int | None = None, pids: Collection[int] = ()) -> None:
        """Choose, before the first bytes, what of MPEG-TS is taken.

        Without a program the first one with media; without PIDs every stream of it.
        """

    def put_ts(self, data: bytes | bytearray | memoryview, now: float) -> None:
        """Write MPEG-TS bytes of any alignment, which are copied where they have to stay.

        The first call of this or of :meth:`tracks` decides what the epoch takes.

        Raises:
            Unsupported: this epoch takes access units.
        """

    def drop(self, count: int) -> None:
        """Count units of the source that could not be made into packets."""

    def discontinuity(self, reason: str) -> None:
        """Say that timestamps or content jump here although the input goes on."""
