"""The ``mixer`` kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from streamctl.sdk.plugin import Cap, ProtocolPlugin
from streamctl_mixer.options import MixerInputOptions, codes_of, of_input
from streamctl_mixer.source import MixerSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Source
    from streamctl.sdk.url import StreamURL


class MixerPlugin(ProtocolPlugin):
    """Two other streams as one input."""

    kind: ClassVar[str] = "mixer"
    summary: ClassVar[str] = "the pictures of one stream of this server, the sound of another"
    schemes: ClassVar[tuple[str, ...]] = ("mixer",)
    caps: ClassVar[Cap] = Cap.PULL
    sole: ClassVar[bool] = True
    InputOptions: ClassVar[type[BaseModel]] = MixerInputOptions

    def check_input(self, url: StreamURL, options: MixerInputOptions) -> None:
        """Refuse what names no two streams, and unknown words.

        Raises:
            ConfigError: it is such.
        """
        codes_of(url)
        of_input(url, options)

    def upstreams(self, url: StreamURL) -> Sequence[str]:
        """The two streams.

        Raises:
            ConfigError: the URL names no two.
        """
        return codes_of(url)

    def source(self, url: StreamURL, options: MixerInputOptions, ctx: Context) -> Source:
        """A source that reads both streams.

        Raises:
            ConfigError: the URL names no two, or has unknown words.
        """
        return MixerSource(*codes_of(url), of_input(url, options), ctx)
