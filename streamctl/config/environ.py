"""Overrides from the environment: ``STREAMCTL_API__ADDRESS=:9000``.

``__`` separates levels and names are in upper case. Stream codes and kinds replace ``/`` by
``_S_`` and ``-`` by ``_D_``: ``STREAMCTL_STREAMS__REGION_S_SECURE__PUBLISH_KEY``. A value that
starts with ``[`` or ``{`` is read as TOML, anything else is text that the key's own type reads.
Variables without ``__`` belong to the commands and are left alone.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from streamctl.config.faults import Fault, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamctl.config.lines import Path

PREFIX = "STREAMCTL_"
LEVEL = "__"


def env_name(code: str) -> str:
    """A stream code as it stands in the name of a variable."""
    return code.replace("/", "_S_").replace("-", "_D_").upper()


def override(
    data: dict[str, Any], environ: Mapping[str, str], sections: frozenset[str]
) -> tuple[dict[Path, str], list[Fault]]:
    """Write the overrides into ``data``; which variable set which path, and what is wrong."""
    origins: dict[Path, str] = {}
    faults: list[Fault] = []
    for name in sorted(environ):
        if not name.startswith(PREFIX) or LEVEL not in name:
            continue
        try:
            path = path_of(name, data, sections)
            write(data, path, read(environ[name]))
        except ValueError as error:
            message, _, hint = str(error).partition("\n")
            faults.append(Fault((name,), message, hint))
        else:
            origins[path] = name
    return origins, faults


def path_of(name: str, data: Mapping[str, Any], sections: frozenset[str]) -> tuple[str, ...]:
    """The keys that a variable means.

    Raises:
        ValueError: no such section or stream; the second line is a hint.
    """
    section, _, rest = name.removeprefix(PREFIX).partition(LEVEL)
    section = section.lower()
    if section not in sections:
        raise ValueError(f"sets nothing that exists\n{nearest(section, sections)}")
    if section != "streams":
        return (section, *levels(rest))
    codes = [
        code for code in data.get("streams", {}) if rest.startswith(f"{env_name(code)}{LEVEL}")
    ]
    longest = max((len(env_name(code)) for code in codes), default=0)
    codes = [code for code in codes if len(env_name(code)) == longest]
    if not codes:
        raise ValueError("names a stream that is not in the file")
    if len(codes) > 1:
        raise ValueError(f"means several streams: {', '.join(f'`{code}`' for code in codes)}")
    return (section, codes[0], *levels(rest[longest + len(LEVEL) :]))


def levels(text: str) -> tuple[str, ...]:
    """Keys below a section or stream."""
    return tuple(part.lower().replace("_d_", "-") for part in text.split(LEVEL))


def read(text: str) -> Any:
    """The value of a variable.

    Raises:
        ValueError: it looks like a TOML list or table but is none.
    """
    if not text.startswith(("[", "{")):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is not a TOML value: {error}") from None


def write(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Put ``value`` at ``path``, making tables on the way.

    Raises:
        ValueError: a value stands where a table is needed.
    """
    table = data
    for part in path[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ValueError(f"`{part}` is not a table in the file")
    table[path[-1]] = value
