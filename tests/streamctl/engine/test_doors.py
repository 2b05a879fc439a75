from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.config.address import Address
from streamctl.config.model import ListenerConfig
from streamctl.engine.doors import Doors, Entrance
from streamctl.engine.gate import EngineGate
from streamctl.errors import ConnectionFailed, MissingLibrary, StreamctlError
from streamctl.sdk.plugin import Cap, Empty, ProtocolPlugin
from tests.streamctl.engine.rig import Rig
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Any

    from anyio.abc import TaskGroup

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Address as Bound
    from streamctl.sdk.endpoints import Gate, Listener

pytestmark = pytest.mark.anyio


class KnockPlugin(ProtocolPlugin):
    """Listens at the address it is given, and keeps the gate."""

    kind = "knock"
    caps = Cap.LISTEN

    def __init__(self) -> None:
        self.gate: Gate | None = None

    def listener(self, address: tuple[str, int], options: Any, ctx: Context) -> Listener:
        outer = self

        class Knock:
            async def serve(self, gate: Gate, *, ready: Callable[[Bound], None]) -> None:
                outer.gate = gate
                ready(address)
                await anyio.sleep_forever()

        return Knock()


def unexpected(error: StreamctlError) -> None:
    raise AssertionError from error


async def test_a_listener_is_open_when_its_address_is_known() -> None:
    services, plugin = Rig().services, KnockPlugin()
    doors = Doors(services, unexpected)
    gate = EngineGate({}, services.sessions)
    async with anyio.create_task_group() as tasks:
        config = ListenerConfig(address=Address("127.0.0.1", 7), options=Empty())
        await doors.listen(tasks, gate, plugin, config)
        assert plugin.gate is gate
        assert doors.addresses == {"knock": ("127.0.0.1", 7)}
        assert services.ports["knock"] == 7
        tasks.cancel_scope.cancel()


async def test_what_can_not_bind_fails_whoever_opens_it() -> None:
    async def service(ready: object) -> None:
        raise ConnectionFailed("taken")

    doors = Doors(Rig().services, unexpected)
    async with anyio.create_task_group() as tasks:
        with pytest.raises(ConnectionFailed, match="taken"):
            await doors.open(tasks, "api", service)
    assert doors.addresses == {}


async def test_what_fails_later_is_reported() -> None:
    failures: list[StreamctlError] = []
    broken = anyio.Event()

    async def service(ready: Callable[[Bound], None]) -> None:
        ready(("127.0.0.1", 9))
        await broken.wait()
        raise OSError("gone")

    doors = Doors(Rig().services, failures.append)
    async with anyio.create_task_group() as tasks:
        await doors.open(tasks, "api", service)
        broken.set()
    assert [str(failure) for failure in failures] == ["api stopped serving: gone"]


async def test_what_the_system_lacks_costs_one_listener(caplog: pytest.LogCaptureFixture) -> None:
    class LackingPlugin(KnockPlugin):
        def listener(self, address: tuple[str, int], options: Any, ctx: Context) -> Listener:
            raise MissingLibrary("`knock` needs libknock", hint="apt install libknock1")

    services = Rig().services
    doors = Doors(services, unexpected)
    gate = EngineGate({}, services.sessions)
    config = ListenerConfig(address=Address("127.0.0.1", 7), options=Empty())
    async with anyio.create_task_group() as tasks:
        await doors.listen(tasks, gate, LackingPlugin(), config)
        await doors.listen(tasks, gate, KnockPlugin(), config)
        assert list(doors.addresses) == ["knock"]
        tasks.cancel_scope.cancel()
    [line] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "needs libknock (apt install libknock1)" in line


class Street:
    """Addresses, each of which one may have at a time."""

    def __init__(self) -> None:
        self.taken: dict[int, str] = {}
        self.log: list[str] = []
        self.broken: set[str] = set()


