"""Dialogs over the screen: a question before a kick, and help."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.table import Table
from rich.text import Text
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from streamctl.tui import format as show

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from streamctl.schema import SessionStatus

KEYS = (
    ("↑ ↓", "select a stream or a session"),
    ("tab", "go to the other table"),
    ("/", "filter the streams; esc shows all"),
    ("k", "kick the selected session"),
    ("r", "refresh now"),
    ("q", "quit"),
)

WORDS = (
    ("Lag", "seconds of media between a viewer and the newest picture"),
    ("Skips", "times a slow viewer was moved forward, and the media it lost"),
    ("GOP", "seconds between pictures at which a viewer can join"),
    ("A/V", "audio's timestamp minus video's as they arrive"),
)


class KickDialog(ModalScreen[bool]):
    """Asks before a session is closed; the answer is whether to do it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("y", "answer(True)", "Kick"),
        ("n,escape", "answer(False)", "Keep"),
        ("left,right", "app.focus_next", ""),
    ]

    def __init__(self, session: SessionStatus) -> None:
        super().__init__()
        self.session = session

    def compose(self) -> ComposeResult:
        """The question and two answers; the harmless one has the focus."""
        who = "publisher" if self.session.action == "publish" else "viewer"
        lines = (
            Text(f"Kick this {who}?\n", style="bold"),
            Text(show.clean(f"{self.session.protocol} {self.session.peer}")),
            Text(show.clean(f"of stream {self.session.stream}, session {self.session.id}")),
            Text(show.clean(self.session.user_agent), style=show.SOFT),
        )
        text = Text("\n").join(line for line in lines if line.plain)
        with Vertical(classes="dialog"):
            yield Static(text)
            with Horizontal(classes="answers"):
                yield Button("Keep (n)", id="keep")
                yield Button("Kick (y)", id="kick", variant="error")

    def on_mount(self) -> None:
        """A stray Enter must not close anything."""
        self.query_one("#keep", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Take the answer."""
        _ = self.dismiss(event.button.id == "kick")

    def action_answer(self, kick: bool) -> None:
        """Take the answer from a key."""
        _ = self.dismiss(kick)


class HelpDialog(ModalScreen[None]):
    """Keys, and what the columns mean."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,question_mark,q,enter", "dismiss", "Close"),
    ]

    def compose(self) -> ComposeResult:
        """One text."""
        with Vertical(classes="dialog"):
            yield Static(two_columns(KEYS), classes="keys")
            yield Static(two_columns(WORDS))
            yield Static(Text("esc closes this", style=show.SOFT), classes="hint")


def two_columns(rows: tuple[tuple[str, str], ...]) -> Table:
    """Words and their meanings."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for left, right in rows:
        table.add_row(left, right)
    return table
