"""Reads a configuration whole: every fault at once, each with file, line, key and remedy.

The order is: TOML, overrides from the environment, each section by its model, then what only
the whole file can show. A file with any fault gives no configuration at all.
"""

from __future__ import annotations

import ast
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from streamctl.config.code import shadowed
from streamctl.config.environ import override
from streamctl.config.faults import Fault, dotted, unknown_key
from streamctl.config.hooks import read_hooks
from streamctl.config.lines import line_of, scan
from streamctl.config.loops import check_loops, linked
from streamctl.config.model import (
    ApiConfig,
    Config,
    HttpConfig,
    LimitsConfig,
    ListenerConfig,
    LogConfig,
    ServerConfig,
    StreamConfig,
)
from streamctl.config.roots import check_files
from streamctl.config.stream import Reading, read_stream
from streamctl.config.template import Bases, Template, read_templates, trial
from streamctl.errors import ConfigError, ConfigErrors, StreamctlError
from streamctl.sdk.plugin import Cap, Empty

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

    from streamctl.config.address import Address
    from streamctl.config.lines import Path
    from streamctl.registry import Registry

SECTIONS: dict[str, type[BaseModel]] = {
    "server": ServerConfig,
    "log": LogConfig,
    "api": ApiConfig,
    "http": HttpConfig,
    "limits": LimitsConfig,
}
TABLES = frozenset({*SECTIONS, "listeners", "hooks", "defaults", "templates", "streams"})
LISTED = "hooks"
"""A list of tables, which variables have no names for."""
BOM = "\ufeff"
"""Some editors begin UTF-8 with it."""
LARGEST = 2**63 - 1
TWICE = re.compile(r"cannot declare (\(.*\)) twice", re.DOTALL)
REMEDIES = (
    ("cannot declare", "make one table of both"),
    ("cannot overwrite a value", "does the key stand there twice?"),
    ("expected ']' at the end of a table", 'codes with "/" are quoted: `[streams."a/b"]`'),
    ("illegal character '\\n'", "a text ends in its line, with a quote"),
    ("invalid value", 'texts stand in quotes, such as `"News"`'),
    ("unclosed array", "are there commas between the values?"),
    ("unescaped '\\'", "put the text in single quotes, or write each `\\` twice"),
)
"""How what ``tomllib`` complains of begins, and what mostly helps."""
WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def load(
    path: FilePath | str, registry: Registry, environ: Mapping[str, str] | None = None
) -> Config:
    """Read a file.

    Raises:
        ConfigError: unreadable, or not TOML.
        ConfigErrors: everything else that is wrong with it.
    """
    return parse(text_of(path), str(path), registry, environ)


def text_of(path: FilePath | str) -> str:
    """The text of a file as it is, line ends and all.

    Raises:
        ConfigError: unreadable, or not UTF-8.
    """
    try:
        return FilePath(path).read_bytes().decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        hint = "save it in that encoding"
        raise ConfigError("is not UTF-8 text", file=str(path), line=line, hint=hint) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"can't be read: {reason[0].lower()}{reason[1:]}",
            file=str(path),
            hint=sought(FilePath(path)) if isinstance(error, FileNotFoundError) else "",
        ) from None


def sought(path: FilePath) -> str:
    """Where a file was looked for that is not there."""
    if path.is_absolute():
        return "name a file that is there"
    return f"name a file that is there; it was looked for in `{FilePath.cwd()}`"


def parse(
    text: str, name: str, registry: Registry, environ: Mapping[str, str] | None = None
) -> Config:
    """Read a text; ``name`` stands for the file in errors.

    Raises:
        ConfigError: not TOML.
        ConfigErrors: everything else that is wrong with it.
    """
    environ = os.environ if environ is None else environ
    text = text.removeprefix(BOM)
    data, lines = values_of(text, name)
    origins, faults = override(data, environ, TABLES - {LISTED})
    reading = Reading(registry, environ)
    config = read(data, reading)
    source = Source(name, lines, origins)
    errors = [
        ConfigError(fault.message, hint=fault.hint, key=str(fault.path[0])) for fault in faults
    ]
    errors += source.errors(reading.faults)
    if errors:
        raise ConfigErrors(errors)
    return config


def values_of(text: str, name: str) -> tuple[dict[str, Any], dict[Path, int]]:
    """What a text says, and the line of each key.

    Raises:
        ConfigError: not TOML, or not for this program.
    """
    try:
        data = tomllib.loads(text)
        if not fits(data):
            raise ValueError
        return data, scan(text)
    except tomllib.TOMLDecodeError as error:
        raise syntax_error(error, text, name) from None
    except (ValueError, RecursionError) as error:
        # Numbers of thousands of digits, and brackets as deep, are more than Python takes.
        deep = isinstance(error, RecursionError)
        reason = "values stand too deep in each other" if deep else "a number is too long"
        raise ConfigError(f"not valid TOML: {reason}", file=name) from None


