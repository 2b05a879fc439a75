"""Pulls a stream from a camera or another server.

One connection does everything: the description that is asked for first is what the media is read
by, and nothing is probed.
"""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from streamctl.errors import ConnectionFailed, MediaError, RemoteProtocolError, StreamctlError
from streamctl.media.rtp.receiver import Receiver
from streamctl.sdk.session import Transit
from streamctl_rtsp.client.carriage import Carriage, Wish
from streamctl_rtsp.client.dialogue import described, play
from streamctl_rtsp.client.keep_alive import keep_alive
from streamctl_rtsp.client.options import destination_of
from streamctl_rtsp.client.route import Route
from streamctl_rtsp.wire.message import Method

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamctl.sdk.context import Context, Timer
    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.url import StreamURL
    from streamctl_rtsp.client.connection import RtspClient
    from streamctl_rtsp.client.dialogue import Described
    from streamctl_rtsp.client.options import InputOptions

LOOK_S = 0.05
"""How often datagrams are looked after that wait for one that is missing."""
ORDERED_LOOK_S = 0.25
"""The same where none can be missing: reports are due every few seconds."""


class RtspSource:
    """Implements :class:`streamctl.sdk.endpoints.Source`, ``Measured`` and ``Numbered``."""

    duration_s = 0.0
    """A live stream has no length."""

    def __init__(self, url: StreamURL, options: InputOptions, ctx: Context) -> None:
        """Read the URL.

        Raises:
            ConfigError: it names no host, or its transport is impossible.
        """
        self.url = url
        self.options = options
        self.ctx = ctx
        self.upstream, kinds = destination_of(url, options.transport)
        self.wish = Wish(
            kinds,
            explicit=options.transport != "auto",
            interface=options.interface,
            buffer_bytes=options.receive_buffer_bytes,
        )
        self.session: Playing | None = None
        """What is being received, while something is."""

    async def run(self, out: EpochWriter) -> None:
        """Play from the server into the epoch until the connection or the stream ends.

        Raises:
            ConnectionFailed: the server refused or closed, or the stream ended there: a live
                stream that ends may come back.
            RemoteProtocolError: the server broke the protocol.
            MediaError: nothing of the stream can be read.
            ConfigError: `tls_ca` can't be used.
            StaleEpoch: the epoch has ended.
        """
        self.options.choose(out)
        route = Route(self.options, self.ctx.handshake_s)
        async with described(self.upstream, route, self.ctx) as found, AsyncExitStack() as stack:
            self._check(found)
            playing = Playing(found, self.wish, stack, out, self.ctx)
            try:
                await playing.begin()
                self.session = playing
                carriage = playing.carriage
                await keep_alive(
                    found.client,
                    found.offer.url,
                    carriage.timeout_s,
                    found.methods,
                    self.ctx.clock,
                )
            finally:
                playing.end()
                self.session = None

    def measure(self) -> Mapping[str, object]:
        """How media travels, and what became of it on the way."""
        playing = self.session
        if playing is None or playing.receiver is None:
            return {}
        found: dict[str, object] = {
            "transport": playing.carriage.kind,
            "tracks": playing.receiver.measure(),
        }
        if playing.carriage.pairs:
            kernel, ours = playing.carriage.losses()
            found |= {"kernel_drops": kernel, "overruns": ours}
        return found

    def transit(self) -> Transit:
        """What became of the packets."""
        receiver = self.session.receiver if self.session is not None else None
        return Transit() if receiver is None else Transit(receiver.came, receiver.lost)

    def _check(self, found: Described) -> None:
        """Tell what is left out.

        Raises:
            MediaError: everything is.
        """
        offer, shown = found.offer, found.client.upstream.shown
        names = ", ".join(offer.left_out)
        if not offer.tracks:
            raise MediaError(
                f"`{shown}` has no track that can be read: {names or 'it describes none'}",
                hint="choose H.264, H.265 or AAC in the settings of the camera",
                permanent=bool(names),
            )
        if names:
            self.ctx.log.warning("%s: left out: %s", shown, names)


class Playing:
    """One session of media that comes in."""

    def __init__(
        self,
        found: Described,
        wish: Wish,
        stack: AsyncExitStack,
        out: EpochWriter,
        ctx: Context,
    ) -> None:
        self.client: RtspClient = found.client
        self.found = found
        self.out = out
        self.clock = ctx.clock
        self.receiver: Receiver | None = None
        self.carriage = Carriage(found.client, wish, stack, self._media, self._reports)
        self._look_s = LOOK_S
        self._timer: Timer | None = None

    async def begin(self) -> None:
        """Set everything up, and play.

        Raises:
            ConnectionFailed: it was refused.
            RemoteProtocolError: an answer makes no sense.
        """
        tracks = self.found.offer.tracks
        await self.carriage.set_up(tracks)
        ordered = self.carriage.kind == "tcp"
        formats = [track.format for track in tracks]
        try:
            self.receiver = Receiver(formats, ssrc=secrets.randbits(32), ordered=ordered)
        except RemoteProtocolError as error:
            raise self.client.named(error) from None
        if ordered:
            self._look_s = ORDERED_LOOK_S
        # Some begin before they have answered.
        self.client.settle = self._deliver
        self._timer = self.clock.call_later(self._look_s, self._look)
        await play(self.found)

    def end(self) -> None:
        """Say goodbye."""
        if self._timer is not None:
            self._timer.cancel()
        if self.receiver is not None:
            for track, data in self.receiver.farewells():
                self.carriage.report(track, data)
        if self.client.session:
            self.client.say(Method.TEARDOWN, self.found.offer.url)

    def _media(self, track: int, data: memoryview) -> None:
        if self.receiver is not None:
            self.receiver.feed(track, data, self.clock.now())

    def _reports(self, track: int, data: memoryview) -> None:
        if self.receiver is not None:
            self.receiver.feed_rtcp(track, data, self.clock.now())

    def _deliver(self) -> None:
        """Hand over what is ready.

        Raises:
            ConnectionFailed: the sender says that it was all.
            StaleEpoch: the epoch has ended.
        """
        receiver = self.receiver
        if receiver is None:
            return
        receiver.deliver(self.out, self.clock.now())
        if receiver.ended:
            raise ConnectionFailed(f"the stream ended at `{self.client.upstream.shown}`")

    def _look(self) -> None:
        """Go on with what has waited, and report."""
        receiver, now = self.receiver, self.clock.now()
        assert receiver is not None
        self._timer = self.clock.call_later(self._look_s, self._look)
        try:
            receiver.poll(now)
            self._deliver()
        except StreamctlError as error:
            self.client.fail(error)
            return
        for track, data in receiver.reports(now):
            self.carriage.report(track, data)
