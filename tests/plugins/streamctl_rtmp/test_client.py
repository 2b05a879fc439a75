"""What ends an outgoing connection, and where refusals lead."""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.errors import ConnectionFailed
from streamctl.net.tcp import serve_tcp
from streamctl.sdk.url import StreamURL
from streamctl_rtmp.address import Server
from streamctl_rtmp.client import RtmpClient, established, nothing
from streamctl_rtmp.options import ClientOptions
from streamctl_rtmp.wire.client import Role
from streamctl_rtmp.wire.messages import Command
from streamctl_rtmp.wire.server import ServerConnection
from tests.plugins.streamctl_rtmp.running import HOST, serving
from tests.plugins.streamctl_rtmp.world import FakeContext, FakeWire, remote
from tests.support.steady import SteadyClock
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from streamctl.sdk.endpoints import Address
    from streamctl.sdk.lane import Wire
    from streamctl_rtmp.wire.events import Event


def ignore(events: Sequence[Event]) -> None: ...


def client(role: Role = Role.PLAY) -> RtmpClient:
    url = StreamURL.parse("rtmp://h/live/x?key=secret")
    made = RtmpClient(role, Server.of(url), url, ignore)
    made.connected(FakeWire(made), remote())
    return made


def test_the_first_failure_counts_and_is_told_once() -> None:
    told: list[bool] = []
    made = client()
    made.on_failure = lambda: told.append(True)
    made.closed("reset by the peer")
    made.fail(ConnectionFailed("later"))
    assert isinstance(made.failure, ConnectionFailed)
    assert "reset by the peer" in str(made.failure)
    assert told == [True]


def test_errors_do_not_show_keys() -> None:
    made = client()
    made.closed("reset")
    assert "secret" not in str(made.failure)


def test_a_failed_connection_says_no_goodbye() -> None:
    made = client()
    wire = made.wire
    assert isinstance(wire, FakeWire)
    wire.taken()
    made.closed("reset")
    made.close()
    assert wire.taken() == b""
    assert wire.closed == "done"


@pytest.mark.parametrize("call", [nothing])
def test_before_anybody_waits_nothing_is_told(call: object) -> None:
    assert client().on_failure is call


class Deciding(ServerConnection):
    """A server that answers ``connect`` by a table of applications."""

    def __init__(self, decide: Callable[[str], dict[str, object] | None]) -> None:
        super().__init__(secrets.token_bytes)
        self.decide = decide

    def _command(self, command: Command, events: list[Event]) -> None:
        if command.name == "connect":
            assert isinstance(command.object, dict)
            refusal = self.decide(command.object["app"])
            if refusal is not None:
                info = {"level": "error", "code": "NetConnection.Connect.Rejected", **refusal}
                self.send_command(Command("_error", command.transaction, None, (info,)))
                return
        super()._command(command, events)


class Door:
    """A server's side that lets everybody in whom its connection does not refuse."""

    def __init__(
        self, decide: Callable[[str], dict[str, object] | None], *, hang_up: bool = False
    ) -> None:
        self.connection = Deciding(decide)
        self.hang_up = hang_up

    def connected(self, wire: Wire, remote: Address) -> None:
        self.wire = wire

    def received(self, data: bytes | memoryview) -> None:
        for event in self.connection.receive_data(data):
            match type(event).__name__:
                case "PlayRequested":
                    self.connection.accept_play()
                case "PublishRequested" if self.hang_up:
                    self.wire.close("no")
                case "PublishRequested":
                    self.connection.accept_publish()
                case _:
                    continue
        self.wire.write(self.connection.data_to_send())

    def paused(self) -> None: ...
    def resumed(self) -> None: ...
    def closed(self, reason: str) -> None: ...


@asynccontextmanager
async def door(
    decide: Callable[[str], dict[str, object] | None], *, hang_up: bool = False
) -> AsyncIterator[int]:
    ports: list[int] = []
    async with anyio.create_task_group() as tasks:

        async def serve() -> None:
            await serve_tcp(
                (HOST, 0),
                lambda: Door(decide, hang_up=hang_up),
                ready=lambda address: ports.append(address[1]),
            )

        tasks.start_soon(serve)
        await until(lambda: ports)
        yield ports[0]
        tasks.cancel_scope.cancel()


