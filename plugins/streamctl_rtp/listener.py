"""The RTP port: senders are told apart by address and SSRC, and each finds its stream.

Theory of operation: a source counts once two packets that follow each other have come from one
address with one SSRC, so neither junk nor forged addresses leave anything behind. It goes to the
input that waits for it, else to the stream that the listener's ``stream`` names; who finds neither
is left out for a while and told once. Reports find their source by host and SSRC.
Specification: RFC 3550, sections 5.1, 6 and 8, appendix A.1.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from contextlib import AsyncExitStack
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING

from streamctl.errors import ConnectionFailed
from streamctl.media.rtp.packet import HEADER_BYTES, SEQUENCE_MASK, is_control
from streamctl.net.udp import failure
from streamctl.net.udp_named import address_of, receiving_named
from streamctl.net.udp_socket import Reception
from streamctl.sdk.session import Refusal
from streamctl_rtp.group import Group, Publication, Waiting, publish
from streamctl_rtp.losses import Losses
from streamctl_rtp.peers import Peers
from streamctl_rtp.wire.intake import Intake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamctl.net.udp import Receiver
    from streamctl.net.udp_named import Named
    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Address, Gate
    from streamctl_rtp.options import RtpListenerOptions
    from streamctl_rtp.switchboard import Switchboard

TICK_S = 0.05
REFUSED_S = 5.0
"""Who finds no stream is not asked about again for so long."""
MAX_UNPROVEN = 1024
"""Sources of one packet that are remembered; the oldest go."""
MAX_KEPT_BYTES = 2048
"""Of such a packet, or a report: more than Ethernet carries. Parameter sets may be in it."""
MAX_REFUSED = 4096
MAX_EARLY = 64
"""Reports of sources that are not known; each is a few hundred bytes."""
MIN_RTCP_BYTES = 8
SOURCE_AT = 8
SSRC_BYTES = 4
identity = Struct("!2xH4xI").unpack_from
"""Sequence number and SSRC of an RTP packet."""
ssrc_of_report = Struct("!4xI").unpack_from
"""Who sends a report."""


@dataclass(frozen=True, slots=True)
class Early:
    """A report that came before its source was known."""

    name: bytes
    data: bytes
    muxed: bool


class RtpListener:
    """Implements :class:`streamctl.sdk.endpoints.Listener`."""

    def __init__(
        self,
        address: Address,
        options: RtpListenerOptions,
        ctx: Context,
        switchboard: Switchboard,
    ) -> None:
        self.address = address
        self.options = options
        self.ctx = ctx
        self.switchboard = switchboard

    async def serve(self, gate: Gate, *, ready: Callable[[Address], None]) -> None:
        """Take senders until cancelled.

        Raises:
            ConnectionFailed: one of the ports can't be had, or not received on any more.
        """
        host, port = self.address
        hall = Hall(gate, self.options, self.ctx, self.switchboard)
        buffer = self.options.receive_buffer_bytes
        async with AsyncExitStack() as stack:
            media = hall.media = await stack.enter_async_context(
                receiving_named(Reception((host, port), buffer_bytes=buffer), hall.take_media)
            )
            following = self.options.rtcp_port or media.port + 1
            reports = hall.reports = await stack.enter_async_context(
                receiving_named(Reception((host, following)), hall.take_reports)
            )
            hall.losses.watch((media,), buffer)
            ready((host, media.port))
            self.switchboard.listeners += 1
            try:
                while not (media.ended.is_set() or reports.ended.is_set()):
                    await self.ctx.clock.sleep(TICK_S)
                    hall.tick()
            finally:
                self.switchboard.listeners -= 1
                hall.close()
        raise failure(media if media.ended.is_set() else reports, f"rtp://{host}:{port}")


class Hall:
    """Everybody who sends to the listener."""

    def __init__(
        self, gate: Gate, options: RtpListenerOptions, ctx: Context, switchboard: Switchboard
    ) -> None:
        self.gate = gate
        self.options = options
        self.ctx = ctx
        self.switchboard = switchboard
        self.media: Receiver | None = None
        self.reports: Receiver | None = None
        self.losses = Losses("rtp", ctx)
        self.invalid = 0
        """Datagrams that were neither RTP nor RTCP."""
        self.groups: dict[bytes, Group] = {}
        """By the sender's name and SSRC, as they came."""
        self.heard: dict[bytes, float] = {}
        """When each of them has sent something."""
        self._by_target: dict[object, Group] = {}
        """Groups by their input or the stream's code."""
        self._unproven: OrderedDict[bytes, tuple[int, bytes]] = OrderedDict()
        """The number that would prove a source, if it came next, and the packet before that."""
        self._refused: OrderedDict[bytes, float] = OrderedDict()
        """Sources that found no stream, and until when."""
        self._early: OrderedDict[tuple[str, int], Early] = OrderedDict()
        """The newest report of sources that are not known, by host and SSRC."""
        self._changes = switchboard.changes

    def take_media(self, datagrams: Iterator[Named]) -> None:
        """Take what has come to the port."""
        now = self.ctx.clock.now()
        touched: dict[Group, None] = {}
        groups, heard = self.groups, self.heard
        for name, data in datagrams:
            if len(data) < HEADER_BYTES or data[0] >> 6 != 2:
                self.invalid += 1
                continue
            if is_control(data):
                self._take_report(name, data, now, muxed=True)
                continue
            key = name + data[SOURCE_AT:HEADER_BYTES]
            group = groups.get(key) or self._meet(key, name, data, now)
            if group is not None:
                heard[key] = now
                group.feed(data, now)
                touched[group] = None
        for group in touched:
            group.flush(now)

    def take_reports(self, datagrams: Iterator[Named]) -> None:
        """Take what has come to the port of the reports."""
        now = self.ctx.clock.now()
        for name, data in datagrams:
            self._take_report(name, data, now, muxed=False)

    def tick(self) -> None:
        """Send the reports that are due, and forget who has gone."""
        now = self.ctx.clock.now()
        if self.switchboard.changes != self._changes:
            self._changes = self.switchboard.changes
            self._refused.clear()
        self.losses.look(now)
        silent = [key for key, at in self.heard.items() if now - at > self.options.timeout_s]
        for key in silent:
            self._forget(key)
        for target, group in list(self._by_target.items()):
            group.flush(now)
            if group.target.intake.ended or group.target.gone:
                group.end(None)
            if group.over:
                self._leave(target, group, now)
            else:
                self._report(group, now)

    def close(self) -> None:
        """End everything; who sends is told."""
        for target, group in list(self._by_target.items()):
            receiver = group.target.intake.receiver
            for _, data in receiver.farewells() if receiver is not None else ():
                self._answer(group, data)
            if isinstance(group.target, Publication):
                group.end(ConnectionFailed("the server stops listening here"))
            self._leave(target, group, self.ctx.clock.now())

    def _take_report(self, name: bytes, data: memoryview, now: float, *, muxed: bool) -> None:
        """Take a datagram of RTCP, whose sender is known by host and SSRC."""
        if len(data) < MIN_RTCP_BYTES:
            self.invalid += 1
            return
        ssrc = ssrc_of_report(data)[0]
        host = address_of(name)[0]
        for group in self._by_target.values():
            peers = group.senders.get(ssrc)
            if peers is not None and address_of(peers.media)[0] == host:
                peers.reports, peers.muxed = name, muxed
                group.feed_rtcp(data, now)
                return
        if len(data) <= MAX_KEPT_BYTES:
            self._early[host, ssrc] = Early(name, bytes(data), muxed)
        if len(self._early) > MAX_EARLY:
            self._early.popitem(last=False)

    def _meet(self, key: bytes, name: bytes, data: memoryview, now: float) -> Group | None:
        """Take a packet of a source that is not known."""
        if self._refused.get(key, now) > now:
            return None
        sequence, ssrc = identity(data)
        expected, first = self._unproven.pop(key, (-1, b""))
        if expected != sequence:
            kept = bytes(data) if len(data) <= MAX_KEPT_BYTES else b""
            self._unproven[key] = ((sequence + 1) & SEQUENCE_MASK, kept)
            if len(self._unproven) > MAX_UNPROVEN:
                self._unproven.popitem(last=False)
            return None
        group = self._place(ssrc, address_of(name))
        if isinstance(group, str):
            self._refuse(key, ssrc, name, group, now)
            return None
        peers = group.senders[ssrc] = Peers(media=name)
        self.groups[key] = group
        early = self._early.pop((address_of(name)[0], ssrc), None)
        if early is not None:
            peers.reports, peers.muxed = early.name, early.muxed
            group.feed_rtcp(memoryview(early.data), now)
        self._refused.pop(key, None)
        if first:
            group.feed(memoryview(first), now)
        return group

    def _place(self, ssrc: int, sender: Address) -> Group | str:
        """The group of a new source, or why it has none."""
        if len(self.groups) >= self.options.max_senders:
            return f"more than {self.options.max_senders} senders"
        inlet = self.switchboard.find(ssrc, sender[0])
        if inlet is not None:
            group = self._by_target.get(inlet)
            if group is None:
                inlet.losses = self.losses
                group = self._by_target[inlet] = Group(Waiting(inlet))
            return group
        if not self.options.stream:
            return "no input waits for it"
        stream = self.options.stream.replace("{ssrc}", f"{ssrc:08x}")
        stream = stream.replace("{ip}", plain(sender[0]))
        group = self._by_target.get(stream)
        if group is None:
            return self._publish(stream, sender)
        if isinstance(group.target, Publication) and group.target.ip != sender[0]:
            # Leave was given to an address, not to everybody who comes after it.
            return f"stream `{stream}` already has a publisher"
        return group

    def _publish(self, stream: str, sender: Address) -> Group | str:
        """A group that publishes, or why it may not."""
        intake = Intake(secrets.randbits(32), self.options.reorder_ms / 1000)

        def kick(reason: str) -> None:
            group = self._by_target.get(stream)
            if group is not None:
                group.end(ConnectionFailed(reason))

        found = publish(self.gate, stream, sender, intake, kick)
        if isinstance(found, Refusal):
            return found.message
        found.losses = self.losses
        group = self._by_target[stream] = Group(found)
        return group

    def _refuse(self, key: bytes, ssrc: int, name: bytes, reason: str, now: float) -> None:
        """Leave a source out for a while."""
        if key not in self._refused:
            host, port = address_of(name)
            self.ctx.log.info("rtp: %s:%d, SSRC 0x%08x: %s", host, port, ssrc, reason)
        self._refused[key] = now + REFUSED_S
        if len(self._refused) > MAX_REFUSED:
            self._refused.popitem(last=False)

    def _report(self, group: Group, now: float) -> None:
        """Send the reports of one group that are due."""
        receiver = group.target.intake.receiver
        if receiver is None:
            return
        for track, data in receiver.reports(now):
            reception = receiver.channels[track].reception
            peers = group.senders.get(reception.ssrc) if reception is not None else None
            if peers is not None and self.media is not None:
                peers.answer(data, self.media, self.reports)

    def _answer(self, group: Group, data: bytes) -> None:
        """Send something to every sender of a group."""
        for peers in group.senders.values():
            if self.media is not None:
                peers.answer(data, self.media, self.reports)

    def _forget(self, key: bytes) -> None:
        """A sender has gone; its group ends with the last one."""
        del self.heard[key]
        group = self.groups.pop(key)
        name, ssrc = key[:-SSRC_BYTES], int.from_bytes(key[-SSRC_BYTES:], "big")
        peers = group.senders.get(ssrc)
        # It may go on from another port: routers give new ones.
        if peers is not None and peers.media == name:
            del group.senders[ssrc]
        if not group.senders:
            group.end(None)

    def _leave(self, target: object, group: Group, now: float) -> None:
        """A group is over."""
        self._by_target.pop(target, None)
        for key in [key for key, known in self.groups.items() if known is group]:
            del self.groups[key]
            self.heard.pop(key, None)
            if group.refused:
                self._refused[key] = now + REFUSED_S


def plain(host: str) -> str:
    """A host as a part of a code, which has neither colons nor dots."""
    return host.replace(":", "-").replace(".", "-").replace("%", "-")
