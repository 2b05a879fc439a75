"""How the tracks of a session travel: asks for it, receives, and sends reports back.

The first transport that the server takes for the first track is that of all. Channels and ports
are those of the server's answer; what it says nothing of is as it was asked for.
Specification: RFC 2326 sections 10.4, 10.12 and 12.39.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING

from streamctl.errors import ConnectionFailed, RemoteProtocolError, StreamctlError
from streamctl.media.rtp.packet import header
from streamctl.media.rtp.rtcp import ReceiverReport
from streamctl.net.udp_pair import receiving_pair
from streamctl.net.udp_socket import Reception, is_group
from streamctl_rtsp.client.dialogue import check
from streamctl_rtsp.wire.fields import DEFAULT_TIMEOUT_S, parse_session
from streamctl_rtsp.wire.message import Method, Status
from streamctl_rtsp.wire.transport import Transport, parse_transports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AsyncExitStack

    from streamctl.net.udp_pair import UdpPair
    from streamctl.sdk.endpoints import Address
    from streamctl_rtsp.client.connection import RtspClient
    from streamctl_rtsp.wire.message import Response
    from streamctl_rtsp.wire.offer import OfferedTrack

    Take = Callable[[int, memoryview], None]
    """Takes a packet of a track."""

REFUSED_HINT = "leave out `transport`: then the first one that the server has is taken"
PUNCHES = 2
"""Packets that open a way through address translation; one may be lost."""
NOTHING_YET = ReceiverReport(0).serialise()
"""A report about no source."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to ask for."""

    kinds: tuple[str, ...]
    """``tcp``, ``udp``, ``multicast``, in the order of preference."""
    explicit: bool = False
    """The user has chosen it."""
    record: bool = False
    """The media is ours."""
    interface: str = ""
    """By which multicast is received; empty = as routes say."""
    buffer_bytes: int = 1 << 20
    """The kernel's receive buffer of a port."""


