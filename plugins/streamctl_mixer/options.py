"""Keys of a mixer, and the same in the query of its URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from streamctl.errors import ConfigError
from streamctl.sdk.plugin import Options
from streamctl.sdk.query import Dialect, with_query
from streamctl.sdk.within import body_of, code_in

if TYPE_CHECKING:
    from streamctl.sdk.url import StreamURL


class MixerInputOptions(Options):
    """What becomes of the input when a part of it fails."""

    audio_failure: Literal["down", "continue"] = "down"
    """Without sound the input fails; or goes on with its pictures alone."""


def as_meant(name: str, text: str) -> object:
    """The value of a word; without one it is the default."""
    del name
    return text or "down"


def of_input(url: StreamURL, options: MixerInputOptions) -> MixerInputOptions:
    """The options with what the URL says.

    Raises:
        ConfigError: a word is unknown, has no such value, or stands twice.
    """
    names = [name.lower() for name, _ in url.query]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"`{name}` stands twice in `{url.redacted}`", hint="keep one")
    return with_query(options, url, Dialect(convert=as_meant))


def codes_of(url: StreamURL) -> tuple[str, str]:
    """The codes of the pictures and of the sound.

    Raises:
        ConfigError: there are not two, or they are the same one.
    """
    parts = body_of(url).partition("?")[0].split(",")
    if len(parts) != 2:
        raise ConfigError(
            f"`{url.redacted}` names {len(parts)} stream{'s' * (len(parts) != 1)}",
            hint="name two: `mixer:VIDEO,AUDIO`",
        )
    video, audio = (code_in(part, url) for part in parts)
    if video == audio:
        raise ConfigError(
            f"`{url.redacted}` mixes a stream with itself", hint=f"write `copy:{video}`"
        )
    return video, audio
