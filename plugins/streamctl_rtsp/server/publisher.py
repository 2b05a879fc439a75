"""A session that records: media comes from the client, inside the connection or over UDP.

What its packets mean is :class:`~streamctl.media.rtp.receiver.Receiver`'s matter. The place of the
stream's publisher is taken by ``RECORD``, so that who only announces holds nothing.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from streamctl.errors import StreamctlError
from streamctl.media.rtp.receiver import Receiver
from streamctl.sdk.session import Transit
from streamctl_rtsp.server.reply import Declined
from streamctl_rtsp.server.udp_intake import UdpIntake
from streamctl_rtsp.wire.message import Status
from streamctl_rtsp.wire.offer import read_offer
from streamctl_rtsp.wire.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from streamctl.sdk.context import Timer
    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.session import Grant, Session
    from streamctl_rtsp.server.session import RtspSession
    from streamctl_rtsp.wire.control import Target

POLL_S = 0.1
"""How often what came is looked after: packets that others wait for, and requests for pictures."""
UNTAKEN = -1
"""The number of tracks that can't be taken, and are sent all the same."""
FRAME_HEAD = b"$%c%b"


class Publisher:
    """What a client announced, and how it sends that."""

    def __init__(self, peer: RtspSession, target: Target, url: str, description: bytes) -> None:
        """Read what is announced.

        Raises:
            RemoteProtocolError: it can't be read.
            Declined: nothing of it can be taken.
        """
        self.peer = peer
        self.ctx = peer.ctx
        self.target = target
        self.session: Session | None = None
        self.heard = 0.0
        """When media last came over UDP."""
        self.offer = read_offer(description, url)
        if not self.offer.tracks:
            names = ", ".join(self.offer.left_out) or "no media"
            raise Declined(Status.UNSUPPORTED_MEDIA_TYPE, f"nothing that can be taken: {names}")
        self.channels: dict[int, int] = {}
        """Tracks by their channels inside the connection; those of reports are one higher."""
        self.intakes: dict[int, UdpIntake] = {}
        self.receiver: Receiver | None = None
        self.writer: EpochWriter | None = None
        self.ignored: set[int] = set()
        """Channels of tracks that can't be taken, and are sent all the same."""
        self._poll: Timer | None = None

    @property
    def flowing(self) -> bool:
        """Whether media may come."""
        return self.writer is not None

    @property
    def inside(self) -> bool:
        """Whether media stays inside the connection."""
        return not self.intakes

    async def setup(self, url: str, target: Target, transports: Sequence[Transport]) -> Transport:
        """Settle how a track comes.

        Raises:
            Declined: not that way, or it is no track of this stream.
        """
        if target.path != self.target.path and not url.startswith(self.offer.url):
            raise Declined(Status.NOT_FOUND, "another stream was announced")
        number = self._track(url)
        for transport in transports:
            if transport.profile != "RTP/AVP" or not transport.unicast:
                continue
            if transport.tcp:
                if not self.intakes:
                    return self._by_connection(number, transport)
            elif transport.client_port is not None and self._takes_udp:
                return await self._by_udp(number, transport)
        raise Declined(Status.UNSUPPORTED_TRANSPORT)

    def record(self, grant: Grant) -> None:
        """Take the stream's place of a publisher.

        Raises:
            Declined: no track is set up.
            StreamctlError: another publisher came first.
        """
        if not self.channels and not self.intakes:
            raise Declined(Status.NOT_VALID_IN_THIS_STATE, "no track is set up")
        gate = self.peer.port.gate
        receiver = Receiver(
            [track.format for track in self.offer.tracks],
            ssrc=secrets.randbits(32),
            ordered=self.inside,
        )
        session = gate.open(grant, self.peer.dismiss)
        try:
            self.writer = gate.publish(grant, session)
        except StreamctlError as error:
            gate.close(session, error.message)
            raise
        self.session, self.receiver = session, receiver
        session.measure, session.transit = self.measure, self.transit
        self.heard = self.ctx.clock.now()
        if self.offer.left_out:
            names = ", ".join(self.offer.left_out)
            self.ctx.log.info("rtsp %s:%d: left out: %s", *self.peer.remote, names)
        self._poll = self.ctx.clock.call_later(POLL_S, self._on_poll)

    def frame(self, channel: int, data: memoryview, now: float) -> bool:
        """Take a packet inside the connection; whether its channel is known."""
        receiver = self.receiver
        track = self.channels.get(channel)
        if track is not None:
            if receiver is not None:
                receiver.feed(track, data, now)
            return True
        track = self.channels.get(channel - 1)
        if track is not None and receiver is not None:
            receiver.feed_rtcp(track, data, now)
        return track is not None or channel in self.ignored

    def datagrams(self, track: int, found: Iterator[memoryview]) -> None:
        """Take packets that came over UDP."""
        receiver, session = self.receiver, self.session
        if receiver is None or session is None:
            return
        now = self.heard = self.ctx.clock.now()
        for data in found:
            session.bytes_in += len(data)
            if track != UNTAKEN:
                receiver.feed(track, data, now)
        self._deliver(now)

    def reports(self, track: int, found: Iterator[memoryview]) -> None:
        """Take reports that came over UDP."""
        if self.receiver is not None and track != UNTAKEN:
            now = self.heard = self.ctx.clock.now()
            for data in found:
                self.receiver.feed_rtcp(track, data, now)

    def flush(self, now: float) -> None:
        """Pass on what has come.

        Raises:
            StaleEpoch: the epoch has ended.
        """
        if self.receiver is not None and self.writer is not None:
            self.receiver.deliver(self.writer, now)

    def report(self, now: float) -> None:
        """Tell the client what has come, and ask for a picture if one is needed."""
        if self.receiver is None:
            return
        by_track = {track: channel for channel, track in self.channels.items()}
        for track, data in self.receiver.reports(now):
            if track in self.intakes:
                self.intakes[track].send_report(data)
            elif track in by_track:
                size = len(data).to_bytes(2, "big")
                self.peer.write(FRAME_HEAD % (by_track[track] + 1, size) + data)

    def measure(self) -> Mapping[str, object]:
        """What was counted of each track."""
        return {"tracks": self.receiver.measure()} if self.receiver is not None else {}

    def transit(self) -> Transit:
        """What became of the packets."""
        receiver = self.receiver
        return Transit() if receiver is None else Transit(receiver.came, receiver.lost)

    def paused(self) -> None:
        """Nothing: answers wait by themselves."""

    def resumed(self) -> None:
        """Nothing waits."""

    def end(self, reason: str) -> None:
        """Give the stream back."""
        if self._poll is not None:
            self._poll.cancel()
            self._poll = None
        for intake in self.intakes.values():
            intake.close()
        session, self.session = self.session, None
        if session is not None:
            # A client may say good-bye in the same read as its last pictures.
            now = self.ctx.clock.now()
            try:
                self.flush(now)
            except StreamctlError:
                self.ctx.log.debug("the last packets came too late", exc_info=True)
            self.writer = self.receiver = None
            self.peer.port.gate.close(session, reason)

    @property
    def _takes_udp(self) -> bool:
        port = self.peer.port
        return port.takes_udp and not self.peer.tunnelled and not self.channels

    def _track(self, url: str) -> int | None:
        """The number of the track that a URL names; None = one that can't be taken.

        Raises:
            Declined: it names the stream, which has several.
        """
        tracks = self.offer.tracks
        wanted = url.rstrip("/")
        for number, track in enumerate(tracks):
            if track.url.rstrip("/") == wanted:
                return number
        # Some write the query, or the name of the host, in another way than before.
        tails = [track.url.rstrip("/").rpartition("/")[2] for track in tracks]
        tail = wanted.partition("?")[0].rpartition("/")[2]
        if tails.count(tail) == 1:
            return tails.index(tail)
        if wanted == self.offer.url.rstrip("/"):
            if len(tracks) == 1:
                return 0
            raise Declined(Status.AGGREGATE_NOT_ALLOWED)
        return None

    def _by_connection(self, number: int | None, transport: Transport) -> Transport:
        """Take a track inside the connection.

        Raises:
            Declined: its channels are those of another track.
        """
        pair = transport.interleaved or self._free_pair()
        self.channels = {c: track for c, track in self.channels.items() if track != number}
        used = {c for channel in self.channels for c in (channel, channel + 1)}
        if used & {*pair} or pair[1] != pair[0] + 1:
            raise Declined(Status.BAD_REQUEST, f"the channels {pair[0]}-{pair[1]} can't be used")
        if number is None:
            self.ignored.update(pair)
        else:
            self.channels[pair[0]] = number
        return Transport(tcp=True, interleaved=pair, mode=transport.mode)

    def _free_pair(self) -> tuple[int, int]:
        first = 0
        while first in self.channels or first in self.ignored:
            first += 2
        return first, first + 1

    async def _by_udp(self, number: int | None, transport: Transport) -> Transport:
        """Take a track over UDP."""
        key = UNTAKEN if number is None else number
        earlier = self.intakes.pop(key, None)
        if earlier is not None:
            earlier.close()
        intake = self.intakes[key] = UdpIntake(self, key, transport)
        server_port = await intake.open()
        return Transport(
            client_port=transport.client_port, server_port=server_port, mode=transport.mode
        )

    def _deliver(self, now: float) -> None:
        try:
            self.flush(now)
        except StreamctlError as error:
            self.peer.dismiss(error.message)

    def _on_poll(self) -> None:
        self._poll = self.ctx.clock.call_later(POLL_S, self._on_poll)
        now = self.ctx.clock.now()
        if self.receiver is not None:
            self.receiver.poll(now)
            self._deliver(now)
            self.report(now)
