"""Pulls HLS from another server: chooses a variant, follows it, and plays it in real time.

MPEG-TS that comes in one playlist passes as it is; fragmented MP4, sound in playlists of its own
and sound without a container are taken apart into access units. A variant that fails is left for
the next best one; a server that is gone is the engine's matter.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
from pydantic import SecretStr

from streamctl.errors import ConnectionFailed, StaleEpoch, StreamctlError
from streamctl.net.http_session import HttpSession
from streamctl.net.http_target import Target
from streamctl.net.tls import client_trust
from streamctl_hls.feed import Feed
from streamctl_hls.loader import Loader
from streamctl_hls.mixer import Mixer
from streamctl_hls.passage import Passage
from streamctl_hls.sniff import Kind, sniff
from streamctl_hls.wire.choose import Cooling, Limits, ranked, sounds
from streamctl_hls.wire.playlist import MediaPlaylist, Multivariant, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.url import StreamURL
    from streamctl_hls.pull_options import HlsInputOptions
    from streamctl_hls.wire.follow import Mark
    from streamctl_hls.wire.playlist import Rendition

QUIET_S = 1.0
"""Waiting for the next segment is worth saying after this."""
FIRST_S = 90.0
"""What the first segment of a variant may take: a playlist, a key, and one that is slow."""
MARKS = 256
"""Playlists whose end is known; more are not pulled by one server."""
OTHER_VARIANT = "another variant is fetched"


@dataclass(frozen=True, slots=True)
class Choice:
    """What is fetched together."""

    variant: Variant
    sounds: tuple[Rendition, ...] = ()
    start_s: float | None = None
    """Where to begin, if the playlists don't tell themselves."""
    better: tuple[Variant, ...] = ()
    """Those that would have been fetched, had they not failed."""
    smaller: bool = False
    """There is one that asks less of the line."""


class Marks:
    """How far live playlists were played, for the next attempt to go on from there.

    Without that, each attempt at a playlist that has come to a halt would play its end again.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, Mark] = OrderedDict()

    def __getitem__(self, url: str) -> Mark | None:
        """The mark of a playlist, if it was ever played."""
        return self._known.get(plain(url))

    def note(self, url: str, mark: Mark) -> None:
        """An attempt has come so far."""
        self._known[plain(url)] = mark
        self._known.move_to_end(plain(url))
        while len(self._known) > MARKS:
            self._known.popitem(last=False)


def plain(url: str) -> str:
    """What tells playlists apart: queries may hold keys that change."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


