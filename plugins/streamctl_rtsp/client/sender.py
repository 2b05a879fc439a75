"""Sends the media of a push: inside the connection as fast as it is taken, over UDP evenly.

The packets of a large picture that leave at once overrun the queues of switches, so over UDP they
leave in groups, spread over half of the time until the next picture. What has collected before we
came leaves twice as fast as it plays.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from streamctl.errors import NotReady
from streamctl.media.packet import TIMESCALE, Boundary, Init, InitChange, Packet, Skipped
from streamctl_rtsp.client.keep_alive import period
from streamctl.media.rtp.publication import Publication, SentTrack
from streamctl_rtsp.wire.message import Method

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.packet import Item
    from streamctl.sdk.context import Context, Timer
    from streamctl.sdk.lane import Cursor
    from streamctl_rtsp.client.announcement import Announcement
    from streamctl_rtsp.client.carriage import Carriage
    from streamctl_rtsp.client.connection import RtspClient

GROUP = 8
"""Datagrams that leave together."""
LONGEST_S = 0.25
"""A picture is not spread over more, however long it stands."""


class Sender:
    """Sends one announced set of tracks."""

    def __init__(
        self, announcement: Announcement, client: RtspClient, carriage: Carriage, ctx: Context
    ) -> None:
        """Begin with the session.

        Raises:
            RemoteProtocolError: a configuration can't be read.
        """
        self.announcement = announcement
        self.client = client
        self.carriage = carriage
        self.clock = ctx.clock
        pairs = zip(announcement.told, announcement.tracks, strict=True)
        tracks = {
            track.id: SentTrack(number, told.format, track, secrets.randbits)
            for number, (told, track) in enumerate(pairs)
        }
        self.publication = Publication(tracks, ctx.clock.wall())
        self._interleaved = carriage.kind == "tcp"
        self._datagram_bytes = 0
        self._newest: dict[int, int] = {}
        """The newest unit's time, by track."""
        self._stale = False
        self._timer: Timer | None = None
        self._sign()

    @property
    def bytes_sent(self) -> int:
        """Bytes of media that were written."""
        return self.client.bytes_sent + self._datagram_bytes

    async def run(self, cursor: Cursor) -> bool:
        """Send until the lane is closed, or the announcement is no longer true; whether it is."""
        while not self._stale:
            if cursor.at_head():
                try:
                    await cursor.wait()
                except NotReady:
                    return True
            items = cursor.take()
            if any(isinstance(item, Skipped) for item in items):
                items = self._again(cursor)
            if self._interleaved:
                await self._write(items)
            else:
                await self._send(items)
        return False

    def stop(self) -> None:
        """Give no more signs of life."""
        if self._timer is not None:
            self._timer.cancel()

    def _again(self, cursor: Cursor) -> list[Item]:
        """Go on at the newest random-access point; before it there may be other tracks."""
        try:
            self._use(cursor.join())
        except NotReady:
            return []
        return [] if self._stale else cursor.take()

    def _use(self, init: Init) -> None:
        if self.announcement.holds(init):
            self.publication.configure(init.tracks)
        else:
            self._stale = True

    def _known(self, item: Item) -> Packet | None:
        """A unit that can be sent; changes are taken in on the way."""
        if isinstance(item, (Boundary, InitChange)):
            self._use(item.init)
        elif isinstance(item, Packet) and item.track in self.publication.tracks:
            return None if self._stale else item
        return None

    async def _write(self, items: Sequence[Item]) -> None:
        """Send inside the connection."""
        parts: list[bytes] = []
        channel = self.carriage.channel
        for item in items:
            packet = self._known(item)
            if packet is None:
                continue
            for sent, report in self.publication.reports(packet):
                parts += framed(channel(sent.number, control=True), report)
            sent = self.publication.tracks[packet.track]
            media = channel(sent.number)
            for data in sent.pack(packet):
                parts += framed(media, data)
        if parts:
            self.client.write_frames(b"".join(parts))
            await self.client.writable()

    async def _send(self, items: Sequence[Item]) -> None:
        """Send over UDP."""
        carriage = self.carriage
        for item in items:
            packet = self._known(item)
            if packet is None:
                continue
            for sent, report in self.publication.reports(packet):
                carriage.report(sent.number, report)
            sent = self.publication.tracks[packet.track]
            datagrams = sent.pack(packet)
            pause_s = self._pause(packet, len(datagrams))
            for at, data in enumerate(datagrams):
                if at % GROUP == 0 and at:
                    await self.clock.sleep(pause_s)
                carriage.send(sent.number, data)
                self._datagram_bytes += len(data)

    def _pause(self, packet: Packet, count: int) -> float:
        """The time between two groups of a unit's datagrams."""
        step = packet.dts - self._newest.get(packet.track, packet.dts)
        self._newest[packet.track] = packet.dts
        return min(max(step, 0) / TIMESCALE / 2, LONGEST_S) / -(-count // GROUP)

    def _sign(self) -> None:
        """Show that we are there: servers should see it by the media, and not all do."""
        self._timer = self.clock.call_later(period(self.carriage.timeout_s), self._again_sign)

    def _again_sign(self) -> None:
        self.client.say(Method.OPTIONS, self.client.upstream.url)
        self._sign()


def framed(channel: int, data: bytes) -> tuple[bytes, bytes]:
    """A packet as it stands inside a connection (RFC 2326 section 10.12)."""
    return b"$" + bytes((channel,)) + len(data).to_bytes(2, "big"), data
