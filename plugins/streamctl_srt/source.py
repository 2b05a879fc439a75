"""Pulls MPEG-TS over SRT: calls a server, or waits for an encoder to call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.net.address import show
from streamctl_srt import statistics
from streamctl_srt.inlet import Inlet, waiting
from streamctl_srt.link import PORT, opened
from streamctl_srt.query import mode
from streamctl_srt.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.url import StreamURL
    from streamctl_srt.link import Link
    from streamctl_srt.options import InputOptions
    from streamctl_srt.runtime import Runtime


class SrtSource:
    """Implements :class:`streamctl.sdk.endpoints.Source`."""

    duration_s = 0.0
    """A live stream has no length."""

    def __init__(
        self, url: StreamURL, options: InputOptions, ctx: Context, runtime: Runtime
    ) -> None:
        """Read the URL.

        Raises:
            ConfigError: it has a key or value that is none.
        """
        self.url = url
        self.options = options
        self.settings = Settings.of_url(url, options)
        self.listening = mode(url) == "listener"
        self.ctx = ctx
        self.runtime = runtime
        self.waiting = ""
        """What is waited for; empty when media should come."""
        self.link: Link | None = None

    def measure(self) -> Mapping[str, object]:
        """What the connection counts and measures."""
        return statistics.receiving(self.link.endpoint) if self.link else {}

    async def run(self, out: EpochWriter) -> None:
        """Deliver until the connection ends.

        Raises:
            ConnectionFailed: it did not come about, or ended: live media may come back.
            MissingLibrary: the system has no libsrt.
            StaleEpoch: the epoch has ended.
        """
        settings = self.settings
        self.options.choose(out)
        clock = self.ctx.clock

        def take(data: bytes) -> None:
            out.put_ts(data, clock.now())

        async with self.runtime.running() as engine:
            if self.listening:
                address = (self.url.host, self.url.port or PORT)
                inlet = Inlet(engine, self.ctx, settings.stream_id, take)
                async with waiting(address, settings, engine, inlet):
                    await self._follow(await self._caller(inlet))
            else:
                async with opened(self.url, settings, engine, take) as link:
                    await self._follow(link)

    async def _caller(self, inlet: Inlet) -> Link:
        where = show((self.url.host, self.url.port or PORT))
        self.waiting = f"waiting for a caller on {where}"
        link = await inlet.caller()
        self.waiting = ""
        self.ctx.log.info("srt %s: %s called", where, show(inlet.address))
        return link

    async def _follow(self, link: Link) -> None:
        self.link = link
        try:
            await link.end()
        finally:
            self.link = None
