"""Pulls HLS from another server: chooses a variant, follows it, and plays it in real time.

MPEG-TS that comes in one playlist passes as it is; fragmented MP4, sound in playlists of its own
and sound without a container are taken apart into access units. A variant that fails is left for
the next best one; a server that is gone is the engine's matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from streamctl.errors import ConnectionFailed, StaleEpoch, StreamctlError
from streamctl.net.http_session import HttpSession
from streamctl.net.http_target import Target
from streamctl.net.tls import client_context
from streamctl_hls.feed import Feed
from streamctl_hls.loader import Loader
from streamctl_hls.mixer import Mixer
from streamctl_hls.passage import Passage
from streamctl_hls.sniff import Kind, sniff
from streamctl_hls.wire.choose import Limits, ranked, sounds
from streamctl_hls.wire.playlist import MediaPlaylist, Multivariant, Variant

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.url import StreamURL
    from streamctl_hls.pull_options import HlsInputOptions
    from streamctl_hls.wire.playlist import Rendition

COOL_S = 60.0
"""How long a variant that failed is left alone."""
STARVING_S = 1.0
"""Waiting for the next segment is worth saying after this."""
OTHER_VARIANT = "another variant is fetched"


@dataclass(frozen=True, slots=True)
class Choice:
    """What is fetched together."""

    variant: Variant
    sounds: tuple[Rendition, ...] = ()


class HlsSource:
    """Implements :class:`streamctl.sdk.endpoints.Source`."""

    def __init__(self, url: StreamURL, options: HlsInputOptions, ctx: Context) -> None:
        """Read the URL.

        Raises:
            ConfigError: the URL leads to no server, or a header can't be sent.
        """
        self.url = url
        self.options = options
        self.ctx = ctx
        # The kind may stand before the scheme, `hls+https://`.
        plain = url.raw.strip().partition("://")[2].partition("#")[0]
        headers = {name: text.get_secret_value() for name, text in options.headers.items()}
        if options.user_agent:
            headers["User-Agent"] = options.user_agent
        self.target = Target.of(f"{url.scheme}://{plain}", headers)
        self.choice: Choice | None = None
        """What is fetched now."""
        self.feeds: list[Feed] = []
        self.switches = 0
        """How often another variant had to be taken."""
        self._failed: dict[str, float] = {}
        """Since when variants have failed, by URL."""
        self._passes: bool | None = None
        """Whether MPEG-TS passes as it is; None = nothing has come yet."""

    @property
    def duration_s(self) -> float:
        """Length of a playlist that has ended; 0 = it is live, or not known yet."""
        playlist = self.feeds[0].playlist if self.feeds else None
        if playlist is None or not playlist.ended:
            return 0.0
        return sum(segment.duration_s for segment in playlist.segments)

    @property
    def waiting(self) -> str:
        """What is waited for: segments come seldom, and each request has its own deadline."""
        if self._passes is None:
            return f"fetching `{self.target.shown}`"
        feed = self.feeds[0]
        if feed.starving_since is None or feed.over:
            return ""
        silence_s = self.ctx.clock.now() - feed.starving_since
        return "waiting for the next segment" if STARVING_S < silence_s < feed.stall_s else ""

    def measure(self) -> Mapping[str, object]:
        """What is fetched, and how that goes."""
        if not self.feeds or self.choice is None:
            return {}
        return {
            "variant": self.choice.variant.shown if self.choice.variant.bandwidth else "",
            "renditions": [each.name for each in self.choice.sounds],
            "target_s": self.feeds[0].target_s,
            "buffered_s": round(self.feeds[0].buffered_s, 2),
            "fetched": sum(feed.fetched for feed in self.feeds),
            "skipped": sum(feed.skipped + feed.follower.lost for feed in self.feeds),
            "switches": self.switches,
        }

    async def run(self, out: EpochWriter) -> None:
        """Play into the epoch until the playlist ends.

        Raises:
            ConnectionFailed: the server is not reachable, refuses, or nothing new comes.
            RemoteProtocolError: it speaks no HTTP, or the playlist is none.
            MediaError: what it sends can't be read.
            ConfigError: `tls_ca` can't be used.
            StaleEpoch: the epoch has ended.
        """
        options, ctx = self.options, self.ctx
        options.choose(out)
        session = HttpSession(ctx.clock, self._trust, ctx.handshake_s)
        try:
            loader = Loader(session, self.target, ctx.clock)
            found, place = await loader.playlist(self.target.url, first=True)
            if isinstance(found, MediaPlaylist):
                await self._play(Choice(Variant(place, 0)), loader, out, found)
            else:
                await self._play_best(found, loader, out)
        finally:
            session.close()

    async def _play_best(self, found: Multivariant, loader: Loader, out: EpochWriter) -> None:
        """Play the best variant that can be played."""
        limits = Limits(self.options.max_kbps, self.options.height)
        order = ranked(found.variants, limits)
        while True:
            now = self.ctx.clock.now()
            ready = [v for v in order if now - self._failed.get(v.url, -COOL_S) >= COOL_S]
            choice = Choice(ready[0], tuple(sounds(found, ready[0])))
            try:
                await self._play(choice, loader, out)
            except StaleEpoch:
                raise
            except StreamctlError as error:
                self._failed[choice.variant.url] = self.ctx.clock.now()
                if len(ready) == 1:
                    raise
                shown = choice.variant.shown
                self.ctx.log.warning("the variant of %s failed: %s", shown, error)
                self.switches += 1
            else:
                return

    async def _play(
        self, choice: Choice, loader: Loader, out: EpochWriter, first: MediaPlaylist | None = None
    ) -> None:
        """Play one variant with its sound until its end.

        Raises:
            StreamctlError: it can't be played any more.
        """
        before = self.feeds[0].position if self.feeds else None
        urls = [choice.variant.url, *(each.url for each in choice.sounds)]
        self.choice = choice
        self.feeds = [self._feed(url, loader) for url in urls]
        self.feeds[0].first = first
        if before is not None:
            for feed in self.feeds:
                feed.follower.resume(before, OTHER_VARIANT)
        failure: StreamctlError | None = None
        async with anyio.create_task_group() as tasks:
            for feed in self.feeds:
                tasks.start_soon(feed.run)
            try:
                await self._drain(choice, out)
            except StreamctlError as error:
                failure = error
            tasks.cancel_scope.cancel()
        failure = failure or self.feeds[0].failure
        if failure is not None:
            raise failure

    def _feed(self, url: str, loader: Loader) -> Feed:
        feed = Feed(loader, url, self.ctx.clock, self.ctx.log)
        feed.low_latency = self.options.low_latency
        feed.loop = self.options.loop
        return feed

    async def _drain(self, choice: Choice, out: EpochWriter) -> None:
        """Play what the feeds bring until the first of them is over."""
        feed = self.feeds[0]
        while (first := feed.peek()) is None:
            if feed.over:
                return
            await feed.changed.wait()
        passes = sniff(first) is Kind.TS and len(self.feeds) == 1
        if self._passes not in {None, passes}:
            raise ConnectionFailed("the next variant has another format: begin anew with it")
        if self._passes is not None:
            out.discontinuity(OTHER_VARIANT)
        self._passes = passes
        if passes:
            await self._pass(feed, out)
        else:
            await Mixer(self.feeds, choice.sounds, out, self.ctx).run()

    async def _pass(self, feed: Feed, out: EpochWriter) -> None:
        """Pass MPEG-TS on."""
        passage = Passage(out, self.ctx.clock)
        while True:
            loaded = feed.take()
            if loaded is not None:
                passage.pacer.hurry = feed.crowded
                await passage.play(loaded)
            elif feed.over:
                await passage.finish()
                return
            else:
                await feed.changed.wait()

    async def _trust(self) -> ssl.SSLContext:
        """Whom a connection over TLS trusts; the system's authorities take a while to read."""
        options = self.options
        return await to_thread.run_sync(
            partial(client_context, options.tls_ca, verify=not options.tls_insecure)
        )
