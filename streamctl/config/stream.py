"""Reads one ``[streams.<code>]`` table: common keys, inputs, pushes, one table per output kind.

The tables of a protocol are judged by its plugin's option models, so that the valid keys are
those of what is installed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from streamctl.config.code import fault as code_fault
from streamctl.config.faults import (
    Fault,
    from_error,
    from_validation,
    nearest,
    unknown_key,
)
from streamctl.config.model import PUBLISH, InputConfig, PublishKeys, StreamConfig, StreamKeys
from streamctl.config.push import read_pushes
from streamctl.config.template import Bases, inherited, template_hint
from streamctl.errors import StreamctlError
from streamctl.sdk.plugin import Cap
from streamctl.sdk.secret import resolve
from streamctl.sdk.url import StreamURL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamctl.config.lines import Path
    from streamctl.registry import Registry
    from streamctl.sdk.plugin import ProtocolPlugin

Model = TypeVar("Model", bound=BaseModel)
VARIABLE = "env:"
"""Begins the name of a variable in which a URL stands."""


@dataclass(slots=True)
class Reading:
    """One pass over a configuration: what it needs, and what it found wrong."""

    registry: Registry
    environ: Mapping[str, str]
    faults: list[Fault] = field(default_factory=list)

    def model(
        self, model: type[Model], table: object, path: Path, *, beside: tuple[str, ...] = ()
    ) -> Model | None:
        """``table`` as a value of ``model``; None, with faults noted, if it is none.

        ``beside`` names further keys that the table may have, for hints.
        """
        try:
            return model.model_validate(table, context={"environ": self.environ})
        except ValidationError as error:
            self.faults += from_validation(path, model, error, beside)
            return None

    def plugin(self, kind: str, path: Path) -> ProtocolPlugin | None:
        """The plugin of a kind; None, with the fault noted, if there is none."""
        try:
            return self.registry.load(kind)
        except StreamctlError as error:
            self.fault(path, error)
            return None

    def check(
        self, judge: Callable[[StreamURL, Any], None], url: StreamURL, options: Any, path: Path
    ) -> None:
        """Have a plugin judge a URL; what it refuses is noted."""
        try:
            judge(url, options)
        except StreamctlError as error:
            self.fault(path, error)

    def fault(self, path: Path, error: str | StreamctlError | ValueError, hint: str = "") -> None:
        """Note one thing that is wrong."""
        found = Fault(path, error, hint) if isinstance(error, str) else from_error(path, error)
        self.faults.append(found)


def read_stream(code: str, own: object, bases: Bases, reading: Reading) -> StreamConfig | None:
    """One stream, merged with its template and the defaults; None if it has faults.

    Faults of what it inherits are noted where that stands, under ``templates`` or ``defaults``.
    """
    place: Path = ("streams", code)
    if reason := code_fault(code):
        reading.fault(place, reason)
    if not isinstance(own, dict):
        reading.fault(place, "write a table")
        return None
    known = len(reading.faults)
    try:
        table = inherited(code, own, bases)
    except ValueError as error:
        reading.fault((*place, "template"), error)
        return None
    inputs = read_inputs(table.pop("inputs", None), (*place, "inputs"), reading)
    pushes = read_pushes(table.pop("push", None), (*place, "push"), reading)
    options = read_options(table, place, reading)
    keys = reading.model(StreamKeys, table, place)
    if keys is not None:
        check_outputs(keys.outputs or (), (*place, "outputs"), reading)
        check_sole(inputs, (*place, "inputs"), reading)
        inputs += read_slate(keys.slate, (*place, "slate"), reading)
        if keys.template and keys.template not in bases.templates:
            hint = template_hint(keys.template, bases.templates)
            reading.fault((*place, "template"), f"no template `{keys.template}`", hint)
    reading.faults[known:] = [settle(fault, own, bases) for fault in reading.faults[known:]]
    if keys is None or len(reading.faults) > known:
        return None
    return StreamConfig(
        code=code, inputs=inputs, push=pushes, outputs_options=options, **dict(keys)
    )


def settle(fault: Fault, own: Mapping[str, Any], bases: Bases) -> Fault:
    """The fault at the place where its value was written."""
    local = fault.path[2:]
    if contains(own, local):
        return fault
    template = bases.named(own)
    if template is not None and contains(template.table, local):
        return Fault(("templates", template.name, *local), fault.message, fault.hint)
    if contains(bases.defaults, local):
        return Fault(("defaults", *local), fault.message, fault.hint)
    return fault


def contains(table: Any, path: Path) -> bool:
    """Whether something is written at ``path``."""
    for part in path:
        if isinstance(part, int):
            return True
        if not isinstance(table, dict) or part not in table:
            return False
        table = table[part]
    return bool(path)


def read_inputs(written: object, path: Path, reading: Reading) -> tuple[InputConfig, ...]:
    """The inputs in order of priority; faults are noted."""
    if written is None or written == []:
        reading.fault(path, "is missing", 'write `inputs = ["publish:"]` to wait for a publisher')
        return ()
    if not isinstance(written, list):
        reading.fault(path, "write a list", 'such as `inputs = ["publish:"]`')
        return ()
    inputs = [read_input(entry, (*path, number), reading) for number, entry in enumerate(written)]
    check_twice(inputs, path, reading)
    return tuple(entry for entry in inputs if entry is not None)


def check_twice(inputs: list[InputConfig | None], path: Path, reading: Reading) -> None:
    """Note inputs that would be connected to twice: what fails for one fails for the other."""
    known: list[tuple[StreamURL, BaseModel]] = []
    for number, entry in enumerate(inputs):
        if entry is None or entry.publish:
            continue
        own = replace(entry.url, raw=""), entry.options
        if own in known:
            words = f"`{entry.url.redacted}` is an input of this stream already"
            reading.fault((*path, number), words, "take one of them out")
        known.append(own)


def read_input(written: object, path: Path, reading: Reading) -> InputConfig | None:
    """One input, as a URL or as a table with ``url``."""
    table = {"url": written} if isinstance(written, str) else written
    if not isinstance(table, dict):
        reading.fault(path, "write a URL, or a table with `url`")
        return None
    text = table.get("url")
    if not isinstance(text, str):
        reading.fault((*path, "url"), "is missing" if text is None else "write a URL")
        return None
    place = path if isinstance(written, str) else (*path, "url")
    url = read_url(text, place, reading)
    if url is None:
        return None
    plugin = None
    if url.kind != PUBLISH:
        plugin = reading.plugin(url.kind, place)
        if plugin is None:
            return None
        if Cap.PULL not in plugin.caps:
            reading.fault(place, f"`{url.kind}` can't be used as an input")
            return None
    rest = {key: value for key, value in table.items() if key != "url"}
    model = plugin.InputOptions if plugin else PublishKeys
    options = reading.model(model, rest, path, beside=("url",))
    if options is None:
        return None
    if plugin is not None:
        reading.check(plugin.check_input, url, options, place)
    return InputConfig(url=url, options=options)


def read_url(text: str, place: Path, reading: Reading) -> StreamURL | None:
    """The URL of an input, written in place, or as ``env:NAME`` since logins stand in it."""
    named = text.startswith(VARIABLE)
    try:
        return StreamURL.parse(resolve(text, reading.environ) if named else text)
    except ValueError as error:
        reading.fault(place, error)
    except StreamctlError as error:
        # What a variable holds is not shown.
        words = f"the environment variable `{text.removeprefix(VARIABLE)}` holds no URL"
        reading.fault(place, words if named else error)
    return None


def check_sole(inputs: tuple[InputConfig, ...], path: Path, reading: Reading) -> None:
    """Note an input that has to be the only one, and is not."""
    for entry in inputs:
        if len(inputs) > 1 and not entry.publish and reading.registry.load(entry.url.kind).sole:
            kind = entry.url.kind
            reading.fault(path, f"a `{kind}` must be the only input", "a slate may stand beside it")


def read_slate(written: str, path: Path, reading: Reading) -> tuple[InputConfig, ...]:
    """The input of last resort, if there is one; faults are noted."""
    if not written:
        return ()
    known = len(reading.faults)
    entry = read_input(written, path, reading)
    if entry is None or len(reading.faults) > known:
        return ()
    if entry.publish:
        reading.fault(path, "a publisher can't be the slate", "name a file: `file:slate.mp4`")
        return ()
    return (entry.model_copy(update={"role": "slate"}),)


def read_options(table: dict[str, Any], path: Path, reading: Reading) -> dict[str, BaseModel]:
    """Take the tables of output kinds out of ``table``; faults are noted."""
    found: dict[str, BaseModel] = {}
    for kind in [key for key in table if key in reading.registry.names()]:
        written = table.pop(kind)
        plugin = reading.plugin(kind, (*path, kind))
        if plugin is None:
            continue
        if not serves(plugin):
            reading.fault((*path, kind), f"`{kind}` has no viewers", output_hint(kind, reading))
            continue
        options = reading.model(plugin.OutputOptions, written, (*path, kind))
        if options is not None:
            found[kind] = options
    for key in [key for key in table if key not in StreamKeys.model_fields]:
        del table[key]
        valid = [*StreamKeys.model_fields, "inputs", "push", *output_kinds(reading)]
        reading.faults.append(unknown_key((*path, key), valid))
    return found


def check_outputs(kinds: tuple[str, ...], path: Path, reading: Reading) -> None:
    """Note every kind that no viewer can use."""
    for number, kind in enumerate(kinds):
        place = (*path, number)
        if kind not in reading.registry.names():
            reading.fault(place, f"no plugin for `{kind}`", output_hint(kind, reading))
        elif (plugin := reading.plugin(kind, place)) is not None and not serves(plugin):
            reading.fault(place, f"`{kind}` has no viewers", output_hint(kind, reading))


def serves(plugin: ProtocolPlugin) -> bool:
    """Whether a plugin has viewers."""
    return Cap.HTTP in plugin.caps or plugin.play_format is not None


def output_kinds(reading: Reading) -> list[str]:
    """The installed kinds that have viewers."""
    return [plugin.kind for plugin in reading.registry.load_all()[0] if serves(plugin)]


def output_hint(kind: str, reading: Reading) -> str:
    """The nearest output, or all of them."""
    return nearest(kind, output_kinds(reading))
