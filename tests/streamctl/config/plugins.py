"""Protocol plugins for tests of the configuration, installed by entry points of their own."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, Field

from streamctl.errors import ConfigError
from streamctl.media.packet import Format
from streamctl.registry import PROTOCOLS, Registry
from streamctl.sdk.plugin import Cap, Options, ProtocolPlugin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamctl.sdk.url import StreamURL


class PullOptions(Options):
    timeout_s: float = Field(5.0, gt=0)
    transport: str = "tcp"


class PushOptions(Options):
    tls: bool = False


class ListenOptions(Options):
    chunk_bytes: int = 65_536


class SegmentOptions(Options):
    segment_s: float = Field(2.0, gt=0)
    window: int = 6


class Rtmp(ProtocolPlugin):
    kind = "rtmp"
    ports: ClassVar[Mapping[str, int]] = {"rtmp": 1935}
    caps = Cap.LISTEN | Cap.PULL | Cap.PUSH
    play_format: ClassVar[Format | None] = Format.RTMP
    InputOptions: ClassVar[type[BaseModel]] = PullOptions
    PushOptions: ClassVar[type[BaseModel]] = PushOptions
    ListenerOptions: ClassVar[type[BaseModel]] = ListenOptions

    def check_input(self, url: StreamURL, options: PullOptions) -> None:
        if options.transport == "tcp" and url.port == 1:
            raise ConfigError(f"no port to pull from: `{url.redacted}`", hint="write another")

    def check_push(self, url: StreamURL, options: Any) -> None:
        if not options.tls and url.port == 1:
            raise ConfigError("no port to push to")


class Hls(ProtocolPlugin):
    kind = "hls"
    caps = Cap.HTTP
    OutputOptions: ClassVar[type[BaseModel]] = SegmentOptions


class File(ProtocolPlugin):
    kind = "file"
    caps = Cap.PULL


def entry(name: str, thing: str) -> EntryPoint:
    """An entry point of this module."""
    return EntryPoint(name, f"{__name__}:{thing}", PROTOCOLS)


def registry() -> Registry:
    """A registry with the plugins above and one whose import fails."""
    broken = EntryPoint("broken", "tests.streamctl.config.absent:Plugin", PROTOCOLS)
    return Registry([entry("rtmp", "Rtmp"), entry("hls", "Hls"), entry("file", "File"), broken])
