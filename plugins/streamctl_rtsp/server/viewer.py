"""A session that plays: what a client was told of a stream, and how it gets that.

The lane is kept at work from ``DESCRIBE`` on, and the client plays only what it was told of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from streamctl.errors import NotReady
from streamctl.media.packet import Format
from streamctl_rtsp.server.description import describe, described
from streamctl_rtsp.server.reply import Declined, ok
from streamctl_rtsp.wire.fields import RtpInfo
from streamctl_rtsp.wire.message import Status
from streamctl_rtsp.wire.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.packet import Init
    from streamctl.sdk.session import Grant, Session
    from streamctl_rtsp.server.description import Described
    from streamctl_rtsp.server.session import RtspSession
    from streamctl_rtsp.wire.control import Target
    from streamctl_rtsp.wire.message import Response
    from streamctl_rtsp.wire.transport import Pair

WAIT_S = 5.0
"""How long a client waits for the tracks of a stream that has just begun."""


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
        self.session: Session = session
        self.playback = peer.port.gate.play(grant, session, Format.RTP)
        self.tracks: list[Described] = []
        """What the client is told of; empty = it is not known yet."""
        if self.playback.init is not None:
            self.tracks = described(self.playback.init)
        self.channels: dict[int, Pair] = {}
        """Channels inside the connection, by track."""
        self.heard = 0.0
        self.playing = False
        self.over = False
        self._waits_to_join = False
        """The wire was full when the client began."""

    @property
    def flowing(self) -> bool:
        """Whether media is on its way."""
        return self.playing

    @property
    def inside(self) -> bool:
        """Whether media stays inside the connection."""
        return True

    @property
    def several(self) -> bool:
        """Whether more than one track is set up."""
        return len(self.channels) > 1

    async def wait(self) -> bool:
        """Wait until the tracks are known, but not for ever; whether they are."""
        cursor = self.playback.cursor
        with anyio.CancelScope() as scope:
            timer = self.ctx.clock.call_later(WAIT_S, scope.cancel)
            try:
                while not self.tracks and not self.over:
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
            if transport.profile != "RTP/AVP" or not transport.unicast:
                continue
            if transport.tcp:
                return self._by_connection(track, transport)
        raise Declined(Status.UNSUPPORTED_TRANSPORT)

    def play(self) -> Response:
        """The answer to PLAY; :meth:`start` follows it.

        Raises:
            Declined: the stream goes on with other tracks than the client knows.
        """
        entries = [RtpInfo(self._url(track)) for track in self.channels]
        return ok(
            ("Range", "npt=0.000-"), ("RTP-Info", ",".join(one.serialize() for one in entries))
        )

    def start(self) -> None:
        """Let media flow."""
        self.playing = True
        self._waits_to_join = self.peer.full
        if not self.peer.full:
            self.playback.fanout.add(self.playback.cursor, self.peer.wire, self.session)

    def pause(self) -> None:
        """Let it flow no more; afterwards the client joins anew, at the live edge."""
        self.playing = self._waits_to_join = False
        self.playback.fanout.remove(self.session)

    def frame(self, channel: int, data: memoryview, now: float) -> bool:
        """Take a packet inside the connection; whether its channel is known."""
        del data, now
        return any(channel in pair for pair in self.channels.values())

    def flush(self, now: float) -> None:
        """Nothing comes that had to be passed on."""

    def report(self, now: float) -> None:
        """Tell the client how the clocks of its tracks stand."""

    def paused(self) -> None:
        """The wire is full."""
        self.playback.fanout.park(self.session)

    def resumed(self) -> None:
        """The wire takes bytes again."""
        if self._waits_to_join:
            self.start()
        elif self.playing:
            self.playback.fanout.serve(self.session)

    def end(self, reason: str) -> None:
        """Give the stream back."""
        self.over = True
        self.playing = False
        self.playback.fanout.remove(self.session)
        self.playback.cursor.close()
        self.peer.port.gate.close(self.session, reason)

    def _look(self, items: Sequence[object]) -> None:
        """Learn the tracks from what a lane begins with."""
        for item in items:
            init: Init | None = getattr(item, "init", None)
            if init is not None:
                self.tracks = described(init)

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

    def _by_connection(self, track: Described, transport: Transport) -> Transport:
        """Send a track inside the connection.

        Raises:
            Declined: its channels are those of another one.
        """
        pair = transport.interleaved or (2 * track.index, 2 * track.index + 1)
        others = {
            n for index, known in self.channels.items() if index != track.index for n in known
        }
        if others & {*pair}:
            raise Declined(Status.BAD_REQUEST, f"the channels {pair[0]}-{pair[1]} are in use")
        self.channels[track.index] = pair
        return Transport(tcp=True, interleaved=pair, mode=transport.mode)

    def _url(self, index: int) -> str:
        base = self.target.base
        return f"{base if base.endswith('/') else f'{base}/'}trackID={index}"
