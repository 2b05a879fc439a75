"""Keys of a file input, and the same keys in the query of its URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from streamctl.errors import ConfigError
from streamctl.sdk.plugin import Options

if TYPE_CHECKING:
    from streamctl.sdk.url import StreamURL


class FileInputOptions(Options):
    """How a file is played."""

    loop: bool = Field(True, description="begin again at the end, without a seam")


def with_query(options: FileInputOptions, url: StreamURL) -> FileInputOptions:
    """The options, overridden by the URL's query (``file:a.mp4?loop=false``).

    Raises:
        ConfigError: the query names an unknown option or an invalid value.
    """
    try:
        return FileInputOptions.model_validate(options.model_dump() | dict(url.query))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        raise ConfigError(
            f"in `{url.raw}`, `{key}`: {first['msg'].lower()}",
            hint="a file input takes `loop=true` or `loop=false`",
        ) from None
