"""The doors of a process: what listens, where, and what happens when it stops or moves.

A service that can't bind fails the start of whoever opens it; one that fails later is reported,
because a server without one of its doors must not look healthy. When doors change, new ones are
open before old ones close, peers stay where the door lets them, and a failure brings back what was
there.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import anyio

from streamctl.errors import MissingLibrary, StreamctlError
from streamctl.net.address import show
from streamctl.sdk.endpoints import Retirable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anyio.abc import TaskGroup, TaskStatus

    from streamctl.config.model import ListenerConfig
    from streamctl.engine.services import Services
    from streamctl.sdk.endpoints import Address, Gate, Listener
    from streamctl.sdk.plugin import ProtocolPlugin

Service = Callable[[Callable[["Address"], None]], Awaitable[None]]
"""Serves until cancelled; calls its argument with the bound address."""

log = logging.getLogger("streamctl.server")

CLOSE_S = 2.0
"""How long a door that closes is waited for: whoever changes the configuration waits, too."""


class Porter(Protocol):
    """What stands at a door; also :class:`~streamctl.sdk.endpoints.Retirable` if it can be."""

    async def serve(self, ready: Callable[[Address], None]) -> None:
        """Serve until cancelled, or retired and left by all; ``ready`` gets the bound address."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """What shall listen."""

    config: object
    """A door whose value differs is another one."""
    port: int
    """0 = any."""
    make: Callable[[], Porter]


@dataclass(slots=True, eq=False)
class Door:
    """What listens."""

    kind: str
    porter: Porter
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)
    opened: bool = False
    leaving: bool = False

    async def close(self) -> None:
        """Close it with everybody inside."""
        self.leaving = True
        self.scope.cancel()
        with anyio.move_on_after(CLOSE_S, shield=True) as waiting:
            await self.ended.wait()
        if waiting.cancelled_caught:
            log.warning("%s takes long to close", self.kind)

    async def give_way(self) -> None:
        """Free the address, and let the peers stay if they can."""
        self.leaving = True
        if isinstance(self.porter, Retirable):
            try:
                self.porter.retire()
            except Exception:
                log.exception("%s could not retire, so it closes", self.kind)
            else:
                return
        await self.close()


class Plain:
    """A :class:`Porter` made of a function."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def serve(self, ready: Callable[[Address], None]) -> None:
        """Serve until cancelled."""
        await self.service(ready)


class Reception:
    """A :class:`Porter` made of a plugin's listener that stays with its door."""

    def __init__(self, listener: Listener, gate: Gate) -> None:
        self.listener = listener
        self.gate = gate

    async def serve(self, ready: Callable[[Address], None]) -> None:
        """Serve until cancelled."""
        await self.listener.serve(self.gate, ready=ready)


class YieldingReception(Reception):
    """The same of a listener that can retire."""

    def retire(self) -> None:
        """Free the address; peers that are connected stay."""
        assert isinstance(self.listener, Retirable)
        self.listener.retire()


