"""What every protocol plugin must keep, whoever wrote it.

Give :func:`check_plugin` an instance and the name of its entry point, and fail your test when it
returns anything; :func:`check_listener` does the same for a plugin that listens::

    def test_conformance() -> None:
        assert check_plugin(MyPlugin(), "mine") == []
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import anyio
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from streamctl.errors import StreamctlError, Unsupported
from streamctl.sdk.endpoints import Retirable
from streamctl.sdk.plugin import Cap, ProtocolPlugin
from streamctl.sdk.url import StreamURL
from streamctl.testing.gate import BareContext, ClosedGate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamctl.sdk.endpoints import Address

__all__ = ["check_listener", "check_plugin"]

API = 1
METHODS = {
    Cap.PULL: "source",
    Cap.PUSH: "sink",
    Cap.LISTEN: "listener",
    Cap.HTTP: "http_output",
    Cap.CONVERT: "converters",
}
"""The method behind each capability."""
KIND = re.compile(r"[a-z][a-z0-9-]*")
SUMMARY_MAX = 72
"""What fits one line of `streamctl plugins`."""
STOP_S = 1.0
"""A cancelled listener is gone within this time."""


def check_plugin(plugin: ProtocolPlugin, name: str) -> list[str]:
    """What is wrong with a plugin that is registered under ``name``; empty is good."""
    return [*identity(plugin, name), *capabilities(plugin), *option_models(plugin), *urls(plugin)]


def identity(plugin: ProtocolPlugin, name: str) -> Iterator[str]:
    """Name, version of the interface, and what it says about itself."""
    if not isinstance(plugin, ProtocolPlugin):
        yield "is no ProtocolPlugin"
    if plugin.api != API:
        yield f"api is {plugin.api}, not {API}"
    if plugin.kind != name:
        yield f"kind is `{plugin.kind}`, its entry point is `{name}`"
    if not KIND.fullmatch(plugin.kind):
        yield f"kind `{plugin.kind}` is not lower-case letters, digits and hyphens"
    if not plugin.summary or len(plugin.summary) > SUMMARY_MAX or "\n" in plugin.summary:
        yield f"summary must be one line of at most {SUMMARY_MAX} characters"
    package = sys.modules[type(plugin).__module__.partition(".")[0]]
    if len((package.__doc__ or "").strip().splitlines()) < 2:
        yield f"the docstring of `{package.__name__}` must tell its capabilities"


def capabilities(plugin: ProtocolPlugin) -> Iterator[str]:
    """Declared capabilities and implemented methods are the same."""
    for cap, method in METHODS.items():
        implemented = getattr(type(plugin), method) is not getattr(ProtocolPlugin, method)
        if implemented and cap not in plugin.caps:
            yield f"implements {method}() without Cap.{cap.name}"
        if cap in plugin.caps and not implemented:
            yield f"declares Cap.{cap.name} without {method}()"
    for cap, attribute in ((Cap.PULL, "source"), (Cap.PUSH, "sink")):
        if cap not in plugin.caps and not refuses(plugin, attribute):
            yield f"{attribute}() must raise Unsupported"
    for spec in plugin.converters():
        converter = spec.factory()
        if converter.convert([]) or converter.flush():
            yield f"a fresh converter to `{spec.target}` makes items out of nothing"
        if not spec.codecs:
            yield f"the converter to `{spec.target}` carries no codec"


def refuses(plugin: ProtocolPlugin, method: str) -> bool:
    """Whether a capability that is not declared is refused as such."""
    url = StreamURL(raw="x://h/p", kind=plugin.kind, scheme="x", host="h", path="/p")
    try:
        getattr(plugin, method)(url, None, BareContext())
    except Unsupported as error:
        return plugin.kind in error.message
    return False


def option_models(plugin: ProtocolPlugin) -> Iterator[str]:
    """Options refuse unknown keys, are frozen, and each has a default."""
    for place in ("InputOptions", "OutputOptions", "PushOptions", "ListenerOptions"):
        model: Any = getattr(plugin, place)
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            yield f"{place} is no pydantic model"
            continue
        if model.model_config.get("extra") != "forbid" or not model.model_config.get("frozen"):
            yield f"{place} must have extra='forbid' and frozen=True"
        for key, field in model.model_fields.items():
            if field.default is PydanticUndefined and field.default_factory is None:
                yield f"{place}.{key} has no default"


def urls(plugin: ProtocolPlugin) -> Iterator[str]:
    """Schemes are plain, and viewers can be told where to go."""
    for scheme in plugin.schemes:
        if not KIND.fullmatch(scheme):
            yield f"scheme `{scheme}` is not lower-case letters, digits and hyphens"
    serves = plugin.caps & (Cap.LISTEN | Cap.HTTP) and plugin.play_format is not None
    if serves and not plugin.url_template:
        yield "has viewers but no url_template"
    if plugin.url_template:
        address = plugin.url_template.format(host="h", port=1, code="c")
        if not re.match(r"[a-z]+://h:1(/(.*/)?|\?\w+=(.*[:/])?)c", address):
            yield f"url_template makes `{address}`"


async def check_listener(plugin: ProtocolPlugin) -> list[str]:
    """What is wrong with a plugin's listener on a free port of the loopback interface."""
    gate, found = ClosedGate(), list[str]()
    context = BareContext()
    options = plugin.ListenerOptions()
    listener = plugin.listener(("127.0.0.1", 0), options, context)
    if isinstance(listener, Retirable) is not getattr(options, "keeps_peers", False):
        found.append("`keeps_peers` does not say whether the listener can retire")
    bound = anyio.Event()
    addresses: list[Address] = []

    def ready(address: Address) -> None:
        addresses.append(address)
        bound.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: listener.serve(gate, ready=ready))
        with anyio.move_on_after(STOP_S * 5) as patience:
            await bound.wait()
        if patience.cancelled_caught:
            tasks.cancel_scope.cancel()
            return ["never called ready()"]
        meet = meet_datagrams if plugin.datagrams else meet_garbage
        found += await meet(addresses[0])
        found += await clashes(plugin, addresses[0], context)
        stopped = anyio.current_time()
        tasks.cancel_scope.cancel()
    if anyio.current_time() - stopped > STOP_S:
        found.append(f"took over {STOP_S} s to stop")
    if gate.admitted != gate.released:
        found.append(f"admitted {gate.admitted} connections, released {gate.released}")
    return found


async def meet_garbage(address: Address) -> list[str]:
    """Random bytes, then a peer that vanishes; the listener must still take connections."""
    for data in (b"", b"\xff" * 4096, bytes(range(256)) * 64):
        try:
            async with await anyio.connect_tcp(*address) as stream:
                if data:
                    await stream.send(data)
        except OSError as error:
            return [f"refused a connection after garbage: {error}"]
    return []


async def meet_datagrams(address: Address) -> list[str]:
    """Datagrams of random bytes, empty and large ones."""
    async with await anyio.create_connected_udp_socket(*address) as peer:
        for data in (b"", b"\xff" * 16, b"\x80" + bytes(63), bytes(range(256)) * 64):
            await peer.send(data)
    return []


async def clashes(plugin: ProtocolPlugin, address: Address, context: BareContext) -> list[str]:
    """A taken port is an error of the tree that names the address."""
    second = plugin.listener(address, plugin.ListenerOptions(), context)
    try:
        with anyio.fail_after(STOP_S):
            await second.serve(ClosedGate(), ready=lambda _: None)
    except StreamctlError as error:
        return [] if str(address[1]) in error.message else ["a taken port is not named"]
    except TimeoutError:
        pass
    return ["bound a port that was taken"]
