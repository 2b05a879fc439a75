"""Decides about callers of the SRT port before their connections are there.

libsrt asks in the thread that handles every datagram of the port, so the answer comes from memory,
and whatever goes wrong is a refusal: libsrt would take an exception for a yes. What the loop counts
and logs is posted to it.

Publishers get a reservation. It ends with its handshake, be it in a connection, in an error of it,
or in silence; until then another publisher of the stream is refused as if the first were there.
A caller who does not say what for is let in for either; what it does next decides.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamctl.errors import RemoteProtocolError
from streamctl.sdk.session import Action, Grant, Refusal, RefusalCode, Request
from streamctl_srt.constants import Option, State
from streamctl_srt.endpoint import Endpoint
from streamctl_srt.reject import CODES, INTERNAL
from streamctl_srt.structs import ListenCallback, from_sockaddr
from streamctl_srt.wire.streamid import StreamId

if TYPE_CHECKING:
    from pydantic import SecretStr

    from streamctl.sdk.endpoints import Address, Gate
    from streamctl_srt.library import Library
    from streamctl_srt.options import OutputOptions
    from streamctl_srt.reader import Reader

PROTOCOL = "srt"
RESERVED_S = 3.0
"""How long a handshake may take that was let in."""
REFUSED, ACCEPTED = -1, 0
OVER = frozenset({State.BROKEN, State.CLOSING, State.CLOSED, State.NONEXIST})
SHOWN = 60
"""Characters of a stream id that are logged."""

log = logging.getLogger("streamctl.srt")


@dataclass(slots=True)
class Admitted:
    """A caller that was let in, on its way through the handshake."""

    address: Address
    stream_id: StreamId
    grants: dict[Action, Grant]
    """For what; both without a mode."""
    passphrase: SecretStr | None
    """What the connection is encrypted with; None = not encrypted."""
    since: float


class Admission:
    """The door of one port."""

    def __init__(self, gate: Gate, reader: Reader, library: Library, limit: int) -> None:
        self.gate = gate
        self.reader = reader
        self.library = library
        self.limit = limit
        """Connections at the same time."""
        self.connections = 0
        """Accepted and not over; set by the loop."""
        self.closing = False
        self.callback = ListenCallback(self.ask)
        self._admitted: dict[int, Admitted] = {}
        """By number of the socket that is to be."""
        self._lock = threading.Lock()

    def ask(self, opaque: object, number: int, version: int, peer: Any, text: bytes) -> int:
        """Answer libsrt; in its thread."""
        del opaque, version
        endpoint = Endpoint(self.library, number)
        try:
            address = from_sockaddr(peer.contents)
            refusal = self._decide(endpoint, address, (text or b"").decode(errors="replace"))
        except Exception:
            log.exception("a caller could not be judged")
            endpoint.reject(INTERNAL)
            return REFUSED
        if refusal is None:
            return ACCEPTED
        endpoint.reject(CODES.get(refusal.code, INTERNAL))
        return REFUSED

    def take(self, number: int) -> Admitted | None:
        """What was decided about a connection that is there now; forgets it."""
        with self._lock:
            return self._admitted.pop(number, None)

    def expire(self, now: float) -> None:
        """Forget handshakes that came to nothing; about once a second, in the loop."""
        with self._lock:
            gone = [
                self._admitted.pop(number)
                for number, one in list(self._admitted.items())
                if now - one.since > RESERVED_S or self._over(number)
            ]
        for one in gone:
            if one.passphrase is not None:
                reason = "the handshake was not finished; the passphrase may be wrong or missing"
            else:
                reason = "the handshake was not finished; does the caller encrypt?"
            action = next(iter(one.grants))
            request = one.grants[action].request
            self.gate.refuse(request, Refusal(RefusalCode.UNAUTHORIZED, reason))

    def _decide(self, endpoint: Endpoint, address: Address, text: str) -> Refusal | None:
        """Let a caller in, or say why not."""
        if self.closing:
            return Refusal(RefusalCode.SHUTDOWN, "the server is shutting down")
        try:
            stream_id = StreamId.parse(text)
        except RemoteProtocolError as error:
            request = Request(PROTOCOL, Action.PLAY, text[:SHOWN], *address)
            return self._refuse(request, Refusal(RefusalCode.BAD_REQUEST, error.message))
        actions = [stream_id.action] if stream_id.action else [Action.PUBLISH, Action.PLAY]
        answers = {action: self._answer(stream_id, action, address) for action in actions}
        grants = {action: one for action, one in answers.items() if isinstance(one, Grant)}
        if not grants:
            action, answer = answers.popitem()
            assert isinstance(answer, Refusal)
            return self._refuse(request_of(stream_id, action, address), answer)
        passphrase = prepare(endpoint, grants)
        admitted = Admitted(address, stream_id, grants, passphrase, time.monotonic())
        with self._lock:
            self._admitted[endpoint.number] = admitted
        return None

    def _answer(self, stream_id: StreamId, action: Action, address: Address) -> Grant | Refusal:
        """What the gate says, and what is on its way to it."""
        answer = self.gate.peek(request_of(stream_id, action, address))
        if isinstance(answer, Refusal):
            return answer
        with self._lock:
            # A caller who asks again, because an answer was lost, takes its own place.
            others = {n: one for n, one in self._admitted.items() if one.address != address}
            if self.connections + len(others) >= self.limit:
                return Refusal(RefusalCode.LIMIT, f"the SRT port takes {self.limit} connections")
            # Who gives wrong passphrases one after the other must not keep everybody else out.
            alike = sum(one.address[0] == address[0] for one in others.values())
            if alike >= (self.limit + 1) // 2:
                return Refusal(RefusalCode.LIMIT, f"{alike} handshakes of {address[0]} under way")
            if action is Action.PUBLISH and stream_id.action is action:
                for number, one in others.items():
                    if self._reserves(one, answer.code) and not self._over(number):
                        message = f"stream `{answer.code}` is about to have a publisher"
                        return Refusal(RefusalCode.BUSY, message)
        return answer

    def _reserves(self, one: Admitted, code: str) -> bool:
        grant = one.grants.get(Action.PUBLISH)
        return (
            grant is not None
            and grant.code == code
            and one.stream_id.action is Action.PUBLISH
            and time.monotonic() - one.since <= RESERVED_S
        )

    def _over(self, number: int) -> bool:
        return Endpoint(self.library, number).state() in OVER

    def _refuse(self, request: Request, refusal: Refusal) -> Refusal:
        """Have the loop count and log a refusal."""
        self.reader.post(lambda _: self.gate.refuse(request, refusal), None)
        return refusal


def request_of(
    stream_id: StreamId, action: Action, address: Address, user_agent: str = ""
) -> Request:
    """A wish as the gate reads it."""
    return Request(
        PROTOCOL,
        action,
        stream_id.path,
        *address,
        key=stream_id.key,
        user=stream_id.user,
        password=stream_id.password,
        query=stream_id.query,
        user_agent=user_agent,
    )


def passphrase_of(grant: Grant, action: Action) -> SecretStr | None:
    """What a stream wants its publishers or viewers to encrypt with."""
    options: OutputOptions = grant.options
    return options.publish_passphrase if action is Action.PUBLISH else options.read_passphrase


def prepare(endpoint: Endpoint, grants: dict[Action, Grant]) -> SecretStr | None:
    """Give the connection to be what the stream's table says; the passphrase it needs.

    Who may be either gets the passphrase of publishers while the stream waits for one.
    """
    action, grant = next(iter(grants.items()))
    options: OutputOptions = grant.options
    passphrase = passphrase_of(grant, action)
    if options.latency_ms is not None:
        endpoint.set(Option.RCVLATENCY, options.latency_ms)
        endpoint.set(Option.PEERLATENCY, options.latency_ms)
    if passphrase is not None:
        endpoint.set(Option.PASSPHRASE, passphrase.get_secret_value())
    return passphrase