class Doors:
    """Listeners and services, each in a task of its own."""

    def __init__(self, services: Services, failed: Callable[[StreamctlError], None]) -> None:
        self.services = services
        self.addresses: dict[str, Address] = {}
        """Bound addresses by kind; ``http`` and ``api`` too."""
        self.lost: dict[str, str] = {}
        """Doors that should be open, with the reason why they are not."""
        self._failed = failed
        self._wanted: dict[str, Entrance] = {}
        self._doors: dict[str, Door] = {}
        self._standing: set[Door] = set()
        """Those that have given way, too, while somebody is inside."""

    def entrance(
        self, gate: Gate, plugin: ProtocolPlugin, config: ListenerConfig, *, part: object = None
    ) -> Entrance:
        """That of a plugin's listener; ``part`` is what else it is made from."""

        def make() -> Porter:
            context = self.services.context(plugin.kind)
            listener = plugin.listener(config.address, config.options, context)
            kind = YieldingReception if isinstance(listener, Retirable) else Reception
            return kind(listener, gate)

        return Entrance((config, part), config.address.port, make)

    async def listen(
        self, tasks: TaskGroup, gate: Gate, plugin: ProtocolPlugin, config: ListenerConfig
    ) -> None:
        """Open the listener that every kind has.

        Where the system lacks what the plugin needs, there is a warning and no listener.

        Raises:
            StreamctlError: it could not start.
        """
        await self._open(tasks, plugin.kind, self.entrance(gate, plugin, config))

    async def open(self, tasks: TaskGroup, kind: str, service: Service) -> None:
        """Start a service and wait until its address is bound.

        Raises:
            StreamctlError: it could not start.
        """
        await self._open(tasks, kind, Entrance(service, 0, lambda: Plain(service)))

    async def become(self, tasks: TaskGroup, entrances: Mapping[str, Entrance]) -> None:
        """Have these doors and no others.

        Raises:
            StreamctlError: one can't be opened; everything is as it was.
        """
        before, doors, addresses = dict(self._wanted), dict(self._doors), dict(self.addresses)
        new = [
            kind
            for kind, entrance in entrances.items()
            if kind not in before or before[kind].config != entrance.config
        ]
        gone = [kind for kind in before if kind not in entrances or kind in new]
        ports = {entrances[kind].port for kind in new} - {0}
        aside = [kind for kind in gone if before[kind].port in ports]
        await self._leave(doors[kind] for kind in aside if kind in doors)
        try:
            for kind in new:
                await self._open(tasks, kind, entrances[kind])
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._close(kind for kind in new if self._doors.get(kind) != doors.get(kind))
                self._doors, self.addresses = doors, self._kept(addresses)
                await self._reopen(tasks, {kind: before[kind] for kind in aside})
            raise
        await self._leave(doors[kind] for kind in gone if kind in doors and kind in entrances)
        self._wanted = dict(entrances)
        for kind in set(before) - set(entrances):
            await self._remove(kind)

    async def _leave(self, doors: Iterable[Door]) -> None:
        """Have doors give way."""
        for door in doors:
            if not door.leaving:
                log.info("not listening any more kind=%s", door.kind)
                await door.give_way()

    async def _remove(self, kind: str) -> None:
        """Close every door of a kind, with those inside of its former ones."""
        log.info("not listening any more kind=%s", kind)
        self._forget(kind)
        for door in [one for one in self._standing if one.kind == kind]:
            await door.close()

    async def _close(self, kinds: Iterable[str]) -> None:
        for kind in kinds:
            door = self._doors.get(kind)
            if door is not None:
                await door.close()

    async def _reopen(self, tasks: TaskGroup, entrances: Mapping[str, Entrance]) -> None:
        """Open doors again that had made place for others."""
        for kind, entrance in entrances.items():
            try:
                await self._open(tasks, kind, entrance)
            except StreamctlError as error:
                log.error("%s can't be opened again: %s", kind, error)
                self._forget(kind)
                self._wanted.pop(kind, None)
                self.lost[kind] = str(error)

    def _kept(self, addresses: dict[str, Address]) -> dict[str, Address]:
        """The mapping of addresses with its former content."""
        self.addresses.clear()
        self.addresses.update(addresses)
        self.services.ports.clear()
        self.services.ports.update({kind: where[1] for kind, where in addresses.items()})
        return self.addresses

    def _forget(self, kind: str) -> None:
        self._doors.pop(kind, None)
        self.addresses.pop(kind, None)
        self.services.ports.pop(kind, None)
        self.lost.pop(kind, None)

    async def _open(self, tasks: TaskGroup, kind: str, entrance: Entrance) -> None:
        try:
            door = Door(kind, entrance.make())
            await tasks.start(self._serve, door)
        except MissingLibrary as error:
            # The rest of the server works without.
            log.warning("no listener for %s: %s (%s)", kind, error, error.hint)
            return
        self._doors[kind] = door
        self.lost.pop(kind, None)

    async def _serve(self, door: Door, *, task_status: TaskStatus[None]) -> None:
        def ready(address: Address) -> None:
            door.opened = True
            self.addresses[door.kind] = address
            self.services.ports[door.kind] = address[1]
            log.info("listening kind=%s address=%s", door.kind, show(address))
            task_status.started()

        self._standing.add(door)
        try:
            with door.scope:
                await door.porter.serve(ready)
        except Exception as error:
            if not door.opened:
                raise
            log.exception("%s stopped serving", door.kind)
            if not door.leaving:
                self._failed(StreamctlError(f"{door.kind} stopped serving: {error}"))
        finally:
            self._standing.discard(door)
            door.ended.set()
