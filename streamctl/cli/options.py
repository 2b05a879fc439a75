"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Server = Annotated[
    str,
    typer.Option(
        "--server",
        envvar="STREAMCTL_SERVER",
        metavar="URL",
        help="Control API of the server to ask; default http://127.0.0.1:9997.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
