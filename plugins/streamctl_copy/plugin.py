"""The ``copy`` kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from streamctl.sdk.plugin import Cap, ProtocolPlugin
from streamctl.sdk.within import body_of, code_in
from streamctl_copy.source import CopySource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Source
    from streamctl.sdk.url import StreamURL


class CopyPlugin(ProtocolPlugin):
    """Other streams as inputs."""

    kind: ClassVar[str] = "copy"
    summary: ClassVar[str] = "another stream of this server, as it is"
    schemes: ClassVar[tuple[str, ...]] = ("copy",)
    caps: ClassVar[Cap] = Cap.PULL

    def check_input(self, url: StreamURL, options: Any) -> None:
        """Refuse what names no stream.

        Raises:
            ConfigError: it is such.
        """
        code_in(body_of(url), url)

    def upstreams(self, url: StreamURL) -> Sequence[str]:
        """The stream that is copied.

        Raises:
            ConfigError: the URL names none.
        """
        return (code_in(body_of(url), url),)

    def source(self, url: StreamURL, options: Any, ctx: Context) -> Source:
        """A source that reads the other stream.

        Raises:
            ConfigError: the URL names none.
        """
        return CopySource(code_in(body_of(url), url), ctx)
