"""The ``file`` kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from streamctl.sdk.plugin import Cap, ProtocolPlugin
from streamctl.sdk.query import with_query
from streamctl_file.options import FileInputOptions
from streamctl_file.source import FileSource

if TYPE_CHECKING:
    from pydantic import BaseModel

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Source
    from streamctl.sdk.url import StreamURL


class FilePlugin(ProtocolPlugin):
    """Media files as inputs."""

    kind: ClassVar[str] = "file"
    summary: ClassVar[str] = "media files, played in real time, once or in a loop"
    schemes: ClassVar[tuple[str, ...]] = ("file",)
    caps: ClassVar[Cap] = Cap.PULL
    InputOptions: ClassVar[type[BaseModel]] = FileInputOptions

    def check_input(self, url: StreamURL, options: FileInputOptions) -> None:
        """Refuse words and values of the query that are none, or that the table contradicts.

        Raises:
            ConfigError: it has such.
        """
        with_query(options, url)

    def source(self, url: StreamURL, options: FileInputOptions, ctx: Context) -> Source:
        """A source that plays the file.

        Raises:
            ConfigError: the URL's query is invalid.
        """
        return FileSource(url, ctx, with_query(options, url))
