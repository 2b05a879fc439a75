from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.config.address import Address
from streamctl.config.model import ListenerConfig
from streamctl.engine.doors import Doors
from streamctl.engine.gate import EngineGate
from streamctl.errors import ConnectionFailed, MissingLibrary, StreamctlError
from streamctl.sdk.plugin import Cap, Empty, ProtocolPlugin
from tests.streamctl.engine.rig import Rig

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

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
