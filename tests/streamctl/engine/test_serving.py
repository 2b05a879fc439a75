from __future__ import annotations

import anyio
import pytest

from streamctl.config.address import Address
from streamctl.engine.job import Job, JobOptions
from streamctl.engine.serving import HTTP, Serving
from streamctl.errors import ConnectionFailed, StreamctlError
from tests.streamctl.engine.rig import ScriptPlugin, WordsPlugin
from tests.streamctl.engine.test_ingest import whole
from tests.streamctl.engine.test_job import FakeRegistry

pytestmark = pytest.mark.anyio
ANY = Address("127.0.0.1", 0)


def job(serving: Serving) -> Job:
    options = JobOptions(code="tv", outputs=None)
    made = Job(FakeRegistry(ScriptPlugin(whole), WordsPlugin()), "script://h/x", options=options)
    made.parts.append(serving)
    return made


async def test_the_stream_has_a_door_while_the_job_runs() -> None:
    ports: list[int] = []

    def opened(serving: Serving) -> None:
        ports.append(serving.doors.addresses[HTTP][1])

    await job(Serving({HTTP: ANY}, opened=opened)).run()
    assert ports[0] > 0
    with pytest.raises(OSError, match=r"refused|failed"):
        await anyio.connect_tcp("127.0.0.1", ports[0])


async def test_a_port_that_is_taken_is_an_error_unless_another_will_do() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener:
        taken = Address("127.0.0.1", listener.extra(anyio.abc.SocketAttribute.local_port))
        with pytest.raises(BaseExceptionGroup) as caught:
            await job(Serving({HTTP: taken})).run()
        [failed] = caught.value.exceptions
        assert isinstance(failed, ConnectionFailed)
        assert failed.hint.startswith("choose another address for http")
        ports: list[int] = []
        serving = Serving(
            {HTTP: taken},
            movable=frozenset({HTTP}),
            opened=lambda it: ports.append(it.doors.addresses[HTTP][1]),
        )
        await job(serving).run()
        assert ports[0] not in {0, taken.port}


async def test_a_door_that_fails_ends_the_job_with_its_error() -> None:
    class Broken(Serving):
        async def finish(self) -> None:
            self._failed(StreamctlError("http stopped serving: gone"))
            await super().finish()

    with pytest.raises(StreamctlError, match="gone"):
        await job(Broken({HTTP: ANY})).run()