async def connect(url: str, role: Role = Role.PLAY) -> RtmpClient:
    parsed = StreamURL.parse(url)
    parsed = parsed.as_destination() if role is Role.PUBLISH else parsed
    context = FakeContext(SteadyClock(), PATIENCE_S).as_context
    found = await established(role, parsed, ClientOptions(), context, ignore)
    found.close()
    return found


@pytest.mark.anyio
@pytest.mark.parametrize("redirect", ["rtmp://{}:{}/live", "rtmp://{}:{}/live/news"])
async def test_a_redirect_is_followed(redirect: str) -> None:
    async with serving() as (_, there):

        def decide(app: str) -> dict[str, object]:
            return {"ex": {"code": 302, "redirect": redirect.format(HOST, there)}}

        async with door(decide) as here:
            found = await connect(f"rtmp://{HOST}:{here}/live/news?user=x", Role.PUBLISH)
    assert found.connection.target.app == "live"
    assert found.connection.target.name == "news?user=x"


@pytest.mark.anyio
async def test_a_circle_of_redirects_is_an_error() -> None:
    ports: list[int] = []

    def decide(app: str) -> dict[str, object]:
        return {"ex": {"code": 302, "redirect": f"rtmp://{HOST}:{ports[0]}/live"}}

    async with door(decide) as here:
        ports.append(here)
        with pytest.raises(ConnectionFailed, match="sends us in a circle"):
            await connect(f"rtmp://{HOST}:{here}/live/news")


@pytest.mark.anyio
async def test_a_redirect_to_no_rtmp_server_is_an_error() -> None:
    async with door(lambda app: {"ex": {"redirect": "http://h/live/x.flv"}}) as here:
        with pytest.raises(ConnectionFailed, match="leads to no RTMP server"):
            await connect(f"rtmp://{HOST}:{here}/live/news")


def adobe(app: str) -> dict[str, object] | None:
    """A server with a login, as it answers one step after the other."""
    reject = "[ AccessManager.Reject ] : [ {} ] : {}"
    if "response=" in app:
        assert app.startswith("live?authmod=adobe&user=joe&challenge=")
        return None
    if "user=" in app:
        return {
            "description": reject.format(
                "authmod=adobe", "?reason=needauth&user=joe&salt=abc&challenge=def&opaque=ghi"
            )
        }
    return {"description": reject.format("code=403 need auth; authmod=adobe", "")}


@pytest.mark.anyio
@pytest.mark.parametrize("role", Role)
async def test_a_login_is_given_when_it_is_asked_for(role: Role) -> None:
    async with door(adobe) as here:
        found = await connect(f"rtmp://joe:pa55word@{HOST}:{here}/live/news", role)
    assert found.started
    assert "joe" not in found.connection.target.name


@pytest.mark.anyio
async def test_a_login_that_the_url_lacks_is_asked_of_the_user() -> None:
    async with door(adobe) as here:
        with pytest.raises(ConnectionFailed, match="USER:PASSWORD"):
            await connect(f"rtmp://{HOST}:{here}/live/news")


@pytest.mark.anyio
async def test_a_refusal_is_told_without_the_key_that_the_server_repeats() -> None:
    async with door(lambda app: {"description": "stream-key-1 is in use"}) as here:
        with pytest.raises(ConnectionFailed, match=r"refuses: \*\*\* is in use"):
            await connect(f"rtmp://{HOST}:{here}/live/stream-key-1", Role.PUBLISH)


@pytest.mark.anyio
async def test_a_server_that_hangs_up_on_a_publisher_may_not_know_its_key() -> None:
    async with door(lambda app: None, hang_up=True) as here:
        with pytest.raises(ConnectionFailed, match="instead of taking media") as caught:
            await connect(f"rtmp://{HOST}:{here}/live/news", Role.PUBLISH)
    assert "key may be wrong" in caught.value.hint
