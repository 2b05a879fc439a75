"""How a player's tracks travel: inside the connection, over UDP, or to a group.

The first track settles it for all. Inside the connection, a player that takes all tracks on the
channels that we would give it gets the lane's own bytes; any other gets a copy, which is made once
for all with the same channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from streamctl.errors import StreamctlError
from streamctl.net.udp_outlet import sending_pair
from streamctl_rtsp.server.reply import Declined
from streamctl_rtsp.server.udp_delivery import UdpDelivery
from streamctl_rtsp.server.udp_wire import UdpWire, whole_channels
from streamctl_rtsp.wire.frames import frame
from streamctl_rtsp.wire.message import Status
from streamctl_rtsp.wire.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamctl.media.rtp.announced import Described
    from streamctl.sdk.lane import Wire
    from streamctl_rtsp.server.multicast import Group
    from streamctl_rtsp.server.viewer import Viewer
    from streamctl_rtsp.wire.frames import Shared
    from streamctl_rtsp.wire.transport import Pair


class Delivery(Protocol):
    """One way for all tracks of a player."""

    inside: bool
    """Whether it is the connection of the requests."""

    @property
    def tracks(self) -> set[int]:
        """Those that are set up."""

    async def add(self, track: Described, transport: Transport) -> Transport:
        """Settle how a track goes.

        Raises:
            Declined: it can't go like that.
        """

    def start(self) -> None:
        """Let media flow from the newest picture on."""

    def stop(self) -> None:
        """Let it flow no more."""

    def report(self, track: int) -> None:
        """Send a report about a track, if its clock is known."""

    def close(self) -> None:
        """Give everything back."""


class MovedWire:
    """A wire that puts the lane's frames on the channels of a player."""

    def __init__(self, wire: Wire, runs: Shared[bytes]) -> None:
        self.wire = wire
        self.runs = runs
        self.unsent = wire.unsent
        self.set_send_buffer = wire.set_send_buffer
        self.read_least = wire.read_least
        self.call_again = wire.call_again
        self.close = wire.close
        self.abort = wire.abort

    def write(self, data: bytes | memoryview) -> None:
        """Send without waiting, on other channels."""
        data = self.runs.of(bytes(data))
        if data:
            self.wire.write(data)


class Inside:
    """Media inside the connection of the requests."""

    inside = True

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.channels: dict[int, Pair] = {}

    @property
    def tracks(self) -> set[int]:
        """Those that are set up."""
        return set(self.channels)

    async def add(self, track: Described, transport: Transport) -> Transport:
        """Take the channels that the client wants.

        Raises:
            Declined: they are those of another track.
        """
        pair = transport.interleaved or (2 * track.index, 2 * track.index + 1)
        used = {n for index, known in self.channels.items() if index != track.index for n in known}
        if used & {*pair} or pair[0] == pair[1]:
            raise Declined(Status.BAD_REQUEST, f"the channels {pair[0]}-{pair[1]} can't be used")
        self.channels[track.index] = pair
        return Transport(tcp=True, interleaved=pair, ssrc=track.ssrc, mode=transport.mode)

    def start(self) -> None:
        """Join, or wait for room to do so."""
        peer, playback = self.viewer.peer, self.viewer.playback
        moves = {
            ours: theirs
            for index, pair in self.channels.items()
            for ours, theirs in zip((2 * index, 2 * index + 1), pair, strict=True)
        }
        whole = len(self.channels) == len(self.viewer.tracks)
        wire = peer.wire
        if not whole or any(ours != theirs for ours, theirs in moves.items()):
            wire = MovedWire(wire, peer.port.moved(moves))
        viewer = self.viewer
        playback.fanout.add(playback.cursor, wire, viewer.session, viewer.reporter.greet)

    def stop(self) -> None:
        """Leave the others."""
        self.viewer.reporter.pause()
        self.viewer.playback.fanout.remove(self.viewer.session)

    def report(self, track: int) -> None:
        """Send a report between two pictures."""
        data = self.viewer.reporter.report(track)
        if data:
            self.viewer.peer.write(frame(self.channels[track][1], data))

    def close(self) -> None:
        """There is nothing to give back."""


