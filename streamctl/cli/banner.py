"""What ``serve`` says when it is up, and the summary that it keeps on a terminal's last line."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from streamctl import __version__
from streamctl.cli.tables import duration
from streamctl.sdk.session import Action

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streamctl.config.model import StreamConfig
    from streamctl.counters import ServerCounters
    from streamctl.engine.server import Server
    from streamctl.sdk.endpoints import Address

WILDCARDS = frozenset({"", "0.0.0.0", "::"})
LOCAL = "127.0.0.1"


def banner(server: Server, file: str) -> str:
    """The addresses of the listeners, and how to publish and watch each stream."""
    return "\n".join([*listeners(server, file), *streams(server), ""])


def listeners(server: Server, file: str) -> Iterator[str]:
    """What listens where."""
    yield f"streamctl {__version__} serves {file}"
    width = max((len(kind) for kind in server.addresses), default=0)
    for kind, (host, port) in server.addresses.items():
        scheme = "http://" if kind == "api" else ""
        yield f"  {kind:<{width}}  {scheme}{bracketed(host)}:{port}"


def streams(server: Server) -> Iterator[str]:
    """The URLs of each stream."""
    for code, config in server.config.streams.items():
        title = f" ({config.title})" if config.title else ""
        yield ""
        yield f"{code}{title}{': disabled' if config.disabled else ''}"
        if config.disabled:
            continue
        source = config.inputs[0].url
        if source.kind == "publish":
            key = hint(config, Action.PUBLISH)
            for name in server.config.listeners:
                plugin, _ = server.registry.listener(name)
                host = shown_host(server.addresses, name)
                url = server.services.url_of(plugin, code, host, listener=name, publish=True)
                if url:
                    yield f"  publish  {url}{key}"
        else:
            yield f"  from     {source.redacted}"
        key = hint(config, Action.PLAY)
        urls = server.watch_urls(code, partial(shown_host, server.addresses))
        for url in [*page(server, code), *(url for _, url in urls)]:
            yield f"  watch    {url}{key}"
        for push in config.push:
            yield f"  push     {push.url.redacted} ({push.name})"


def hint(config: StreamConfig, action: Action) -> str:
    """What has to be added to a URL to be let in."""
    key = config.publish_key if action is Action.PUBLISH else config.read_key
    if key is not None:
        return "?key=…"
    return "?user=…&pass=…" if any(user.may(action) for user in config.users) else ""


def page(server: Server, code: str) -> Iterator[str]:
    """The URL of the stream's own page, if one of its outputs has one."""
    stream = server.running.get(code)
    if stream and any("" in output.routes() for output in stream.outputs.values()):
        host = shown_host(server.addresses, "http")
        yield f"{server.services.http_scheme}://{host}:{server.addresses['http'][1]}/{code}"


def shown_host(addresses: Mapping[str, Address], door: str) -> str:
    """The host to put into URLs: what a door listens on, if that is one address."""
    host = addresses[door][0] if door in addresses else ""
    return LOCAL if host in WILDCARDS else bracketed(host)


def bracketed(host: str) -> str:
    """A host as it stands in a URL; a wildcard as a star."""
    if host in WILDCARDS:
        return "*"
    return f"[{host}]" if ":" in host else host


class Summary:
    """Turns two readings of the counters into one line."""

    def __init__(self) -> None:
        self.at = 0.0
        self.received = 0
        self.sent = 0

    def line(self, counters: ServerCounters) -> str:
        """Streams on air, sessions, and the traffic since the last call."""
        received = sum(stream.bytes_received for stream in counters.streams)
        sent = sum(stream.bytes_sent for stream in counters.streams)
        elapsed = max(counters.uptime_s - self.at, 0.001)
        rates = [
            max(0, now - before) * 8 / elapsed / 1e6
            for now, before in ((received, self.received), (sent, self.sent))
        ]
        self.at, self.received, self.sent = counters.uptime_s, received, sent
        viewers = sum(count for (_, action), count in counters.sessions.items() if action == "play")
        on_air = sum(stream.on_air for stream in counters.streams)
        return (
            f"{on_air}/{len(counters.streams)} on air · "
            f"{viewers} viewer{'' if viewers == 1 else 's'} · "
            f"in {rates[0]:.1f} Mbit/s · out {rates[1]:.1f} Mbit/s · "
            f"up {duration(counters.uptime_s)}"
        )
