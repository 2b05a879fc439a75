"""``streamctl generate``: write the man pages and completions that the repository carries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SAMPLE = "streams.toml"


def generate(
    directory: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="The top of a clone.", exists=True)
    ] = Path(),
) -> None:
    """Write man/ and completions/ anew."""
    from streamctl.cli.output import print_lines

    written = []
    for name, content in files((directory / SAMPLE).read_text("utf-8")).items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text("utf-8") != content:
            path.write_text(content, "utf-8")
            written.append(str(path))
    print_lines(written)


def files(sample: str) -> dict[str, str]:
    """Every generated file by its path in the repository."""
    from streamctl.cli import completion, roff
    from streamctl.cli.manual import commands, program

    top, below = program(), commands()
    pages = {f"man/man1/streamctl-{one.name}.1": roff.command_page(one) for one in below}
    return {
        "man/man1/streamctl.1": roff.program_page(top, below),
        **pages,
        "man/man5/streams.toml.5": roff.configuration_page(sample),
        "completions/streamctl.bash": completion.bash(top, below),
        "completions/_streamctl": completion.zsh(top, below),
        "completions/streamctl.fish": completion.fish(top, below),
    }
