"""``streamctl serve``: run the server."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.config.file import ConfigFile
    from streamctl.config.model import Config
    from streamctl.config.watch import Look
    from streamctl.registry import Registry


def serve(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="The configuration.")] = Path(
        "streams.toml"
    ),
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option(metavar="debug|info|warning|error", help="Instead of the file's level."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Say whether the configuration is right, and exit.")
    ] = False,
) -> None:
    """Serve the streams of a configuration file.

    Saving the file applies it: streams are added, removed and restarted, and the others don't
    notice; a faulty file changes nothing. SIGHUP reads it again, SIGINT and SIGTERM stop the
    server, a second one at once.
    """
    from streamctl.config.file import ConfigFile
    from streamctl.config.watch import look
    from streamctl.registry import Registry

    hung_up = remembered() if not check else bool
    registry = Registry()
    since = look(file)
    source = ConfigFile(file)
    config = source.load(registry)
    if check:
        from streamctl.cli.output import print_lines

        count = len(config.streams)
        print_lines([f"{file}: right, {count} stream{'' if count == 1 else 's'}"])
    elif run(source, config, registry, level=log_level or "", since=since, hung_up=hung_up):
        from streamctl.cli.diagnostics import INTERRUPTED

        raise typer.Exit(INTERRUPTED)


def remembered() -> Callable[[], bool]:
    """Have no SIGHUP end the process before it can obey one; whether one has come."""
    came: list[int] = []
    signal.signal(signal.SIGHUP, lambda number, frame: came.append(number))
    return lambda: bool(came)


def run(
    file: ConfigFile,
    config: Config,
    registry: Registry,
    *,
    level: str,
    since: Look,
    hung_up: Callable[[], bool],
) -> bool:
    """Serve until told to stop; whether the shutdown was cut short."""
    from importlib.util import find_spec

    import anyio

    from streamctl.cli.liveline import LiveLine
    from streamctl.log import is_text, logging_to

    text = is_text(sys.stderr, config.log.format)
    line = LiveLine(sys.stderr) if text and sys.stderr.isatty() else None
    out = line or sys.stderr

    async def serving() -> bool:
        from streamctl.api.app import build_app
        from streamctl.api.serve import ApiServer
        from streamctl.cli.service import Service
        from streamctl.engine.doors import Entrance
        from streamctl.engine.server import Server

        def api(config: Config) -> Entrance:
            address = config.api.address
            return Entrance(address, address.port, lambda: ApiServer(app, address))

        server = Server(config, registry, file=file)
        app = build_app(server, config.api)
        server.add_door("api", api)
        access = app.state.access
        server.follow(
            lambda config: access.adopt(config.api), expect=lambda config: access.expect(config.api)
        )
        server.follow(
            lambda config: output.adjust(level=level or config.log.level, style=config.log.format)
        )
        service = Service(server, file.path, line=line, announce=out if text else None, since=since)
        if hung_up():
            service.hang_up()
        await service.run()
        return service.interrupted

    with logging_to(out, level=level or config.log.level, style=config.log.format) as output:
        fast = find_spec("uvloop") is not None
        return anyio.run(serving, backend_options={"use_uvloop": fast})
