"""Keys of a file input, and the same keys in the query of its URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, ValidationError

from streamctl.errors import ConfigError
from streamctl.sdk.plugin import Options

if TYPE_CHECKING:
    from streamctl.sdk.url import StreamURL


Pid = Annotated[int, Field(ge=0, le=0x1FFE)]


class FileInputOptions(Options):
    """How a file is played."""

    loop: bool = Field(True, description="begin again at the end, without a seam")
    program: int = Field(
        0, ge=0, le=0xFFFF, description="which program of a transport stream; 0 = the first"
    )
    pids: tuple[Pid, ...] = Field(
        (), description="the elementary streams of a transport stream to keep; empty = all"
    )


def with_query(options: FileInputOptions, url: StreamURL) -> FileInputOptions:
    """The options, overridden by the URL's query (``file:a.mp4?loop=false``).

    Raises:
        ConfigError: the query names an unknown option or an invalid value.
    """
    asked = {key: text.split(",") if key == "pids" else text for key, text in url.query}
    try:
        return FileInputOptions.model_validate(options.model_dump() | asked)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        raise ConfigError(
            f"in `{url.raw}`, `{key}`: {first['msg'].lower()}",
            hint="a file input takes `loop=false`, `program=2` and `pids=256,257`",
        ) from None
