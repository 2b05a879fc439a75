"""The interface of protocol plugins.

Register a subclass under the entry-point group ``streamctl.protocols``; the entry point's
name is the kind. Subclass and override what the protocol can do, and declare it in ``caps``.
"""

from __future__ import annotations

import enum
from abc import ABC
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from streamctl.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamctl.media.packet import Codec, Format, Item
    from streamctl.sdk.context import Context, StreamView
    from streamctl.sdk.endpoints import HttpOutput, Listener, Sink, Source
    from streamctl.sdk.url import StreamURL


class Cap(enum.Flag):
    """What a plugin can do."""

    NONE = 0
    PULL = enum.auto()
    PUSH = enum.auto()
    LISTEN = enum.auto()
    HTTP = enum.auto()
    CONVERT = enum.auto()


class Options(BaseModel):
    """Base of option models: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    live: ClassVar[frozenset[str]] = frozenset()
    """Keys of an output that its viewers don't see change: the output is
    :class:`~streamctl.sdk.endpoints.Adjustable`."""
    keeps_peers: ClassVar[bool] = False
    """The listener with these options is :class:`~streamctl.sdk.endpoints.Retirable`."""


class Empty(Options):
    """No options."""


class Converter(Protocol):
    """Turns the items of one lane into the items of another; sync, no I/O."""

    def convert(self, items: Sequence[Item]) -> list[Item]:
        """The output for these items; must end the old unit at a ``Boundary``."""

    def flush(self) -> list[Item]:
        """What is still held back, because the input paused or ended."""


@runtime_checkable
class Heir(Protocol):
    """A converter that takes the place of one of its kind that failed, with viewers who stay."""

    def inherit(self, failed: Any) -> None:
        """Go on with what they follow for the life of the lane, such as its clock or its numbers.

        Nothing has been converted yet; the next item is a ``Boundary``.
        """


@dataclass(frozen=True, slots=True)
class ConverterSpec:
    """A converter that a plugin offers."""

    source: Format
    target: Format
    codecs: frozenset[Codec]
    """Codecs that the target can carry; other tracks are left out and named in the status."""
    factory: Callable[[], Converter]


@dataclass(frozen=True, slots=True)
class Requirement:
    """Something beside Python packages that a plugin can't work without."""

    name: str
    version: str = ""
    """What was found; empty = nothing that can be used."""
    error: str = ""
    """Why it can't be used."""
    hint: str = ""
    """What to do about that."""


class ProtocolPlugin(ABC):
    """One protocol kind: what its URLs, listeners and outputs are."""

    api: ClassVar[int] = 1
    kind: ClassVar[str]
    summary: ClassVar[str] = ""
    """One line for ``streamctl plugins``."""
    schemes: ClassVar[tuple[str, ...]] = ()
    ports: ClassVar[Mapping[str, int]] = {}
    """The port of each scheme, for URLs that name none."""
    caps: ClassVar[Cap] = Cap.NONE
    datagrams: ClassVar[bool] = False
    """The listener takes UDP, not TCP."""
    sole: ClassVar[bool] = False
    """An input of this kind is the only one of its stream, beside a slate."""
    play_format: ClassVar[Format | None] = None
    """The lane that viewers of this protocol read, if it has viewers."""
    url_template: ClassVar[str] = ""
    """How viewers reach a stream, with ``{host}``, ``{port}`` and ``{code}``."""
    publish_template: ClassVar[str] = ""
    """The same for publishers; empty = like viewers."""
    InputOptions: ClassVar[type[BaseModel]] = Empty
    """Keys allowed beside ``url`` in an input of this kind."""
    OutputOptions: ClassVar[type[BaseModel]] = Empty
    """Keys allowed in ``[streams.<code>.<kind>]``."""
    PushOptions: ClassVar[type[BaseModel]] = Empty
    """Keys allowed in a ``[[streams.<code>.push]]`` of this kind beside those of every push."""
    ListenerOptions: ClassVar[type[BaseModel]] = Empty
    """Keys allowed in ``[listeners.<kind>]`` beside ``address``."""
    listeners: ClassVar[Mapping[str, type[BaseModel]]] = {}
    """Further listeners, such as ``rtmps``: keys of ``[listeners.<name>]`` by name."""

    def check_input(self, url: StreamURL, options: Any) -> None:
        """Judge an input when the configuration is read, by nothing but its text.

        Raises:
            ConfigError: no source can be made of the URL.
        """
        del url, options

    def check_push(self, url: StreamURL, options: Any) -> None:
        """Judge a destination when the configuration is read, by nothing but its text.

        Raises:
            ConfigError: no sink can be made of the URL.
        """
        del url, options

    def upstreams(self, url: StreamURL) -> Sequence[str]:
        """The codes of the streams of this server that an input is made of.

        Raises:
            ConfigError: no source can be made of the URL.
        """
        del url
        return ()

    def source(self, url: StreamURL, options: Any, ctx: Context) -> Source:
        """A source that pulls ``url``.

        Raises:
            Unsupported: the kind can't be pulled.
            ConfigError: the URL or an option is invalid.
        """
        raise Unsupported(f"`{self.kind}` can't be used as an input: `{url.redacted}`")

    def sink(self, url: StreamURL, options: Any, ctx: Context) -> Sink:
        """A sink that pushes to ``url``; ``options`` is one of ``PushOptions``.

        Raises:
            Unsupported: the kind can't be pushed to.
        """
        raise Unsupported(f"`{self.kind}` can't be pushed to: `{url.redacted}`")

    def listener(self, address: tuple[str, int], options: Any, ctx: Context) -> Listener:
        """A listener on ``address``; the class of ``options`` tells which, if there are several.

        Raises:
            Unsupported: the kind has no listener.
        """
        raise Unsupported(f"`{self.kind}` has no listener")

    def http_output(self, view: StreamView, options: Any, ctx: Context) -> HttpOutput:
        """The HTTP output of one stream.

        Raises:
            Unsupported: the kind is not served over HTTP.
        """
        raise Unsupported(f"`{self.kind}` is not served over HTTP")

    def requirements(self) -> Sequence[Requirement]:
        """What else has to be installed, found or not; looked for when this is called."""
        return ()

    def converters(self) -> Sequence[ConverterSpec]:
        """The converters that the kind brings along."""
        return ()