def fits(value: Any) -> bool:
    """Whether all numbers have the 64 bits that TOML promises."""
    if isinstance(value, dict):
        return all(map(fits, value.values()))
    if isinstance(value, list):
        return all(map(fits, value))
    return not isinstance(value, int) or -LARGEST - 1 <= value <= LARGEST


def read_document(
    code: str,
    document: Mapping[str, Any],
    config: Config,
    registry: Registry,
    environ: Mapping[str, str] | None = None,
) -> StreamConfig:
    """One stream from a document of the API, judged as if it stood in the file.

    Raises:
        ConfigErrors: everything that is wrong with it.
    """
    reading = Reading(registry, os.environ if environ is None else environ)
    stream = read_stream(code, dict(document), Bases(config.defaults, config.templates), reading)
    check_shadows({*config.streams, code}, reading)
    if stream is not None:
        streams = {**config.streams, code: stream}
        check_loops(config.model_copy(update={"streams": streams}), reading)
        check_files([stream], config.server.media_roots, reading)
    if stream is None or reading.faults:
        raise ConfigErrors(Source("", {}, {}).errors(reading.faults))
    return stream


def read_runtime(
    code: str,
    template: Template,
    config: Config,
    registry: Registry,
    beside: Mapping[str, StreamConfig] = MappingProxyType({}),
) -> StreamConfig:
    """A stream that comes to be under the prefix of a template.

    It closes no loop with the streams of the configuration, nor with those ``beside`` them.

    Raises:
        ConfigErrors: the template makes no stream of this code.
    """
    reading = Reading(registry, os.environ)
    own = runtime_document(template, config.defaults)
    stream = read_stream(code, own, Bases(config.defaults, config.templates), reading)
    live = {code, code.removeprefix("live/"), f"live/{code}"}
    check_shadows({code, *(live & config.streams.keys())}, reading)
    if stream is not None:
        # Peers may ask for many codes: what can't close a loop is not looked for one.
        streams = {**beside, **config.streams, code: stream}
        whole = config.model_copy(update={"streams": streams})
        if linked(stream, whole, reading):
            check_loops(whole, reading)
        check_files([stream], config.server.media_roots, reading)
    if stream is None or reading.faults:
        raise ConfigErrors(Source("", {}, {}).errors(reading.faults))
    return stream.model_copy(update={"runtime": True})


