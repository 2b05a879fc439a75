"""Reads the destinations of a stream: ``[[streams.<code>.push]]``.

Their URLs hold stream keys, so nothing that is wrong with one is told by showing it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.config.model import PushConfig, PushKeys
from streamctl.errors import StreamctlError
from streamctl.sdk.plugin import Cap
from streamctl.sdk.secret import resolve
from streamctl.sdk.url import StreamURL

if TYPE_CHECKING:
    from streamctl.config.lines import Path
    from streamctl.config.stream import Reading
    from streamctl.sdk.plugin import ProtocolPlugin

EXAMPLE = 'such as `url = "rtmp://HOST/APP/KEY"`, or `url = "env:NAME"` to keep the key elsewhere'


def read_pushes(written: object, path: Path, reading: Reading) -> tuple[PushConfig, ...]:
    """The destinations in the order of the file; faults are noted."""
    if written is None:
        return ()
    if not isinstance(written, list):
        reading.fault(path, "write a list of tables", "`[[streams.CODE.push]]`, one for each")
        return ()
    found: list[PushConfig] = []
    for number, table in enumerate(written):
        place = (*path, number)
        push = read_push(table, place, reading)
        if push is not None:
            check_unique(push, found, place, reading)
            found.append(push)
    return tuple(found)


def read_push(table: object, path: Path, reading: Reading) -> PushConfig | None:
    """One destination; None, with the faults noted, if it can't be pushed to."""
    if not isinstance(table, dict):
        reading.fault(path, "write a table with `name` and `url`")
        return None
    own = {key: value for key, value in table.items() if key in PushKeys.model_fields}
    keys = reading.model(PushKeys, own, path)
    url = read_url(table.get("url"), (*path, "url"), reading)
    plugin = None if url is None else destination_plugin(url, (*path, "url"), reading)
    if url is None or plugin is None:
        return None
    rest = {key: value for key, value in table.items() if key != "url" and key not in own}
    beside = ("url", *PushKeys.model_fields)
    options = reading.model(plugin.PushOptions, rest, path, beside=beside)
    if options is not None:
        reading.check(plugin.check_push, url, options, (*path, "url"))
    if keys is None or options is None:
        return None
    return PushConfig(url=url, options=options, **dict(keys))


def read_url(written: object, path: Path, reading: Reading) -> StreamURL | None:
    """The URL, written in place or as a secret is."""
    if not isinstance(written, str):
        reading.fault(path, "is missing" if written is None else "write a URL", EXAMPLE)
        return None
    try:
        return StreamURL.parse(resolve(written, reading.environ)).as_destination()
    except ValueError as error:
        reading.fault(path, error)
    except StreamctlError:
        reading.fault(path, "is no URL", EXAMPLE)
    return None


def destination_plugin(url: StreamURL, path: Path, reading: Reading) -> ProtocolPlugin | None:
    """The plugin that pushes to a URL; None, with the fault noted, if none does."""
    plugin = reading.plugin(url.kind, path) if url.kind in reading.registry.names() else None
    if plugin is not None and Cap.PUSH in plugin.caps:
        if url.host:
            return plugin
        reading.fault(path, f"names no host: `{url.redacted}`", EXAMPLE)
    elif plugin is not None or url.kind not in reading.registry.names():
        plugins, _ = reading.registry.load_all()
        able = ", ".join(f"`{one.kind}`" for one in plugins if Cap.PUSH in one.caps) or "none"
        reading.fault(path, f"`{url.scheme}` can't be pushed to", f"kinds that can: {able}")
    return None


def check_unique(push: PushConfig, others: list[PushConfig], path: Path, reading: Reading) -> None:
    """Note a name, or a destination, that is there already."""
    for other in others:
        if push.name == other.name:
            reading.fault((*path, "name"), f"another push is called `{push.name}`", "rename one")
        if push.url.raw == other.url.raw:
            reading.fault(
                (*path, "url"), f"`{other.name}` pushes to this URL already", "remove one of them"
            )
