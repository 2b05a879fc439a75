"""The terminal interface: one screen of streams, what is wrong with them, and who watches.

It knows a server by its control API alone, asks twice a second in a worker, and goes on showing
what it last knew while the server does not answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

import anyio
from rich.text import Text
from textual import work
from textual.app import App
from textual.binding import Binding
from textual.widgets import Footer, Input, Static

from streamctl.errors import StreamctlError
from streamctl.tui import format as show
from streamctl.tui.detail import Detail, History
from streamctl.tui.dialog import HelpDialog, KickDialog
from streamctl.tui.table import StreamTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.widgets import DataTable

    from streamctl.schema import Health, SessionStatus, StreamStatus
    from streamctl.tui.source import ControlClient

INTERVAL_S = 0.5
RETRY_S = 1.0
"""Pause after a server did not answer."""


class StreamctlApp(App[None]):
    """One screen over one server."""

    CSS_PATH = "app.tcss"  # type: ignore[mutable-override]
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "kick", "Kick"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("r", "refresh_now", "Refresh"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
        Binding("escape", "show_all", show=False),
    ]

    def __init__(
        self, client: ControlClient, *, interval_s: float = INTERVAL_S, retry_s: float = RETRY_S
    ) -> None:
        super().__init__()
        self.title = "streamctl"
        self.client = client
        self.interval_s = interval_s
        self.retry_s = retry_s
        self.history = History()
        self.all_streams: dict[str, StreamStatus] = {}
        self.detailed: StreamStatus | None = None
        self.shown: StreamStatus | None = None
        self.selected_code = ""
        self.header = Static(id="header")
        self.lost = Static(id="lost")
        self.table = StreamTable(id="streams")
        self.filter_line = Input(
            placeholder="filter by code, title or state", id="filter", compact=True
        )
        self.detail = Detail(id="detail", host=urlsplit(client.url).hostname or "")

    def compose(self) -> ComposeResult:
        """The parts, from top to bottom."""
        yield self.header
        yield self.lost
        yield self.table
        yield self.filter_line
        yield self.detail
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Begin to ask."""
        self.table.focus()
        self.header.update(f" streamctl  {self.client.url}")
        self.follow()

    @work(group="follow", exclusive=True)
    async def follow(self) -> None:
        """Ask for ever; a new call asks at once."""
        while True:
            try:
                health = await self.client.health()
                streams = await self.client.streams()
                detailed = await self.ask_detail()
            except StreamctlError as error:
                pause_s = self.retry_s
                if self.is_running:
                    self.show_lost(error)
            else:
                pause_s = self.interval_s
                # While the program ends, widgets go before their workers.
                if self.is_running:
                    self.show_answer(health, streams, detailed)
            await anyio.sleep(pause_s)

    def show_answer(
        self, health: Health, streams: Sequence[StreamStatus], detailed: StreamStatus | None
    ) -> None:
        """Show what the server answered."""
        self.lost.display = False
        self.history.add(streams)
        self.all_streams = {stream.id: stream for stream in streams}
        self.detailed = detailed
        self.show_header(health)
        self.show_streams()

    async def ask_detail(self) -> StreamStatus | None:
        """The selected stream with its sessions; None when it has just gone."""
        if self.selected_code not in self.all_streams:
            return None
        try:
            return await self.client.stream(self.selected_code)
        except StreamctlError:
            return None

    @work(group="detail", exclusive=True)
    async def load_detail(self) -> None:
        """Fetch what is shown of a stream that was just selected."""
        detailed = await self.ask_detail()
        if detailed is not None and self.is_running:
            self.detailed = detailed
            self.show_detail()

    def show_lost(self, error: StreamctlError) -> None:
        """Say that the screen is old, and why."""
        hint = f" ({error.hint})" if error.hint else ""
        self.lost.update(Text(show.clean(f" no answer: {error}{hint}; trying again")))
        self.lost.display = True

    def show_header(self, health: Health) -> None:
        """One line about the whole server."""
        streams = self.all_streams.values()
        on_air = sum(stream.ingest_status == "active" for stream in streams)
        viewers = sum(stream.stats.viewers for stream in streams)
        # What is wrong with the server itself must not be cut off behind its streams.
        checks = sorted(health.checks, key=lambda one: one.name.startswith("stream "))
        faults = [one for one in checks if one.status != "ok"]
        troubles = "".join(f"  {one.name}: {one.message}" for one in faults)
        text = Text.assemble(
            (" streamctl ", "bold"),
            show.clean(f"{self.client.url}  "),
            show.state(health.status),
            f"  {on_air} of {len(streams)} on air  {viewers} viewer{'' if viewers == 1 else 's'}",
            f"  up {show.duration(health.uptime_s)}",
            (show.clean(troubles), show.WARN),
            no_wrap=True,
            overflow="ellipsis",
        )
        self.header.update(text)

    def show_streams(self) -> None:
        """Show the streams that the filter lets through."""
        table, wanted = self.table, self.filter_line.value
        table.update_streams(matching(list(self.all_streams.values()), wanted))
        shown = f"{table.row_count} of {len(self.all_streams)}" if wanted else f"{table.row_count}"
        table.border_title = Text.assemble(("Streams ", "bold"), shown)
        self.show_detail()

    def show_detail(self) -> None:
        """Show the selected stream: its own answer, or until that comes the list's."""
        code = self.selected_code = self.table.selected
        stream = self.all_streams.get(code)
        if self.detailed is not None and self.detailed.id == code:
            stream = self.detailed
        self.shown = stream
        self.detail.show_stream(stream, self.history.of(code))

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Another stream was selected."""
        if isinstance(event.data_table, StreamTable) and self.all_streams:
            self.show_detail()
            self.load_detail()

    def on_input_changed(self, event: Input.Changed) -> None:
        """The filter acts as it is typed."""
        self.show_streams()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go back to the table with the filter as it is."""
        self.table.focus()

    def action_filter(self) -> None:
        """Show the filter's line and type into it."""
        self.filter_line.display = True
        self.filter_line.focus()

    def action_show_all(self) -> None:
        """Drop the filter."""
        self.filter_line.value = ""
        self.filter_line.display = False
        self.table.focus()

    def action_refresh_now(self) -> None:
        """Ask now."""
        self.follow()

    async def action_help(self) -> None:
        """Show the keys."""
        await self.push_screen(HelpDialog())

    async def action_kick(self) -> None:
        """Ask whether to close the selected session."""
        session = self.selected_session()
        if session is None:
            self.notify("This stream has no session to kick.", severity="warning")
            return

        def answered(kick: bool | None) -> None:
            if kick:
                self.kick(session)

        await self.push_screen(KickDialog(session), answered)

    def selected_session(self) -> SessionStatus | None:
        """The session under the cursor of the lower table."""
        wanted = self.detail.sessions.selected
        sessions = self.shown.sessions if self.shown is not None else []
        return next((session for session in sessions if session.id == wanted), None)

    @work(group="kick")
    async def kick(self, session: SessionStatus) -> None:
        """Close a session and tell how that went."""
        try:
            await self.client.kick(session.id)
        except StreamctlError as error:
            self.notify(show.clean(str(error)), severity="error", markup=False)
        else:
            self.notify(show.clean(f"Kicked {session.protocol} {session.peer}"), markup=False)
        self.follow()


def matching(streams: Sequence[StreamStatus], wanted: str) -> Sequence[StreamStatus]:
    """The streams whose code, title, state or causes hold every word."""
    words = wanted.lower().split()
    return [
        stream
        for stream in streams
        if all(
            word in f"{stream.id} {stream.title} {stream.status} {show.causes(stream)}".lower()
            for word in words
        )
    ]
