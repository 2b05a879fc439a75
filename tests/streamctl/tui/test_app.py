from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from textual.widgets import Input, Static

from streamctl.client import Client
from streamctl.errors import ConnectionFailed, NotFound
from streamctl.tui.app import StreamctlApp, matching
from streamctl.tui.detail import Detail
from streamctl.tui.dialog import HelpDialog, KickDialog
from streamctl.tui.table import SessionTable, StreamTable
from tests.support.control import stream
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from textual.pilot import Pilot

    from streamctl.schema import Health, SessionStatus, StreamStatus
    from streamctl.tui.source import ControlClient
    from tests.support.control import FakeControl

pytestmark = pytest.mark.anyio


class FakeClient:
    """Speaks to a fake server without HTTP; can be unplugged."""

    def __init__(self, control: FakeControl) -> None:
        self.url = "http://server.example:9997"
        self.control = control
        self.fault: Exception | None = None
        self.asked = 0

    async def health(self) -> Health:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return self.control.health()

    async def streams(self) -> Sequence[StreamStatus]:
        return self.control.streams()

    async def stream(self, code: str) -> StreamStatus:
        sessions = self.control.sessions(code)
        return self.control.stream(code).model_copy(update={"sessions": sessions})

    async def kick(self, session: str) -> SessionStatus:
        return self.control.kick(session, "")


class Screen:
    """What a person sees, and a way to wait for it."""

    def __init__(self, app: StreamctlApp, pilot: Pilot[None], client: FakeClient) -> None:
        self.app = app
        self.pilot = pilot
        self.client = client
        self.streams = app.query_one(StreamTable)
        self.sessions = app.query_one(SessionTable)

    async def until(self, condition: Callable[[], bool]) -> None:
        with anyio.fail_after(PATIENCE_S):
            while not condition():
                await self.pilot.pause(0.01)

    def text(self, selector: str) -> str:
        return str(self.app.query_one(selector, Static).content)

    def row(self, table: StreamTable | SessionTable, number: int) -> list[str]:
        return [cell.plain for cell in table.get_row_at(number)]


@asynccontextmanager
async def running(server: FakeControl, *, height: int = 24) -> AsyncIterator[Screen]:
    client = FakeClient(server)
    app = StreamctlApp(client, interval_s=0.05, retry_s=0.05)
    async with app.run_test(size=(80, height)) as pilot:
        screen = Screen(app, pilot, client)
        await screen.until(lambda: screen.streams.row_count > 0 and screen.sessions.row_count > 0)
        yield screen


async def test_streams_are_shown_with_state_and_numbers(server: FakeControl) -> None:
    async with running(server) as screen:
        assert screen.row(screen.streams, 0) == [
            "news", "● active", "rtmp", "h264 720p", "2.63", "25", "2", "1:02:05", "",
        ]  # fmt: skip
        assert screen.row(screen.streams, 2)[:2] == ["sport", "● stopped"]
        assert screen.row(screen.streams, 2)[-1] == "no publisher"
        assert "2 of 3 on air" in screen.text("#header")
        assert "4 viewers" in screen.text("#header")


async def test_the_selected_stream_is_detailed(server: FakeControl) -> None:
    async with running(server) as screen:
        assert "h264 1280x720 25 fps" in screen.text("#facts")
        await screen.pilot.press("down")
        await screen.until(lambda: "nobody publishes" in screen.text("#facts"))
        await screen.until(lambda: screen.sessions.keys == ["other"])
        assert "region/a" in str(screen.app.query_one(Detail).border_title)


async def test_the_publisher_then_the_slowest_viewer_come_first(server: FakeControl) -> None:
    async with running(server) as screen:
        assert screen.sessions.keys == ["pub", "slow", "calm"]
        assert screen.row(screen.sessions, 1)[3:5] == ["6.0 s", "2 (8 s)"]


async def test_numbers_follow_the_server(server: FakeControl) -> None:
    async with running(server) as screen:
        changed = server.all_streams["news"].model_copy(update={"bitrate": 4000.0})
        server.all_streams["news"] = changed
        await screen.until(lambda: screen.row(screen.streams, 0)[4] == "4.00")


async def test_a_new_stream_leaves_the_cursor_on_its_row(server: FakeControl) -> None:
    async with running(server) as screen:
        await screen.pilot.press("down")
        server.all_streams = {"first": stream("first"), **server.all_streams}
        await screen.until(lambda: screen.streams.row_count == 4)
        assert screen.streams.selected == "region/a"


async def test_only_rows_on_the_screen_are_drawn_again(server: FakeControl) -> None:
    server.all_streams |= {f"cam{number}": stream(f"cam{number}") for number in range(60)}
    async with running(server) as screen:
        for code, one in server.all_streams.items():
            server.all_streams[code] = one.model_copy(update={"bitrate": 1000.0})
        await screen.until(lambda: screen.row(screen.streams, 0)[4] == "1.00")
        assert screen.row(screen.streams, 62)[4] == "2.63"
        await screen.pilot.press("ctrl+end")
        await screen.until(lambda: screen.row(screen.streams, 62)[4] == "1.00")