class OverUdp:
    """Media from ports of ours to ports of the client's."""

    inside = False

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.ways: dict[int, UdpDelivery] = {}
        self.wire: UdpWire | None = None

    @property
    def tracks(self) -> set[int]:
        """Those that are set up."""
        return set(self.ways)

    async def add(self, track: Described, transport: Transport) -> Transport:
        """Open ports for a track.

        Raises:
            Declined: there are none.
        """
        peer = self.viewer.peer
        ports = transport.client_port
        if ports is None or not all(ports):
            raise Declined(Status.UNSUPPORTED_TRANSPORT)
        earlier = self.ways.pop(track.index, None)
        if earlier is not None:
            earlier.close()
        way = self.ways[track.index] = UdpDelivery(peer.port.tasks)
        # Never to an address that the client names: it might be somebody else's.
        outlet = await way.open(sending_pair(peer.remote[0], ports, self._reported))
        return Transport(
            client_port=ports, server_port=outlet.ports, ssrc=track.ssrc, mode=transport.mode
        )

    def start(self) -> None:
        """Join with what the ports lead to."""
        viewer = self.viewer
        playback, session = viewer.playback, viewer.session
        outlets = {2 * n: way.outlet for n, way in self.ways.items() if way.outlet is not None}
        wire = self.wire = UdpWire(
            viewer.peer.port.spreader, outlets, whole_channels(viewer.tracks), viewer.peer.dismiss
        )

        def serve() -> None:
            wire.catch_up(playback.fanout.bytes_per_second())
            playback.fanout.serve(session)

        wire.park = lambda: playback.fanout.park(session)
        wire.serve = serve
        wire.catch_up(playback.fanout.bytes_per_second())
        playback.fanout.add(playback.cursor, wire, session, viewer.reporter.greet)

    def stop(self) -> None:
        """Leave the others, and drop what waits."""
        viewer = self.viewer
        if self.wire is not None:
            viewer.reporter.pause(self.wire.waiting)
            self.wire.clear()
            self.wire = None
        viewer.playback.fanout.remove(viewer.session)

    def report(self, track: int) -> None:
        """Send a report to its port."""
        outlet = self.ways[track].outlet
        if outlet is not None and self.wire is not None:
            data = self.viewer.reporter.report(track, self.wire.waiting(track))
            if data:
                outlet.report(data)

    def close(self) -> None:
        """Close the ports."""
        for way in self.ways.values():
            way.close()

    def _reported(self, found: Iterator[memoryview]) -> None:
        """The client is there: it reports."""
        if any(True for _ in found):
            self.viewer.heard = self.viewer.ctx.clock.now()


class ToGroup:
    """Media to a multicast group, which all who want it share."""

    inside = False

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.tracks: set[int] = set()
        self.group: Group | None = None
        self._joined = False

    async def add(self, track: Described, transport: Transport) -> Transport:
        """Tell the group's address, which is prepared with the first track.

        Raises:
            Declined: there is no group left, or no way to it.
        """
        groups = self.viewer.peer.port.groups
        if groups is None:
            raise Declined(Status.UNSUPPORTED_TRANSPORT)
        if self.group is None:
            try:
                self.group = await groups.of(self.viewer)
            except StreamctlError as error:
                raise Declined(Status.NOT_ENOUGH_BANDWIDTH, error.message) from None
        self.tracks.add(track.index)
        return Transport(
            unicast=False,
            destination=self.group.host,
            port=self.group.ports(track.index),
            ttl=groups.options.multicast_ttl,
            ssrc=track.ssrc,
            mode=transport.mode,
        )

    def start(self) -> None:
        """Let the group get the stream."""
        if self.group is not None and not self._joined:
            self._joined = True
            self.group.join(self.viewer)

    def stop(self) -> None:
        """The group goes on as long as somebody wants it."""
        if self.group is not None and self._joined:
            self._joined = False
            self.group.leave(self.viewer)

    def report(self, track: int) -> None:
        """The group sends reports of its own."""

    def close(self) -> None:
        """Give up the place in the group."""
        self.stop()
        if self.group is not None:
            self.group.release(self.viewer)
            self.group = None