def runtime_document(template: Template, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What a stream of a template says itself: without inputs, it waits for a publisher."""
    own: dict[str, Any] = {"template": template.name}
    if "inputs" not in template.table and "inputs" not in defaults:
        own["inputs"] = ["publish:"]
    return own


@dataclass(frozen=True, slots=True)
class Source:
    """Where values came from: a file with its lines, and variables."""

    name: str
    lines: dict[Path, int]
    origins: dict[Path, str]

    def errors(self, faults: list[Fault]) -> list[ConfigError]:
        """The faults with their places, in the order of the file, each once."""
        errors = {(fault.path, fault.message): self.error(fault) for fault in faults}
        return sorted(errors.values(), key=lambda error: error.line)

    def error(self, fault: Fault) -> ConfigError:
        """One fault with its place."""
        for end in range(len(fault.path), 0, -1):
            if variable := self.origins.get(fault.path[:end]):
                return ConfigError(fault.message, hint=fault.hint, key=variable)
        return ConfigError(
            fault.message,
            hint=fault.hint,
            file=self.name,
            key=dotted(fault.path),
            line=line_of(self.lines, fault.path),
        )


def syntax_error(error: tomllib.TOMLDecodeError, text: str, name: str) -> ConfigError:
    """What ``tomllib`` said, with the place taken out of its sentence."""
    message = str(error)
    found = WHERE.search(message)
    line, column = text.count("\n") + 1, ""
    if found:
        message = message[: found.start()]
        if found.group(1):
            line, column = int(found.group(1)), f" at column {found.group(2)}"
    message = message[0].lower() + message[1:]
    hint = next((hint for begin, hint in REMEDIES if message.startswith(begin)), "")
    if table := TWICE.fullmatch(message):
        message = f"the table `{dotted(ast.literal_eval(table[1]))}` stands there twice"
    return ConfigError(f"not valid TOML{column}: {message}", file=name, line=line, hint=hint)


def read(data: dict[str, Any], reading: Reading) -> Config:
    """The configuration behind ``data``; worthless if faults were noted."""
    for key in data.keys() - TABLES:
        reading.faults.append(unknown_key((key,), TABLES))
    sections = {
        name: reading.model(model, data.get(name, {}), (name,)) for name, model in SECTIONS.items()
    }
    defaults = table_of(data, "defaults", reading)
    templates = read_templates(table_of(data, "templates", reading), reading)
    bases = Bases(defaults, templates)
    streams = read_streams(table_of(data, "streams", reading), bases, reading)
    server = sections["server"]
    roots = server.media_roots if isinstance(server, ServerConfig) else None
    for template in templates.values():
        try_template(template, bases, roots, reading)
    config = Config(
        listeners=read_listeners(table_of(data, "listeners", reading), reading),
        hooks=read_hooks(data.get("hooks"), reading),
        defaults=defaults,
        templates=templates,
        streams=streams,
        **{name: value for name, value in sections.items() if value is not None},
    )
    check_api(config, reading)
    check_addresses(config, reading)
    check_loops(config, reading)
    if roots is not None:
        check_files(config.streams.values(), roots, reading)
    return config


def table_of(data: Mapping[str, Any], key: str, reading: Reading) -> dict[str, Any]:
    """The table under ``key``; empty, with the fault noted, if it is something else."""
    table = data.get(key, {})
    if isinstance(table, dict):
        return table
    reading.fault((key,), "write a table")
    return {}


def read_streams(
    tables: Mapping[str, Any], bases: Bases, reading: Reading
) -> dict[str, StreamConfig]:
    """Every stream that is right."""
    # A file without streams must not hide what is wrong with the defaults.
    if not tables and bases.defaults:
        own = {"inputs": ["publish:"]} if "inputs" not in bases.defaults else {}
        read_stream("defaults", own, bases, reading)
    streams = {code: read_stream(code, table, bases, reading) for code, table in tables.items()}
    check_shadows(set(tables), reading)
    return {code: stream for code, stream in streams.items() if stream is not None}


def try_template(
    template: Template, bases: Bases, roots: Sequence[str] | None, reading: Reading
) -> None:
    """Note what is wrong with a template, whether a stream has it or not."""
    known, code = len(reading.faults), trial(template)
    own = runtime_document(template, bases.defaults)
    stream = read_stream(code, own, bases, reading)
    if stream is not None and template.prefix and roots is not None:
        check_files([stream], roots, reading)
    place: Path = ("templates", template.name)
    for number, fault in enumerate(reading.faults[known:], known):
        if fault.path[:2] == ("streams", code):
            moved = Fault((*place, *fault.path[2:]), fault.message, fault.hint)
            reading.faults[number] = moved
    if stream is None or not template.prefix:
        return
    if not stream.on_demand and not any(one.publish for one in stream.inputs):
        reading.fault(
            (*place, "prefix"),
            f"nothing can begin a stream under `{template.prefix}`",
            "add the input `publish:`, or `on_demand = true`",
        )


def read_listeners(tables: Mapping[str, Any], reading: Reading) -> dict[str, ListenerConfig]:
    """Every listener that is right."""
    listeners: dict[str, ListenerConfig] = {}
    for kind, table in tables.items():
        path: Path = ("listeners", kind)
        try:
            plugin, model = reading.registry.listener(kind)
        except StreamctlError as error:
            reading.fault(path, error)
            continue
        if Cap.LISTEN not in plugin.caps:
            reading.fault(path, f"`{kind}` has no listener of its own")
            continue
        if not isinstance(table, dict):
            reading.fault(path, "write a table")
            continue
        rest = {key: value for key, value in table.items() if key != "address"}
        options = reading.model(model, rest, path, beside=("address",))
        written = {key: value for key, value in table.items() if key == "address"}
        listener = reading.model(ListenerConfig, {**written, "options": options or Empty()}, path)
        if listener is not None:
            listeners[kind] = listener
    return listeners


def check_shadows(codes: set[str], reading: Reading) -> None:
    """Note codes that one client path would both mean."""
    for code, live in shadowed(codes):
        reading.fault(
            ("streams", live),
            f"the path `{live}` would mean `{code}` and `{live}`",
            "rename one of them",
        )


def check_api(config: Config, reading: Reading) -> None:
    """Refuse an API that anybody on the network could control."""
    if not config.api.address.loopback and not config.api.tokens:
        reading.fault(
            ("api", "address"),
            f"needs a token, because other machines can reach `{config.api.address}`",
            "add `api.tokens`, or listen on `127.0.0.1`",
        )


def check_addresses(config: Config, reading: Reading) -> None:
    """Note two parts that want the same port."""
    taken: dict[Address, str] = {}
    wanted: dict[Path, Address] = {("api",): config.api.address, ("http",): config.http.address}
    wanted |= {("listeners", kind): one.address for kind, one in config.listeners.items()}
    for path, address in wanted.items():
        owner = taken.setdefault(address, dotted(path))
        if address.port and owner != dotted(path):
            reading.fault((*path, "address"), f"`{owner}` listens on `{address}` already")