async def test_a_session_is_kicked_after_a_question(server: FakeControl) -> None:
    async with running(server) as screen:
        await screen.pilot.press("tab", "down", "k")
        await screen.until(lambda: isinstance(screen.app.screen, KickDialog))
        await screen.pilot.press("y")
        await screen.until(lambda: bool(server.kicked))
        assert server.kicked == [("slow", "")]
        await screen.until(lambda: screen.sessions.keys == ["pub", "calm"])


@pytest.mark.parametrize("key", ["n", "escape", "enter"])
async def test_a_kick_is_not_done_by_accident(server: FakeControl, key: str) -> None:
    async with running(server) as screen:
        await screen.pilot.press("k")
        await screen.until(lambda: isinstance(screen.app.screen, KickDialog))
        await screen.pilot.press(key)
        await screen.until(lambda: not isinstance(screen.app.screen, KickDialog))
        assert server.kicked == []


async def test_the_question_is_answered_with_the_mouse_too(server: FakeControl) -> None:
    async with running(server) as screen:
        await screen.pilot.press("k")
        await screen.until(lambda: isinstance(screen.app.screen, KickDialog))
        await screen.pilot.click("#kick")
        await screen.until(lambda: server.kicked == [("pub", "")])


async def test_a_failed_kick_is_told(server: FakeControl) -> None:
    async with running(server) as screen:
        await screen.pilot.press("k")
        await screen.until(lambda: isinstance(screen.app.screen, KickDialog))
        del server.all_sessions["pub"]
        await screen.pilot.press("y")
        await screen.until(lambda: bool(screen.app._notifications))
        (notice,) = screen.app._notifications
        assert notice.severity == "error"


async def test_nothing_to_kick_is_told(server: FakeControl) -> None:
    async with running(server) as screen:
        server.all_sessions = {}
        await screen.until(lambda: screen.sessions.row_count == 0)
        await screen.pilot.press("k")
        assert not isinstance(screen.app.screen, KickDialog)


async def test_a_lost_server_is_told_until_it_answers_again(server: FakeControl) -> None:
    async with running(server) as screen:
        banner = screen.app.query_one("#lost")
        assert not banner.display
        screen.client.fault = ConnectionFailed("can't reach it", hint="is it running?")
        await screen.until(lambda: bool(banner.display))
        assert "can't reach it (is it running?)" in screen.text("#lost")
        assert screen.streams.row_count == 3
        screen.client.fault = None
        await screen.until(lambda: not banner.display)


async def test_a_stream_that_goes_while_it_is_asked_for_is_no_fault(server: FakeControl) -> None:
    async with running(server) as screen:
        client = screen.client

        async def gone(code: str) -> StreamStatus:
            raise NotFound(code)

        client.stream = gone  # type: ignore[method-assign]
        asked = client.asked
        await screen.until(lambda: client.asked > asked + 3)
        assert not screen.app.query_one("#lost").display


async def test_the_filter_narrows_and_escape_widens(server: FakeControl) -> None:
    async with running(server) as screen:
        await screen.pilot.press("slash", *"degr")
        await screen.until(lambda: screen.streams.keys == ["region/a"])
        await screen.pilot.press("enter")
        assert screen.app.focused is screen.streams
        await screen.pilot.press("escape")
        await screen.until(lambda: screen.streams.row_count == 3)
        assert not screen.app.query_one("#filter", Input).display


async def test_a_filter_that_nothing_passes_empties_the_screen(server: FakeControl) -> None:
    async with running(server) as screen:
        await screen.pilot.press("slash", *"zzz")
        await screen.until(lambda: screen.streams.row_count == 0)
        assert screen.sessions.row_count == 0
        assert screen.text("#facts") == "Nothing matches."


async def test_help_opens_and_closes(server: FakeControl) -> None:
    async with running(server) as screen:
        await screen.pilot.press("question_mark")
        await screen.until(lambda: isinstance(screen.app.screen, HelpDialog))
        await screen.pilot.press("escape")
        await screen.until(lambda: not isinstance(screen.app.screen, HelpDialog))


async def test_refresh_asks_at_once(server: FakeControl) -> None:
    async with running(server) as screen:
        screen.app.interval_s = 3600
        asked = screen.client.asked
        await screen.until(lambda: screen.client.asked > asked)
        asked = screen.client.asked
        await screen.pilot.press("r")
        await screen.until(lambda: screen.client.asked > asked)


async def test_markup_and_sequences_of_peers_stay_text(server: FakeControl) -> None:
    odd = server.all_streams["news"].model_copy(update={"title": "[red]x\x1b[2J", "type": "[b]"})
    server.all_streams["news"] = odd
    async with running(server) as screen:
        await screen.until(lambda: screen.row(screen.streams, 0)[2] == "[b]")
        assert "[red]x�[2J" in str(screen.app.query_one(Detail).border_title)


async def test_q_quits(server: FakeControl) -> None:
    async with running(server) as screen:
        await screen.pilot.press("q")
        await screen.until(lambda: not screen.app.is_running)
    assert screen.app.return_code == 0


def test_every_word_of_a_filter_must_match() -> None:
    streams = [stream("news"), stream("sport", "stopped")]
    assert [one.id for one in matching(streams, "")] == ["news", "sport"]
    assert [one.id for one in matching(streams, "SPO stopped")] == ["sport"]
    assert matching(streams, "news stopped") == []


def test_the_client_of_the_control_api_fits() -> None:
    client: ControlClient = Client("http://127.0.0.1:9997")
    assert client.url == "http://127.0.0.1:9997"
