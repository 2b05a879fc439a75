"""The plugin object: what ``srt`` can do, and the parts that do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from streamctl.errors import MissingLibrary
from streamctl.media.packet import Format
from streamctl.sdk.plugin import Cap, ProtocolPlugin, Requirement
from streamctl_srt import options as keys
from streamctl_srt.library import load, shown
from streamctl_srt.link import PORT
from streamctl_srt.port import SrtListener
from streamctl_srt.query import check_destination, mode
from streamctl_srt.runtime import Runtime
from streamctl_srt.settings import Settings
from streamctl_srt.sink import SrtSink
from streamctl_srt.source import SrtSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Address, Listener, Sink, Source
    from streamctl.sdk.url import StreamURL


class SrtPlugin(ProtocolPlugin):
    """SRT: one port for publishers and viewers, pull and push, inputs that wait for a caller."""

    kind = "srt"
    summary = "SRT: publish, play, pull and push, encrypted if wanted"
    schemes: ClassVar[tuple[str, ...]] = ("srt",)
    ports: ClassVar[Mapping[str, int]] = {"srt": PORT}
    caps = Cap.PULL | Cap.PUSH | Cap.LISTEN
    datagrams = True
    play_format: ClassVar[Format | None] = Format.MPEGTS
    url_template = "srt://{host}:{port}?streamid=read:{code}"
    publish_template = "srt://{host}:{port}?streamid=publish:{code}"
    InputOptions: ClassVar[type[BaseModel]] = keys.InputOptions
    PushOptions: ClassVar[type[BaseModel]] = keys.PushOptions
    OutputOptions: ClassVar[type[BaseModel]] = keys.OutputOptions
    ListenerOptions: ClassVar[type[BaseModel]] = keys.ListenerOptions

    def __init__(self) -> None:
        self.runtime = Runtime()

    def check_input(self, url: StreamURL, options: keys.InputOptions) -> None:
        """Refuse keys and values of the URL that are none.

        Raises:
            ConfigError: it has such.
        """
        Settings.of_url(url, options)
        mode(url)

    def check_push(self, url: StreamURL, options: keys.PushOptions) -> None:
        """Refuse keys and values of the URL that are none, and destinations that call.

        Raises:
            ConfigError: it has such.
        """
        check_destination(url)
        Settings.of_url(url, options)

    def source(self, url: StreamURL, options: keys.InputOptions, ctx: Context) -> Source:
        return SrtSource(url, options, ctx, self.runtime)

    def sink(self, url: StreamURL, options: keys.PushOptions, ctx: Context) -> Sink:
        return SrtSink(url, options, ctx, self.runtime)

    def listener(self, address: Address, options: keys.ListenerOptions, ctx: Context) -> Listener:
        return SrtListener(address, options, ctx, self.runtime)

    def requirements(self) -> Sequence[Requirement]:
        try:
            return (Requirement("libsrt", shown(load().version)),)
        except MissingLibrary as error:
            return (Requirement("libsrt", error=error.message, hint=error.hint),)