class Keeper:
    """Stands at a door, with one peer inside for as long as the test wants."""

    def __init__(self, street: Street, name: str, port: int) -> None:
        self.street = street
        self.name = name
        self.port = port
        self.alone = anyio.Event()

    async def serve(self, ready: Callable[[Bound], None]) -> None:
        if self.port in self.street.taken or self.name in self.street.broken:
            raise ConnectionFailed(f"{self.port} is taken")
        self.street.taken[self.port] = self.name
        self.street.log.append(f"{self.name} opens")
        try:
            ready(("127.0.0.1", self.port))
            await self.alone.wait()
            self.street.log.append(f"{self.name} left by all")
        except BaseException:
            self.street.log.append(f"{self.name} closed")
            raise
        finally:
            self.free()

    def free(self) -> None:
        if self.street.taken.get(self.port) == self.name:
            del self.street.taken[self.port]


class YieldingKeeper(Keeper):
    """One that can retire."""

    def retire(self) -> None:
        self.street.log.append(f"{self.name} retires")
        self.free()


class Town:
    """Doors in a street."""

    def __init__(self, tasks: TaskGroup) -> None:
        self.tasks = tasks
        self.street = Street()
        self.services = Rig().services
        self.doors = Doors(self.services, unexpected)
        self.keepers: dict[str, Keeper] = {}

    async def become(self, **wanted: tuple[str, int]) -> list[str]:
        """Have doors of these names and ports by kind; what happened on the way."""
        self.street.log.clear()
        await self.doors.become(
            self.tasks,
            {kind: self.entrance(name, port) for kind, (name, port) in wanted.items()},
        )
        await anyio.wait_all_tasks_blocked()
        return list(self.street.log)

    def entrance(self, name: str, port: int) -> Entrance:
        """Names that begin with a capital can't retire."""

        def make() -> Keeper:
            kind = Keeper if name[0].isupper() else YieldingKeeper
            self.keepers[name] = kind(self.street, name, port)
            return self.keepers[name]

        return Entrance(name, port, make)


@asynccontextmanager
async def town() -> AsyncIterator[Town]:
    async with anyio.create_task_group() as tasks:
        yield Town(tasks)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("wanted", "happened"),
    [
        pytest.param({"x": ("x1", 1), "Y": ("Y1", 2)}, [], id="nothing"),
        pytest.param({"x": ("x2", 3), "Y": ("Y1", 2)}, ["x2 opens", "x1 retires"], id="moves"),
        pytest.param({"x": ("x2", 1), "Y": ("Y1", 2)}, ["x1 retires", "x2 opens"],
                     id="changes where it is"),
        pytest.param({"x": ("x1", 1), "Y": ("Y2", 4)}, ["Y2 opens", "Y1 closed"],
                     id="one that can't retire moves"),
        pytest.param({"x": ("x1", 1), "Y": ("Y2", 2)}, ["Y1 closed", "Y2 opens"],
                     id="one that can't retire changes"),
        pytest.param({"x": ("x1", 1)}, ["Y1 closed"], id="one goes"),
        pytest.param({"Y": ("Y1", 2)}, ["x1 closed"], id="one that could retire goes"),
        pytest.param({"x": ("x1", 1), "Y": ("Y1", 2), "z": ("z1", 3)}, ["z1 opens"], id="one more"),
        pytest.param({"z": ("z1", 1), "Y": ("Y1", 2)}, ["x1 retires", "z1 opens", "x1 closed"],
                     id="another at the same place"),
        pytest.param({"x": ("x2", 2), "Y": ("Y2", 1)},
                     ["x1 retires", "Y1 closed", "x2 opens", "Y2 opens"], id="they swap"),
    ],
)  # fmt: skip
async def test_doors_become_others(wanted: dict[str, tuple[str, int]], happened: list[str]) -> None:
    async with town() as place:
        await place.become(x=("x1", 1), Y=("Y1", 2))
        assert await place.become(**wanted) == happened
        ports = {kind: port for kind, (_, port) in wanted.items()}
        assert {kind: where[1] for kind, where in place.doors.addresses.items()} == ports
        assert place.services.ports == ports
        assert sorted(place.street.taken) == sorted(ports.values())
        assert await place.become(**wanted) == []


