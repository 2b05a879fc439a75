"""Keys of every input that may bring MPEG-TS: what of it is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from streamctl.sdk.plugin import Options

if TYPE_CHECKING:
    from streamctl.sdk.lane import EpochWriter

Pid = Annotated[int, Field(ge=0, le=0x1FFE)]


class TransportOptions(Options):
    """Which program, and which of its elementary streams."""

    program: int = Field(0, ge=0, le=0xFFFF)
    """Number of the program to take out of several; 0 = the first that has media."""
    pids: tuple[Pid, ...] = ()
    """The elementary streams to keep; empty = all of the program."""

    @property
    def selective(self) -> bool:
        """Whether anything is chosen."""
        return bool(self.program or self.pids)

    def choose(self, out: EpochWriter) -> None:
        """Tell an epoch, before its first bytes."""
        if self.selective:
            out.select(self.program or None, self.pids)