class HlsSource:
    """Implements :class:`streamctl.sdk.endpoints.Source`."""

    def __init__(
        self, url: StreamURL, options: HlsInputOptions, ctx: Context, marks: Marks
    ) -> None:
        """Read the URL; ``marks`` are shared by all attempts.

        Raises:
            ConfigError: the URL leads to no server, or a header can't be sent.
        """
        self.url = url
        self.options = options
        self.ctx = ctx
        self.marks = marks
        headers = dict(options.headers)
        if options.user_agent:
            headers["User-Agent"] = SecretStr(options.user_agent)
        self.target = Target.of_input(url, headers)
        self.choice: Choice | None = None
        """What is fetched now."""
        self.feeds: list[Feed] = []
        self.switches = 0
        """How often another variant had to be taken."""
        self._cooling = Cooling()
        self._player: Passage | Mixer | None = None
        self._since = ctx.clock.now()
        """When the choice was made."""
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
        """What is waited for: segments come seldom, and holes in media are played as pauses.

        Silence is nothing special for as long as playlists may bring nothing new, and no longer,
        whatever the reason is.
        """
        now = self.ctx.clock.now()
        feed = self.feeds[0] if self.feeds else None
        if feed is None or not feed.fetched:
            return f"fetching `{self.target.shown}`" if now - self._since < FIRST_S else ""
        put_at = self._player.put_at if self._player else self._since
        silence_s = now - max(put_at, self._since)
        waits = not feed.over and QUIET_S < silence_s < feed.stall_s
        return "waiting for the next segment" if waits else ""

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
        trust = partial(client_trust, options.tls_ca, verify=not options.tls_insecure)
        session = HttpSession(ctx.clock, trust, ctx.handshake_s)
        try:
            loader = Loader(session, self.target, ctx.clock)
            found, place = await loader.playlist(self.target.url, first=True)
            if isinstance(found, MediaPlaylist):
                await self._play(Choice(Variant(place, 0)), loader, out, found)
            else:
                loader.variables = found.variables
                await self._play_best(found, loader, out)
        finally:
            session.close()

    async def _play_best(self, found: Multivariant, loader: Loader, out: EpochWriter) -> None:
        """Play the best variant that can be played, and again a better one when that is back."""
        order = ranked(found.variants, Limits(self.options.max_kbps, self.options.height))
        while True:
            ready = self._cooling.ready(order, self.ctx.clock.now())
            best = ready[0]
            choice = Choice(
                best,
                tuple(sounds(found, best)),
                found.start_s,
                tuple(order[: order.index(best)]),
                smaller=any(each.bandwidth < best.bandwidth for each in ready[1:]),
            )
            try:
                await self._play(choice, loader, out)
            except StaleEpoch:
                raise
            except StreamctlError as error:
                self._cooling.fail(best, self.ctx.clock.now())
                if len(ready) == 1:
                    raise
                self.ctx.log.warning("the variant of %s failed: %s", best.shown, error)
            else:
                if not self.feeds[0].retired:
                    return
            self.switches += 1

    async def _play(
        self, choice: Choice, loader: Loader, out: EpochWriter, first: MediaPlaylist | None = None
    ) -> None:
        """Play one variant with its sound until its end.

        Raises:
            StreamctlError: it can't be played any more.
        """
        before = self.feeds[0].position if self.feeds else None
        urls = [choice.variant.url, *(each.url for each in choice.sounds)]
        self.choice, self._since = choice, self.ctx.clock.now()
        self.feeds = [self._feed(url, loader, choice) for url in urls]
        self.feeds[0].first, self.feeds[0].choosy = first, choice.smaller
        if before is not None:
            for feed in self.feeds:
                feed.follower.resume(before, OTHER_VARIANT)
        failure: StreamctlError | None = None
        async with anyio.create_task_group() as tasks:
            for feed in self.feeds:
                tasks.start_soon(feed.run)
            if choice.better:
                tasks.start_soon(self._reconsider, choice.better, loader)
            try:
                await self._drain(choice, out)
            except StreamctlError as error:
                failure = error
            finally:
                self._mark()
            tasks.cancel_scope.cancel()
        failure = failure or self.feeds[0].failure
        if failure is not None:
            raise failure

    def _mark(self) -> None:
        """Note how far the playlists were played."""
        for feed in self.feeds:
            mark = feed.follower.mark
            if mark is not None:
                self.marks.note(feed.url, mark)

    async def _reconsider(self, better: Sequence[Variant], loader: Loader) -> None:
        """End what is played once a better variant is there again."""
        clock, cooling = self.ctx.clock, self._cooling
        while True:
            variant = min(better, key=cooling.until)
            await clock.sleep(max(0.0, cooling.until(variant) - clock.now()))
            try:
                await loader.playlist(variant.url, first=True)
            except StreamctlError:
                cooling.fail(variant, clock.now())
            else:
                self.feeds[0].retired = True
                return

    def _feed(self, url: str, loader: Loader, choice: Choice) -> Feed:
        feed = Feed(loader, url, self.ctx.clock, self.ctx.log)
        feed.low_latency = self.options.low_latency
        feed.loop = self.options.loop
        feed.follower.start_s = choice.start_s
        feed.follower.former = self.marks[url]
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
            chosen = self.options if self.options.selective else None
            mixer = self._player = Mixer(self.feeds, choice.sounds, out, self.ctx, chosen)
            await mixer.run()

    async def _pass(self, feed: Feed, out: EpochWriter) -> None:
        """Pass MPEG-TS on."""
        passage = self._player = Passage(out, self.ctx.clock)
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
