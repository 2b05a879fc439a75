"""Finds streams that would be fed with themselves, by pushes and inputs on this server.

Only what is written shows here: a host name that leads back from outside does not, and neither
does a stream that another program hands on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.config.address import Address
from streamctl.sdk.url import WILDCARDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streamctl.config.lines import Path
    from streamctl.config.model import Config, InputConfig, StreamConfig
    from streamctl.config.stream import Reading
    from streamctl.sdk.url import StreamURL


def check_loops(config: Config, reading: Reading) -> None:
    """Note the first push or input of every loop."""
    feeds: dict[str, dict[str, Path]] = {code: {} for code in config.streams}
    for source, target, path in edges(config, reading):
        feeds[source].setdefault(target, path)
    noted: set[frozenset[str]] = set()
    for code in feeds:
        loop = way_back(code, feeds)
        if not loop or frozenset(loop) in noted:
            continue
        noted.add(frozenset(loop))
        path = feeds[code][loop[1]]
        if len(loop) == 2:
            reading.fault(path, f"leads `{code}` back into itself", "name another server or stream")
        else:
            shown = " → ".join(f"`{one}`" for one in loop)
            reading.fault(path, f"makes a loop of streams: {shown}", "take one of them out")


def edges(config: Config, reading: Reading) -> Iterator[tuple[str, str, Path]]:
    """Streams of this server that feed one another, from, to, and where that is written."""
    for code, stream in config.streams.items():
        for number, push in enumerate(stream.push):
            if (target := own_code(push.url, config, reading)) is not None:
                yield code, target, ("streams", code, "push", number, "url")
        for number, entry in enumerate(stream.inputs):
            where = ("slate",) if entry.slate else ("inputs", number)
            for source in sources(entry, config, reading):
                yield source, code, ("streams", code, *where)


def linked(stream: StreamConfig, config: Config, reading: Reading) -> bool:
    """Whether a stream feeds or is fed by others of this server."""
    outs = (own_code(push.url, config, reading) for push in stream.push)
    ins = (code for entry in stream.inputs for code in sources(entry, config, reading))
    return any(code is not None for code in (*outs, *ins))


def sources(entry: InputConfig, config: Config, reading: Reading) -> Iterator[str]:
    """The streams of this server that an input is made of; those that are missing may come."""
    if entry.publish:
        return
    plugin = reading.registry.load(entry.url.kind)
    for code in plugin.upstreams(entry.url):
        if code in config.streams:
            yield code
    own = own_code(entry.url, config, reading)
    if own is not None:
        yield own


def own_code(url: StreamURL, config: Config, reading: Reading) -> str | None:
    """The stream of this server that a URL means; None if it leads elsewhere."""
    if not url.host or not here(Address(url.host, 0)):
        return None
    port = url.port or reading.registry.load(url.kind).ports.get(url.scheme, 0)
    doors = (listener.address for listener in config.listeners.values())
    if not any(door.port == port and here(door) for door in doors):
        return None
    return code_of(url.path, config.streams)


def here(address: Address) -> bool:
    """Whether a loopback connection gets to an address."""
    return address.loopback or address.host in WILDCARDS


def code_of(path: str, streams: Mapping[str, object]) -> str | None:
    """The stream that a client's path means: itself first, then without ``live/``."""
    path = path.strip("/")
    return next((code for code in (path, path.removeprefix("live/")) if code in streams), None)


def way_back(start: str, feeds: Mapping[str, Mapping[str, object]]) -> list[str]:
    """The shortest way from a stream to itself, both ends included; empty if there is none."""
    came: dict[str, str] = {}
    """Where each stream was first fed from."""
    found = [start]
    for code in found:
        for target in feeds[code]:
            if target == start:
                way = [start, code]
                while way[-1] != start:
                    way.append(came[way[-1]])
                return way[::-1]
            if target not in came:
                came[target] = code
                found.append(target)
    return []
