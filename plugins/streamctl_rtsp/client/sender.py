"""Sends the media of a push, inside the connection or over UDP, as it is played."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.packet import Init
from streamctl.media.rtp.publication import Publication
from streamctl.net.paced_rtp import PacedRtp
from streamctl_rtsp.client.keep_alive import period
from streamctl_rtsp.wire.message import Method

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.rtp.publication import Datagram
    from streamctl.sdk.context import Context, Timer
    from streamctl.sdk.lane import Cursor
    from streamctl_rtsp.client.announcement import Announcement
    from streamctl_rtsp.client.carriage import Carriage
    from streamctl_rtsp.client.connection import RtspClient


class Sender:
    """Sends one announced set of tracks."""

    def __init__(
        self, announcement: Announcement, client: RtspClient, carriage: Carriage, ctx: Context
    ) -> None:
        """Begin with the session.

        Raises:
            RemoteProtocolError: a configuration can't be read.
        """
        self.client = client
        self.carriage = carriage
        self.clock = ctx.clock
        init = Init(0, 0, announcement.tracks)
        self.publication = Publication(announcement.told, init, ctx.clock.wall())
        self._datagram_bytes = 0
        self._timer: Timer | None = None
        self._sign()

    @property
    def bytes_sent(self) -> int:
        """Bytes of media that were written."""
        return self.client.bytes_sent + self._datagram_bytes

    async def run(self, cursor: Cursor) -> bool:
        """Send until the lane is closed, or the announcement is no longer true; whether it is.

        Raises:
            RemoteProtocolError: a configuration can't be read.
        """
        if self.carriage.kind == "udp":
            return await PacedRtp(self.publication, self._send, self.clock).run(cursor)
        paced = PacedRtp(self.publication, self._write, self.clock, self.client.writable)
        return await paced.run(cursor)

    def measure(self) -> dict[str, object]:
        """How media travels, and what is known of each track."""
        return {"transport": self.carriage.kind, "tracks": self.publication.measure()}

    def stop(self) -> None:
        """Give no more signs of life."""
        if self._timer is not None:
            self._timer.cancel()

    def _write(self, datagrams: Sequence[Datagram]) -> None:
        """Send inside the connection."""
        channel = self.carriage.channel
        parts: list[bytes] = []
        for track, control, data in datagrams:
            parts += framed(channel(track, control=control), data)
        self.client.write_frames(b"".join(parts))

    def _send(self, datagrams: Sequence[Datagram]) -> None:
        """Send over UDP."""
        carriage = self.carriage
        for track, control, data in datagrams:
            if control:
                carriage.report(track, data)
            else:
                carriage.send(track, data)
                self._datagram_bytes += len(data)

    def _sign(self) -> None:
        """Show that we are there: servers should see it by the media, and not all do."""
        self._timer = self.clock.call_later(period(self.carriage.timeout_s), self._again_sign)

    def _again_sign(self) -> None:
        self.client.say(Method.OPTIONS, self.client.upstream.url)
        self._sign()


def framed(channel: int, data: bytes) -> tuple[bytes, bytes]:
    """A packet as it stands inside a connection (RFC 2326 section 10.12)."""
    return b"$" + bytes((channel,)) + len(data).to_bytes(2, "big"), data
