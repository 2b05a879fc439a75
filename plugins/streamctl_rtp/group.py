"""The senders of one stream at the listener, and where what they send goes.

An input that waits takes the packets itself. A stream that takes publishers is asked for leave by
the engine's gate, and gives a session that can be seen and closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from streamctl.errors import StreamctlError
from streamctl.sdk.session import Action, Refusal, RefusalCode, Request, Transit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamctl.sdk.endpoints import Address, Gate
    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.session import Session
    from streamctl_rtp.losses import Losses
    from streamctl_rtp.peers import Peers
    from streamctl_rtp.switchboard import Inlet
    from streamctl_rtp.wire.intake import Intake

PROTOCOL = "rtp"


class Target(Protocol):
    """Where the packets of a group go."""

    intake: Intake
    writer: EpochWriter

    @property
    def gone(self) -> bool:
        """Whether nobody takes the packets any more."""

    def count(self, size: int) -> None:
        """Bytes have come."""

    def end(self, error: Exception | None) -> None:
        """Nothing more comes, or can be taken; may be called twice."""


class Group:
    """The senders of one stream."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.senders: dict[int, Peers] = {}
        """By SSRC."""
        self.over = False
        self.refused = False
        """A publisher that was closed has to stay out for a while."""

    def feed(self, data: memoryview, now: float) -> None:
        """Take an RTP packet."""
        self.target.count(len(data))
        self._try(lambda: self.target.intake.feed(data, now))

    def feed_rtcp(self, data: memoryview, now: float) -> None:
        """Take a datagram of RTCP."""
        self._try(lambda: self.target.intake.feed_rtcp(data, now))

    def flush(self, now: float) -> None:
        """Go on with what has waited long enough, and hand over what is ready."""
        target = self.target

        def deliver() -> None:
            target.intake.poll(now)
            target.intake.deliver(target.writer, now)

        self._try(deliver)

    def end(self, error: Exception | None) -> None:
        """Give everything back."""
        if not self.over:
            self.over = True
            self.refused = error is not None and isinstance(self.target, Publication)
            self.target.end(error)

    def _try(self, action: Callable[[], object]) -> None:
        """Do something; what goes wrong ends this group and no other."""
        if self.over:
            return
        try:
            action()
        except Exception as error:
            self.end(error)


class Waiting:
    """An input that waited; implements :class:`Target`."""

    def __init__(self, inlet: Inlet) -> None:
        self.inlet = inlet
        self.intake = inlet.intake
        self.writer = inlet.writer
        inlet.came = True

    @property
    def gone(self) -> bool:
        """Whether the input waits no more."""
        return self.inlet.ended.is_set()

    def count(self, size: int) -> None:
        """Nothing: inputs are measured by the engine."""

    def end(self, error: Exception | None) -> None:
        """End the input, unless its sender has only fallen silent: another may come."""
        if error is not None:
            self.inlet.end(error)


class Publication:
    """A session at a stream that takes publishers; implements :class:`Target`."""

    gone = False

    def __init__(
        self, gate: Gate, ip: str, session: Session, writer: EpochWriter, intake: Intake
    ) -> None:
        self.gate = gate
        self.ip = ip
        self.session = session
        self.writer = writer
        self.intake = intake
        self.losses: Losses | None = None
        """Of the listener."""

    def count(self, size: int) -> None:
        """Bytes have come."""
        self.session.bytes_in += size

    def measure(self) -> Mapping[str, object]:
        """What was counted of each track, and where datagrams were lost."""
        found: dict[str, object] = {"strange_packets": self.intake.strange}
        if self.intake.receiver is not None:
            found["tracks"] = self.intake.receiver.measure()
        return found | (self.losses.measure() if self.losses is not None else {})

    def transit(self) -> Transit:
        """What became of the packets."""
        receiver = self.intake.receiver
        return Transit() if receiver is None else Transit(receiver.came, receiver.lost)

    def end(self, error: Exception | None) -> None:
        """Close the session."""
        reason = str(error) if error is not None else "the sender has gone"
        self.gate.close(self.session, reason)
        self.gate.release(PROTOCOL, self.ip)


def publish(
    gate: Gate, stream: str, sender: Address, intake: Intake, close: Callable[[str], None]
) -> Publication | Refusal:
    """A session for a sender, if the gate lets it in."""
    ip, port = sender
    refusal = gate.admit(PROTOCOL, ip)
    if refusal is not None:
        return refusal
    session = None
    try:
        answer = gate.check(Request(PROTOCOL, Action.PUBLISH, stream, ip, port))
        if isinstance(answer, Refusal):
            gate.release(PROTOCOL, ip)
            return answer
        session = gate.open(answer, close)
        found = Publication(gate, ip, session, gate.publish(answer, session), intake)
    except StreamctlError as error:
        if session is not None:
            gate.close(session, error.message)
        gate.release(PROTOCOL, ip)
        return Refusal(RefusalCode.BUSY, error.message)
    session.measure, session.transit = found.measure, found.transit
    return found
