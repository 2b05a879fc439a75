"""Writes man pages in the man(7) macros: https://man.openbsd.org/man.7."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from streamctl import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streamctl.cli.manual import Command, Parameter

DATE = "2026-11-21"
"""When the wording of the pages changed last."""
WIDTH = 66
EXIT_CODES = (
    ("0", "Success."),
    ("1", "Something failed that has no code of its own."),
    ("2", "The command line or the configuration is wrong, or nothing installed can do it."),
    ("3", "A peer can't be reached, or refused."),
    ("4", "A peer broke its protocol."),
    ("5", "Media can't be read, or can't be carried."),
    ("6", "Some destinations of a push have got everything, and others have not."),
    ("130", "Interrupted by Ctrl-C."),
)
ENVIRONMENT = (
    ("STREAMCTL_SERVER", "The control API to ask, instead of http://127.0.0.1:9997."),
    ("STREAMCTL_TOKEN", "The token for that server."),
    ("STREAMCTL_SECTION__KEY", "Overrides a key of the configuration; see streams.toml(5)."),
    ("SSL_CERT_FILE", "Certificates in PEM to trust over TLS, instead of those of the system."),
    ("NO_COLOR", "Any value turns colour off."),
)


def escaped(text: str) -> str:
    """Text that roff prints as it stands."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = re.sub(r"[^\x00-\x7f]", lambda found: f"\\[u{ord(found.group()):04X}]", text)
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)


def wrapped(text: str) -> str:
    """A paragraph on short lines, as source lines of a page should be."""
    return escaped(textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False))


def heading(name: str, section: int, summary: str) -> list[str]:
    """Title line and NAME section."""
    summary = summary[:1].lower() + summary[1:]
    return [
        f'.TH {escaped(name).upper()} {section} {DATE} "streamctl {__version__}"',
        ".SH NAME",
        f"{escaped(name)} \\-",
        wrapped(summary),
    ]


def definitions(title: str, pairs: Iterable[tuple[str, str]]) -> list[str]:
    """A section of terms with explanations; the terms are roff already."""
    lines = [f".SH {title}"]
    for term, text in pairs:
        lines += [".TP", term, wrapped(text)]
    return lines


def text(title: str, paragraphs: Sequence[str]) -> list[str]:
    """A section of plain paragraphs."""
    lines = [f".SH {title}"]
    for number, paragraph in enumerate(paragraphs):
        lines += [".PP"] * bool(number) + [wrapped(paragraph)]
    return lines


def term(parameter: Parameter) -> str:
    """How a parameter is written, in roff."""
    if not parameter.is_option:
        return f"\\fI{escaped(parameter.metavar)}\\fR"
    names = ", ".join(f"\\fB{escaped(name)}\\fR" for name in parameter.names)
    return f"{names} \\fI{escaped(parameter.metavar)}\\fR" if parameter.metavar else names


def command_page(command: Command) -> str:
    """``streamctl-NAME(1)``."""
    arguments = "".join(f" {term(one)}" for one in command.arguments)
    lines = heading(f"streamctl-{command.name}", 1, command.summary)
    lines += [".SH SYNOPSIS", f"\\fBstreamctl {command.name}\\fR [options]{arguments}"]
    lines += text("DESCRIPTION", [f"{command.summary}.", *command.paragraphs])
    if command.arguments:
        lines += definitions("ARGUMENTS", ((term(one), one.help) for one in command.arguments))
    lines += definitions("OPTIONS", ((term(one), one.help) for one in command.options))
    lines += [".SH SEE ALSO", ".BR streamctl (1),", ".BR streams.toml (5)"]
    return "\n".join([*lines, ""])


def program_page(program: Command, commands: Sequence[Command]) -> str:
    """``streamctl(1)``."""
    lines = heading("streamctl", 1, program.summary)
    lines += [".SH SYNOPSIS", "\\fBstreamctl\\fR [options] \\fICOMMAND\\fR [arguments]"]
    lines += text(
        "DESCRIPTION",
        [
            "Takes live media from publishers, files and other servers, and serves every player. "
            "Data goes to standard output, everything else to standard error.",
        ],
    )
    rows = ((f"\\fBstreamctl\\-{one.name}\\fR(1)", f"{one.summary}.") for one in commands)
    lines += definitions("COMMANDS", rows)
    lines += definitions("OPTIONS", ((term(one), one.help) for one in program.options))
    lines += definitions("EXIT STATUS", EXIT_CODES)
    lines += definitions("ENVIRONMENT", ((escaped(name), told) for name, told in ENVIRONMENT))
    lines += [".SH SEE ALSO"]
    lines += [f".BR streamctl\\-{one.name} (1)," for one in commands] + [".BR streams.toml (5)"]
    return "\n".join([*lines, ""])


def configuration_page(sample: str) -> str:
    """``streams.toml(5)``: the annotated sample is the reference."""
    lines = heading("streams.toml", 5, "Configuration of a streamctl server")
    lines += text(
        "DESCRIPTION",
        [
            "A TOML file, read by streamctl serve, which also follows its changes. A file with a "
            "mistake is refused whole; every mistake is named with its line, key and remedy.",
            "Any key can be overridden from the environment by STREAMCTL_SECTION__KEY: two "
            "underscores between levels, names in upper case. In the codes of streams a slash "
            "becomes _S_ and a dash _D_, as in STREAMCTL_STREAMS__REGION_S_SECURE__TITLE.",
            "The code of a stream consists of letters, digits, underscores, dashes and slashes.",
        ],
    )
    lines += [".SH KEYS", "Inactive lines start with #: and show further keys.", ".PP", ".nf"]
    lines += escaped(sample.rstrip("\n")).split("\n")
    return "\n".join([*lines, ".fi", ".SH SEE ALSO", ".BR streamctl\\-serve (1)", ""])