class Carriage:
    """The ways of all tracks of one session."""

    def __init__(
        self, client: RtspClient, wish: Wish, stack: AsyncExitStack, media: Take, reports: Take
    ) -> None:
        """``stack`` keeps the ports; ``media`` and ``reports`` take what comes in."""
        self.client = client
        self.wish = wish
        self.kind = ""
        """``tcp``, ``udp`` or ``multicast``; empty before the first track is set up."""
        self.timeout_s = DEFAULT_TIMEOUT_S
        """How long the session lives without a sign of us."""
        self.pairs: dict[int, UdpPair] = {}
        self._stack = stack
        self._takers = media, reports
        self._channels: dict[int, tuple[int, bool]] = {}
        """Track, and whether it is RTCP, by channel."""
        self._asked: dict[int, int] = {}
        """Channels of RTP as they were asked for, by track."""
        self._media: dict[int, int] = {}
        self._answers: dict[int, int] = {}
        """Channels of RTP and of RTCP, by track."""
        self._ways: dict[int, tuple[Address, Address]] = {}
        """Where RTP and RTCP go over UDP, by track."""
        client.take = self._frame

    async def set_up(self, tracks: Sequence[OfferedTrack]) -> None:
        """Agree on the ways of all tracks.

        Raises:
            ConnectionFailed: a track is refused, or no port is free.
            RemoteProtocolError: an answer makes no sense.
        """
        for number, track in enumerate(tracks):
            try:
                await self._set_up(number, track)
            except RemoteProtocolError as error:
                raise self.client.named(error) from None
        for number, channel in self._asked.items():
            # Some say other channels than those that they use.
            self._channels.setdefault(channel, (number, False))
            self._channels.setdefault(channel + 1, (number, True))

    def report(self, track: int, data: bytes) -> None:
        """Send RTCP about a track."""
        if track in self._answers:
            self.client.write_frame(self._answers[track], data)
        elif track in self._ways:
            self.pairs[track].reports.send(data, self._ways[track][1])

    def channel(self, track: int, *, control: bool = False) -> int:
        """The channel that a track's media is sent on, or its reports."""
        return self._answers[track] if control else self._media[track]

    def send(self, track: int, data: bytes) -> None:
        """Send RTP of a track as a datagram."""
        self.pairs[track].media.send(data, self._ways[track][0])

    def losses(self) -> tuple[int, int]:
        """Datagrams that this machine dropped: the kernel's, and ours."""
        ports = [port for pair in self.pairs.values() for port in (pair.media, pair.reports)]
        return sum(port.kernel_drops for port in ports), sum(port.overruns for port in ports)

    async def _set_up(self, number: int, track: OfferedTrack) -> None:
        kinds = (self.kind,) if self.kind else self.wish.kinds
        for kind in kinds:
            wanted = await self._wanted(kind, number)
            # The most widespread client writes the mode without quotation marks, and some servers
            # know nothing else.
            text = wanted.serialize() + (";mode=record" if self.wish.record else "")
            response = await self.client.ask(Method.SETUP, track.url, [("Transport", text)])
            if response.status == Status.UNSUPPORTED_TRANSPORT:
                continue
            check(self.client, Method.SETUP, response)
            await self._agree(number, track, wanted, response)
            self.kind = kind
            return
        raise ConnectionFailed(
            f"`{self.client.upstream.shown}` refuses {' and '.join(kinds)} for its media",
            hint=REFUSED_HINT if self.wish.explicit else "",
            permanent=True,
        )

    async def _wanted(self, kind: str, number: int) -> Transport:
        """What to ask for."""
        if kind == "tcp":
            return Transport(tcp=True, interleaved=(2 * number, 2 * number + 1))
        if kind == "multicast":
            return Transport(unicast=False)
        if number not in self.pairs:
            remote = self.client.remote[0]
            host = "::" if ":" in remote else "0.0.0.0"
            reception = Reception((host, 0), sender=remote, buffer_bytes=self.wish.buffer_bytes)
            await self._receive(number, reception)
        pair = self.pairs[number]
        return Transport(client_port=(pair.media.port, pair.reports.port))

    async def _receive(self, number: int, reception: Reception) -> None:
        media, reports = self._takers
        self.pairs[number] = await self._stack.enter_async_context(
            receiving_pair(
                reception,
                partial(self._datagrams, media, number),
                partial(self._datagrams, reports, number),
            )
        )

    async def _agree(
        self, number: int, track: OfferedTrack, wanted: Transport, response: Response
    ) -> None:
        """Use what the server has granted."""
        client = self.client
        session = parse_session(response.headers.get("Session"))
        if session is not None:
            client.session = client.session or session.id
            self.timeout_s = min(self.timeout_s, session.timeout_s)
        given = told(response, wanted)
        if wanted.tcp:
            self._interleave(number, wanted, given)
        elif wanted.unicast:
            self._open_way(number, track, given)
        else:
            await self._join(number, track, given)

    def _interleave(self, number: int, wanted: Transport, given: Transport) -> None:
        asked = wanted.interleaved or (0, 1)
        media, reports = given.interleaved or asked
        self._asked[number] = asked[0]
        self._channels[media] = (number, False)
        self._channels[reports] = (number, True)
        self._media[number] = media
        self._answers[number] = reports

    def _open_way(self, number: int, track: OfferedTrack, given: Transport) -> None:
        """Hear the right sender, and let address translation on the way know of it."""
        pair = self.pairs[number]
        host = self.client.remote[0]
        if is_address(given.source):
            host = given.source
            pair.media.wanted = pair.reports.wanted = ip_address(host).packed
        if given.server_port is None:
            if self.wish.record:
                raise RemoteProtocolError("the server names no ports to send media to")
            return
        media, reports = given.server_port
        self._ways[number] = (host, media), (host, reports)
        # What we send ourselves opens the way, and a packet of another source would confuse.
        for _ in range(0 if self.wish.record else PUNCHES):
            pair.media.send(header(track.format.payload_type, 0, 0, 0), (host, media))
            pair.reports.send(NOTHING_YET, (host, reports))

    async def _join(self, number: int, track: OfferedTrack, given: Transport) -> None:
        """Receive what is sent to a group.

        Raises:
            ConnectionFailed: the group can't be joined.
            RemoteProtocolError: the server names none.
        """
        host = given.destination or track.group
        ports = given.port or given.client_port or given.server_port or (track.port, 0)
        if not is_group(host) or not ports[0]:
            raise RemoteProtocolError(f"no multicast group in `{host}:{ports[0]}`")
        wish = self.wish
        sender = given.source if is_address(given.source) else ""
        where = (host, ports[0])
        await self._receive(number, Reception(where, wish.interface, sender, wish.buffer_bytes))
        self._ways[number] = where, (host, ports[0] + 1)

    def _frame(self, channel: int, data: memoryview) -> bool:
        """Hand on a frame; whether its channel is known."""
        way = self._channels.get(channel)
        if way is None:
            return False
        number, control = way
        self._takers[control](number, data)
        return True

    def _datagrams(self, take: Take, number: int, datagrams: Iterator[memoryview]) -> None:
        """Hand on datagrams; what goes wrong with them ends the connection."""
        try:
            for data in datagrams:
                take(number, data)
            self.client.settle()
        except StreamctlError as error:
            self.client.fail(error)


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    with suppress(ValueError):
        return ip_address(text) is not None
    return False


def told(response: Response, wanted: Transport) -> Transport:
    """The transport of an answer; the one that was asked for, if it says nothing.

    Raises:
        RemoteProtocolError: it makes no sense.
    """
    text = response.headers.get("Transport")
    if not text:
        return wanted
    given = parse_transports(text)[0]
    if given.tcp != wanted.tcp:
        raise RemoteProtocolError(f"another transport than was asked for: {text[:100]!r}")
    return given
