"""Keys of an input that is fetched over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from streamctl.sdk.plugin import Options
from streamctl.sdk.secret import Secret

Pid = Annotated[int, Field(ge=0, le=0x1FFE)]


class HttpTsInputOptions(Options):
    """Keys beside ``url`` of an input."""

    headers: dict[str, Secret] = Field(default_factory=dict)
    """Further headers of the request, as they are or as ``env:NAME``; another server that we are
    sent to sees none that could be secret."""
    program: int = Field(0, ge=0, le=0xFFFF)
    """Number of the program to take out of several; 0 = the first."""
    pids: tuple[Pid, ...] = ()
    """The elementary streams to keep; empty = all of the program."""
    tls_ca: Path | None = None
    """Certificates in PEM that are trusted beside those of the system."""
    tls_insecure: bool = False
    """Take any certificate of any host: whoever sits between can read and change everything."""
