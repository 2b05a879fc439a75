"""Inputs: RTP on ports of their own, or what comes to the listener for them."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from streamctl.errors import ConnectionFailed
from streamctl.net.udp import failure
from streamctl.net.udp_socket import Reception
from streamctl.sdk.session import Transit
from streamctl_rtp import description
from streamctl_rtp.address import place
from streamctl_rtp.losses import Losses
from streamctl_rtp.options import of_input
from streamctl_rtp.port import Port, opened
from streamctl_rtp.switchboard import Inlet
from streamctl_rtp.wire.intake import Intake

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.url import StreamURL
    from streamctl_rtp.options import RtpInputOptions
    from streamctl_rtp.switchboard import Switchboard
    from streamctl_rtp.wire.intake import Described

TICK_S = 0.05
"""How long a packet that is missing may be waited for beyond its time."""


class RtpSource:
    """Implements ``Source``, ``Patient``, ``Measured`` and ``Numbered`` of the SDK's endpoints."""

    duration_s = 0.0
    """A live stream has no length."""

    def __init__(
        self, url: StreamURL, options: RtpInputOptions, ctx: Context, switchboard: Switchboard
    ) -> None:
        """Read the URL.

        Raises:
            ConfigError: it doesn't tell where to receive, or its query can't be understood.
        """
        self.url = url
        self.ctx = ctx
        self.options = of_input(url, options, ctx.log.warning)
        self.place = place(url, self.options)
        self.switchboard = switchboard
        self.intake: Intake | None = None
        self.losses = Losses(url.redacted, ctx)
        self._inlet: Inlet | None = None

    @property
    def waiting(self) -> str:
        """What is waited for; empty when media should come."""
        inlet = self._inlet
        if inlet is None or inlet.came:
            return ""
        if not self.switchboard.listeners:
            return "waiting for a listener: no `[listeners.rtp]` is open"
        return "waiting for a sender at the RTP listener"

    async def run(self, out: EpochWriter) -> None:
        """Receive into the epoch until cancelled: datagrams have no end.

        Raises:
            ConfigError: the session description can't be read.
            ConnectionFailed: the address can't be used, or no longer.
            MediaError: what comes can't be told, and nothing describes it.
            StaleEpoch: the epoch has ended.
        """
        self.options.choose(out)
        described: list[Described] = []
        group = ""
        if self.options.sdp:
            session = await description.read(self.ctx, self.options.sdp)
            described = description.tracks(session, self.place.address[1])
            group = description.host(session)
        if self.place.shared:
            await self._wait(out, [replace(one, port=0) for one in described])
        else:
            await self._receive(out, described, self.place.address[0] or group)

    def measure(self) -> Mapping[str, object]:
        """What was counted of each track, and where datagrams were lost."""
        intake = self.intake
        if intake is None:
            return {}
        found: dict[str, object] = {"strange_packets": intake.strange}
        if intake.unknown:
            found["unknown_payload_types"] = sorted(intake.unknown)
        if intake.receiver is not None:
            found["tracks"] = intake.receiver.measure()
        listener = self._inlet.losses if self._inlet is not None else None
        return found | (listener or self.losses).measure()

    def transit(self) -> Transit:
        """What became of the packets."""
        receiver = self.intake.receiver if self.intake is not None else None
        return Transit() if receiver is None else Transit(receiver.came, receiver.lost)

    def _intake(self, described: Sequence[Described]) -> Intake:
        self.intake = Intake(secrets.randbits(32), self.options.reorder_ms / 1000, described)
        return self.intake

    async def _wait(self, out: EpochWriter, described: Sequence[Described]) -> None:
        """Have the listener's packets until something goes wrong."""
        options = self.options
        inlet = Inlet(options.ssrc, options.sender, self._intake(described), out)
        self._inlet = inlet
        self.switchboard.wait(inlet)
        try:
            await inlet.ended.wait()
        finally:
            self.switchboard.leave(inlet)
            self._inlet = None
        raise inlet.error or ConnectionFailed("the sender has gone")

    async def _receive(self, out: EpochWriter, described: Sequence[Described], host: str) -> None:
        """Receive on ports of this input alone."""
        options, ctx = self.options, self.ctx
        intake = self._intake(described)
        tracks = [one.port for one in described] or [self.place.address[1]]

        def deliver(now: float) -> None:
            intake.deliver(out, now)

        ports = {number: Port(number, intake, ctx, deliver) for number in sorted(set(tracks))}
        reception = Reception(
            (host, 0), options.interface, options.source, options.receive_buffer_bytes
        )
        async with opened(list(ports.values()), reception, ctx) as receivers:
            self.losses.watch(receivers, options.receive_buffer_bytes)
            by_track = {track: ports[number] for track, number in enumerate(tracks)}
            lone = ports[tracks[0]]
            try:
                await self._follow(intake, lambda track: by_track.get(track, lone), deliver)
            finally:
                self._say_farewell(by_track.get(0, lone))
        raise failure(next(one for one in receivers if one.ended.is_set()), self.url.redacted)

    async def _follow(
        self,
        intake: Intake,
        port_of: Callable[[int], Port],
        deliver: Callable[[float], None],
    ) -> None:
        """Do what is to be done again and again, until a port can't be received on any more."""
        clock = self.ctx.clock
        while not any(receiver.ended.is_set() for receiver in self.losses.receivers):
            await clock.sleep(TICK_S)
            now = clock.now()
            intake.poll(now)
            deliver(now)
            for track, data in intake.reports(now):
                port_of(track).answer(data)
            self.losses.look(now)

    def _say_farewell(self, port: Port) -> None:
        """Tell the sender that nobody receives any more."""
        assert self.intake is not None
        if self.intake.receiver is not None:
            for _, data in self.intake.receiver.farewells():
                port.answer(data)
