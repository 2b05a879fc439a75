from __future__ import annotations

import logging

import anyio
import pytest

from streamctl.errors import ConnectionFailed
from streamctl.sdk.url import StreamURL
from streamctl.testing.clock import FakeClock
from streamctl_srt.admission import OVER
from streamctl_srt.endpoint import Endpoint
from streamctl_srt.inlet import Inlet, waiting
from streamctl_srt.link import opened
from streamctl_srt.settings import Settings
from streamctl_srt.sink import ignore
from tests.plugins.streamctl_srt.world import HOST, World, need_libsrt
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def libsrt() -> None:
    need_libsrt()


async def test_who_is_turned_away_is_logged_once_a_second(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, clock = World(), FakeClock()
    world.ctx.clock = clock
    async with world.runtime.running() as engine:
        inlet = Inlet(engine, world.ctx, "right", ignore)
        with caplog.at_level(logging.INFO, world.ctx.log.name):
            async with waiting((HOST, 0), Settings(), engine, inlet):
                [watched] = engine.reader._watched.values()
                url = StreamURL.parse(f"srt://{HOST}:{watched.endpoint.address()[1]}")
                wrong = Settings(stream_id="wrong", connect_timeout_s=PATIENCE_S)
                for seconds, lines in ((0.0, 1), (0.9, 1), (0.2, 2)):
                    clock.advance(seconds)
                    with pytest.raises(ConnectionFailed, match="no such stream"):
                        async with opened(url, wrong, engine, ignore):
                            pass
                    assert len(caplog.records) == lines
    line = caplog.records[0].getMessage()
    assert line.startswith(f"srt input: refused {HOST}:")
    assert line.endswith("no such stream")


async def test_a_wrong_passphrase_is_suspected(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    inlet = Inlet(None, world.ctx, "", ignore)  # type: ignore[arg-type] # nobody comes
    with caplog.at_level(logging.INFO, world.ctx.log.name):
        inlet._due(7, ("::1", 5))
    assert "refused [::1]:5: the handshake came to nothing" in caplog.text


async def test_an_input_whose_port_broke_ends() -> None:
    world = World()
    inlet = Inlet(None, world.ctx, "", ignore)  # type: ignore[arg-type] # nobody comes
    inlet.failed("libsrt stopped listening")
    with anyio.fail_after(PATIENCE_S), pytest.raises(ConnectionFailed, match="stopped listening"):
        await inlet.caller()


async def test_who_comes_when_the_input_has_ended_is_closed() -> None:
    world = World()
    async with world.runtime.running() as engine:
        inlet = Inlet(engine, world.ctx, "", ignore)
        async with waiting((HOST, 0), Settings(), engine, inlet):
            pass
        late = Endpoint(engine.library)
        inlet.accepted((late, (HOST, 5)))
        assert inlet.link is None
        await until(lambda: late.state() in OVER)
