"""``streamctl switch``: choose by hand which input of a stream is on air."""

from __future__ import annotations

from typing import Annotated

import typer

from streamctl.cli.options import Json, Server

BEST = "auto"


def switch(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="The code of the stream.")],
    priority: Annotated[
        str,
        typer.Argument(
            metavar="PRIORITY",
            help="The number of the input, 0 for the first; `auto` for the best one again.",
        ),
    ],
    server: Server = "",
    json: Json = False,
) -> None:
    """Put an input of a stream on air.

    The switch happens at its next keyframe, so that viewers notice nothing but the cut. The input
    stays on air as long as it delivers, also when a better one comes back, until `auto` is asked
    for.
    """
    import anyio

    from streamctl.cli.output import print_json, print_lines
    from streamctl.client import Client
    from streamctl.errors import ConfigError

    if priority != BEST and not priority.isdecimal():
        raise ConfigError(f"no number of an input: `{priority}`", hint=f"write 0, 1, … or `{BEST}`")
    wanted = None if priority == BEST else int(priority)
    found = anyio.run(Client(server).switch, stream, wanted)
    if json:
        print_json(found)
        return
    print_lines(
        [
            f"{'*' if one.on_air else ' '} {one.priority}  {one.status:10}  {one.url}"
            for one in found.inputs
        ]
    )
