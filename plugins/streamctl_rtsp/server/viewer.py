"""A session that plays: what a client was told of a stream, and how it gets that.

The lane is kept at work from ``DESCRIBE`` on, and the client plays only what it was told of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from streamctl.errors import NotReady
from streamctl.media.packet import Boundary, Format, InitChange
from streamctl.media.rtp.announced import alike, described, unknown
from streamctl_rtsp.server.delivery import Inside, OverUdp, ToGroup
from streamctl_rtsp.server.description import describe
from streamctl_rtsp.server.reply import Declined, ok
from streamctl_rtsp.server.reports import Landing, Reporter, landing
from streamctl_rtsp.wire.control import TRACK, resolve
from streamctl_rtsp.wire.fields import RtpInfo
from streamctl_rtsp.wire.message import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.packet import Init, Item
    from streamctl.media.rtp.announced import Described
    from streamctl.sdk.session import Grant, Session
    from streamctl_rtsp.server.delivery import Delivery
    from streamctl_rtsp.server.session import RtspSession
    from streamctl_rtsp.wire.control import Target
    from streamctl_rtsp.wire.message import Response
    from streamctl_rtsp.wire.transport import Transport

WAIT_S = 8.0
"""How long a client waits for the tracks of a stream that has just begun, or is pulled for it: less
than players give an answer."""
LATE_S = 2.0
"""How long it waits for one of them when others are known; broadcast sends sound a second late."""


class Viewer:
    """One player of one stream."""

    def __init__(self, peer: RtspSession, target: Target, grant: Grant, session: Session) -> None:
        """Begin to read the stream.

        Raises:
            StreamctlError: it can't be watched.
        """
        self.peer = peer
        self.ctx = peer.ctx
        self.target = target
        self.grant = grant
        self.session: Session = session
        self.playback = peer.port.gate.play(grant, session, Format.RTP)
        self.reporter = Reporter(self.playback, session, self.ctx.clock)
        self.tracks: list[Described] = []
        """What the client is told of; empty = it is not known yet."""
        self.partial = False
        """A track has yet to tell its configuration."""
        if self.playback.init is not None:
            self._learn(self.playback.init)
        self.delivery: Delivery | None = None
        self.heard = 0.0
        """When the client last reported by another way than its connection."""
        self.playing = False
        self.over = False
        self._waits_to_join = False
        """The wire was full when the client began."""

    @property
    def ready(self) -> bool:
        """Whether all tracks are known."""
        return bool(self.tracks) and not self.partial

    @property
    def flowing(self) -> bool:
        """Whether media is on its way."""
        return self.playing

    @property
    def inside(self) -> bool:
        """Whether media stays inside the connection."""
        return self.delivery is not None and self.delivery.inside

    @property
    def several(self) -> bool:
        """Whether more than one track is set up."""
        return self.delivery is not None and len(self.delivery.tracks) > 1

    async def wait(self) -> bool:
        """Wait until the tracks are known, but not for ever; whether they are."""
        if self.playback.absent:
            return False
        cursor = self.playback.cursor
        with anyio.CancelScope() as scope:
            limit = LATE_S if self.tracks else WAIT_S
            timer = self.ctx.clock.call_later(limit, scope.cancel)
            try:
                while not self.ready and not self.over:
                    await cursor.wait()
                    self._look(cursor.take())
            except NotReady:
                return False
            finally:
                timer.cancel()
        return bool(self.tracks) and not self.over

    def describe(self) -> bytes:
        """The description for the client."""
        return describe(self.tracks, self.session.code, "", 1)

    async def setup(self, url: str, target: Target, transports: Sequence[Transport]) -> Transport:
        """Settle how a track goes.

        Raises:
            Declined: not that way, or there is no such track.
        """
        del url
        track = self._track(target)
        for transport in transports:
            if transport.profile == "RTP/AVP" and not transport.records:
                delivery = self._delivery(transport)
                if delivery is not None:
                    answer = await delivery.add(track, transport)
                    self.delivery = delivery
                    return answer
        raise Declined(Status.UNSUPPORTED_TRANSPORT)

    def play(self) -> Response:
        """The answer to PLAY; :meth:`start` follows it.

        Raises:
            Declined: the stream goes on with other tracks than the client knows.
        """
        assert self.delivery is not None
        info = []
        found = None if self.playing else landing(self.playback.cursor)
        if found is not None:
            if not alike(self.tracks, described(found.init)):
                raise Declined(Status.NOT_ACCEPTABLE, "the stream goes on with other tracks")
            info = [self._info(track, found) for track in sorted(self.delivery.tracks)]
        fields = [("Range", "npt=0.000-")]
        if info:
            fields.append(("RTP-Info", ",".join(one.serialize() for one in info)))
        return ok(*fields)

    def start(self) -> None:
        """Let media flow."""
        if self.delivery is None:
            return
        self.playing = True
        self.heard = self.ctx.clock.now()
        self._waits_to_join = self.inside and self.peer.full
        if not self._waits_to_join:
            self.delivery.start()

    def pause(self) -> None:
        """Let it flow no more; afterwards the client joins anew, at the live edge."""
        self.playing = self._waits_to_join = False
        if self.delivery is not None:
            self.delivery.stop()

    def frame(self, channel: int, data: memoryview, now: float) -> bool:
        """Take a packet inside the connection; whether its channel is known."""
        del data, now
        delivery = self.delivery
        return isinstance(delivery, Inside) and any(
            channel in pair for pair in delivery.channels.values()
        )

    def flush(self, now: float) -> None:
        """Nothing comes that had to be passed on."""

    def report(self, now: float) -> None:
        """Tell the client how the clocks of its tracks stand."""
        if not self.playing or self.delivery is None or (self.inside and self.peer.full):
            return
        for track in sorted(self.delivery.tracks):
            self.delivery.report(track)

    def paused(self) -> None:
        """The wire is full."""
        if self.inside:
            self.playback.fanout.park(self.session)

    def resumed(self) -> None:
        """The wire takes bytes again."""
        if not self.inside or not self.playing:
            return
        if self._waits_to_join:
            self.start()
        else:
            self.playback.fanout.serve(self.session)

    def end(self, reason: str) -> None:
        """Give the stream back."""
        self.over = True
        self.playing = False
        if self.delivery is not None:
            self.delivery.stop()
            self.delivery.close()
        self.playback.cursor.close()
        self.peer.port.gate.close(self.session, reason)

    def _look(self, items: Sequence[Item]) -> None:
        """Learn the tracks from what a lane begins with."""
        for item in items:
            if isinstance(item, (Boundary, InitChange)):
                self._learn(item.init)

    def _learn(self, init: Init) -> None:
        self.tracks = described(init)
        self.partial = unknown(init)
        self.reporter.know(self.tracks)

    def _track(self, target: Target) -> Described:
        """The track that a URL names.

        Raises:
            Declined: none, or all of several.
        """
        if target.path != self.target.path:
            raise Declined(Status.NOT_FOUND, "another stream was described")
        if target.track is None:
            if len(self.tracks) > 1:
                raise Declined(Status.AGGREGATE_NOT_ALLOWED)
            return self.tracks[0]
        for track in self.tracks:
            if track.index == target.track:
                return track
        raise Declined(Status.NOT_FOUND, f"no track {target.track}")

    def _delivery(self, transport: Transport) -> Delivery | None:
        """What carries a transport; None = nothing that the port, or the session, can have."""
        port = self.peer.port
        kind: type[Inside | OverUdp | ToGroup]
        if transport.tcp:
            kind = Inside
        elif self.peer.tunnelled or not port.takes_udp:
            return None
        elif not transport.unicast:
            if port.groups is None:
                return None
            kind = ToGroup
        elif transport.client_port is None:
            return None
        else:
            kind = OverUdp
        if self.delivery is None:
            return kind(self)
        return self.delivery if isinstance(self.delivery, kind) else None

    def _info(self, track: int, found: Landing) -> RtpInfo:
        """Where a track begins, as far as that is known."""
        report = found.reports.get(track)
        return RtpInfo(
            resolve(self.target.base, f"{TRACK}{track}"),
            report.packets & 0xFFFF if report is not None else None,
            report.timestamp if report is not None else None,
        )
