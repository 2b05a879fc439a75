"""Multicast groups: one for each stream that is watched so, as long as anybody does.

A group reads the lane like a player. It gets all tracks, each on a pair of ports, and reports of
its own; players come and go beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import StreamctlError
from streamctl.media.packet import Format
from streamctl.net.udp_outlet import sending_group
from streamctl.net.udp_send import Transmission
from streamctl.sdk.session import Action, Session
from streamctl_rtsp.server.reports import Reporter
from streamctl_rtsp.server.udp_delivery import UdpDelivery
from streamctl_rtsp.server.udp_wire import UdpWire, whole_channels

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from streamctl.sdk.context import Timer
    from streamctl.sdk.endpoints import Playback
    from streamctl_rtsp.server.options import ListenerOptions
    from streamctl_rtsp.server.port import Port
    from streamctl_rtsp.server.viewer import Viewer
    from streamctl_rtsp.wire.transport import Pair

REPORT_S = 5.0
MAX_GROUPS = 65_536
"""Of a larger network only the first ones are used."""


class Groups:
    """The groups of one port."""

    def __init__(
        self, port: Port, options: ListenerOptions, network: IPv4Network | IPv6Network
    ) -> None:
        self.port = port
        self.options = options
        self.network = network
        self.by_code: dict[str, Group] = {}

    async def of(self, viewer: Viewer) -> Group:
        """The group of a player's stream, prepared if it is not there yet.

        Raises:
            StreamctlError: no address is left, or there is no way to it.
        """
        code = viewer.session.code
        group = self.by_code.get(code)
        if group is None:
            group = self.by_code[code] = Group(self, code, self._free())
        group.users.add(viewer)
        try:
            await group.open(viewer)
        except StreamctlError:
            group.release(viewer)
            raise
        return group

    def _free(self) -> str:
        """An address that no stream has.

        Raises:
            StreamctlError: all have one.
        """
        taken = {group.host for group in self.by_code.values()}
        for number in range(min(self.network.num_addresses, MAX_GROUPS)):
            # The first address of a network is often reserved.
            host = str(self.network[(number + 1) % self.network.num_addresses])
            if host not in taken:
                return host
        raise StreamctlError("every multicast group is in use")


class Group:
    """What one stream is sent to."""

    def __init__(self, groups: Groups, code: str, host: str) -> None:
        self.groups = groups
        self.code = code
        self.host = host
        self.users: set[Viewer] = set()
        """Who has been told of it."""
        self.watching: set[Viewer] = set()
        """Who has said PLAY."""
        self.ways: dict[int, UdpDelivery] = {}
        self.session = Session(
            f"multicast-{host}",
            "rtsp",
            Action.PLAY,
            code,
            host,
            groups.options.multicast_port,
            "",
            groups.port.ctx.clock.wall(),
            self.dismiss,
        )
        self.wire: UdpWire | None = None
        self._playback: Playback | None = None
        self._reporter: Reporter | None = None
        self._timer: Timer | None = None

    def ports(self, track: int) -> Pair:
        """The ports of a track."""
        first = self.groups.options.multicast_port + 2 * track
        return first, first + 1

    async def open(self, viewer: Viewer) -> None:
        """Prepare the way of each track.

        Raises:
            StreamctlError: there is none.
        """
        options = self.groups.options
        for track in viewer.tracks:
            if track.index in self.ways:
                # Perhaps another player came just before, and its way is still being opened.
                await self.ways[track.index].opened()
                continue
            way = self.ways[track.index] = UdpDelivery(self.groups.port.tasks)
            where = (self.host, self.ports(track.index)[0])
            transmission = Transmission(where, options.interface, options.multicast_ttl)
            await way.open(sending_group(transmission))

    def join(self, viewer: Viewer) -> None:
        """Somebody watches."""
        self.watching.add(viewer)
        if self.wire is None:
            self._start(viewer)
        else:
            # Who comes later puts sound and picture together, too.
            self._report()

    def leave(self, viewer: Viewer) -> None:
        """Somebody does not any more."""
        self.watching.discard(viewer)
        if not self.watching:
            self._stop()

    def release(self, viewer: Viewer) -> None:
        """Somebody is gone; the last one closes the group."""
        self.users.discard(viewer)
        if not self.users:
            self._stop()
            for way in self.ways.values():
                way.close()
            if self.groups.by_code.get(self.code) is self:
                del self.groups.by_code[self.code]

    def dismiss(self, reason: str) -> None:
        """Everybody has to come anew."""
        for viewer in list(self.users):
            viewer.peer.dismiss(reason)

    def _start(self, viewer: Viewer) -> None:
        """Read the stream for all."""
        port = self.groups.port
        playback = self._playback = port.gate.play(viewer.grant, viewer.session, Format.RTP)
        outlets = {2 * n: way.outlet for n, way in self.ways.items() if way.outlet is not None}
        wire = self.wire = UdpWire(
            port.spreader, outlets, whole_channels(viewer.tracks), self.dismiss
        )

        def serve() -> None:
            wire.catch_up(playback.fanout.bytes_per_second())
            playback.fanout.serve(self.session)

        wire.park = lambda: playback.fanout.park(self.session)
        wire.serve = serve
        if self._reporter is None:
            self._reporter = Reporter(playback, self.session, port.ctx.clock)
        self._reporter.know(viewer.tracks)
        wire.catch_up(playback.fanout.bytes_per_second())
        playback.fanout.add(playback.cursor, wire, self.session, self._reporter.greet)
        self._timer = port.ctx.clock.call_later(REPORT_S, self._report)

    def _stop(self) -> None:
        """Nobody watches."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._reporter is not None and self.wire is not None:
            self._reporter.pause(self.wire.waiting)
        if self._playback is not None:
            self._playback.fanout.remove(self.session)
            self._playback.cursor.close()
            self._playback = None
        if self.wire is not None:
            self.wire.clear()
            self.wire = None

    def _report(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.groups.port.ctx.clock.call_later(REPORT_S, self._report)
        if self._reporter is None or self.wire is None:
            return
        for number, way in self.ways.items():
            data = self._reporter.report(number, self.wire.waiting(number))
            if data and way.outlet is not None:
                way.outlet.report(data)