@pytest.mark.parametrize(
    ("wanted", "happened"),
    [
        pytest.param({"x": ("x2", 3), "Y": ("Y1", 2), "z": ("bad", 4)},
                     ["x2 opens", "x2 closed"], id="what was open already closes again"),
        pytest.param({"x": ("x2", 1), "Y": ("Y1", 2), "z": ("bad", 4)},
                     ["x1 retires", "x2 opens", "x2 closed", "x1 opens"],
                     id="what had made place comes back"),
        pytest.param({"z": ("bad", 4)}, [], id="what would have gone stays"),
        pytest.param({"z": ("bad", 1)}, ["x1 retires", "x1 opens"],
                     id="what would have gone keeps its peers"),
        pytest.param({"x": ("x1", 1), "Y": ("bad", 2)}, ["Y1 closed", "Y1 opens"],
                     id="one that can't retire is opened anew"),
    ],
)  # fmt: skip
async def test_a_door_that_can_not_open_leaves_everything_as_it_was(
    wanted: dict[str, tuple[str, int]], happened: list[str]
) -> None:
    async with town() as place:
        await place.become(x=("x1", 1), Y=("Y1", 2))
        place.street.broken.add("bad")
        with pytest.raises(ConnectionFailed, match="taken"):
            await place.become(**wanted)
        await anyio.wait_all_tasks_blocked()
        assert place.street.log == happened
        assert place.street.taken == {1: "x1", 2: "Y1"}
        assert place.services.ports == {"x": 1, "Y": 2}
        assert place.doors.lost == {}
        assert await place.become(x=("x1", 1), Y=("Y1", 2)) == []
        assert await place.become(x=("x3", 1)) == ["x1 retires", "x3 opens", "Y1 closed"]


async def test_a_place_that_is_lost_meanwhile_is_named_until_it_is_won_back() -> None:
    async with town() as place:
        await place.become(x=("x1", 1))
        place.street.broken |= {"bad", "x1"}
        with pytest.raises(ConnectionFailed):
            await place.become(x=("x2", 1), z=("bad", 2))
        assert place.doors.lost == {"x": "1 is taken"}
        assert place.doors.addresses == {}
        place.street.broken.clear()
        assert await place.become(x=("x1", 1)) == ["x1 opens"]
        assert place.doors.lost == {}


async def test_a_kind_that_goes_takes_along_those_inside_of_former_doors() -> None:
    async with town() as place:
        await place.become(x=("x1", 1))
        await place.become(x=("x2", 2))
        await place.become(x=("x3", 2), Y=("Y1", 3))
        assert sorted(await place.become(Y=("Y1", 3))) == ["x1 closed", "x2 closed", "x3 closed"]


async def test_a_door_that_does_not_close_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streamctl.engine.doors.CLOSE_S", 0.01)
    async with town() as place:
        await place.become(x=("x1", 1), Y=("Y1", 2))
        stubborn, release = place.keepers["x1"], anyio.Event()

        async def serve(ready: Callable[[Bound], None]) -> None:
            ready(("127.0.0.1", 3))
            with anyio.CancelScope(shield=True):
                await release.wait()

        monkeypatch.setattr(stubborn, "serve", serve)
        monkeypatch.setattr(
            place, "entrance", lambda name, port: Entrance(name, 3, lambda: stubborn)
        )
        await place.become(z=("x1", 3))
        with anyio.fail_after(PATIENCE_S):
            await place.become()
        assert place.doors.addresses == {}
        assert "z takes long to close" in caplog.text
        release.set()


async def test_a_door_that_fails_to_retire_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    def retire(keeper: YieldingKeeper) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(YieldingKeeper, "retire", retire)
    async with town() as place:
        await place.become(x=("x1", 1))
        assert await place.become(x=("x2", 1)) == ["x1 closed", "x2 opens"]
        assert place.doors.addresses == {"x": ("127.0.0.1", 1)}


async def test_a_retired_door_ends_when_the_last_peer_has_gone() -> None:
    async with town() as place:
        await place.become(x=("x1", 1))
        first = place.keepers["x1"]
        await place.become(x=("x2", 2))
        first.alone.set()
        await anyio.wait_all_tasks_blocked()
        assert place.street.log[-1] == "x1 left by all"
        assert place.doors.addresses == {"x": ("127.0.0.1", 2)}
