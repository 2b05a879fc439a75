"""Fetches endless MPEG-TS from another server.

A live stream that ends may come back, so every end is an error and the engine asks again. Finished
files are refused: a server sends them as fast as it can, not as fast as they play.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from streamctl.errors import MediaError
from streamctl.net.http_client import Fetcher
from streamctl.net.http_target import Target
from streamctl.net.tls import client_trust

if TYPE_CHECKING:
    from streamctl.net.http_answer import Head
    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.url import StreamURL
    from streamctl_http_ts.options import HttpTsInputOptions

PLAYLISTS = ("mpegurl", "dash+xml")


class HttpTsSource:
    """Implements :class:`streamctl.sdk.endpoints.Source`."""

    duration_s = 0.0
    """A live stream has no length."""

    def __init__(self, url: StreamURL, options: HttpTsInputOptions, ctx: Context) -> None:
        """Read the URL.

        Raises:
            ConfigError: the URL leads to no server, or a header can't be sent.
        """
        self.url = url
        self.options = options
        self.ctx = ctx
        self.target = Target.of_input(url, options.headers)

    async def run(self, out: EpochWriter) -> None:
        """Fetch into the epoch until the stream or the connection ends.

        Raises:
            ConnectionFailed: the server is not reachable, refuses, or the stream ended there.
            RemoteProtocolError: the server speaks no HTTP.
            MediaError: what it sends is no live MPEG-TS.
            ConfigError: `tls_ca` can't be used.
            StaleEpoch: the epoch has ended.
        """
        options, ctx = self.options, self.ctx
        options.choose(out)
        put, now = out.put_ts, ctx.clock.now
        trust = partial(client_trust, options.tls_ca, verify=not options.tls_insecure)
        fetcher = Fetcher(ctx.clock, trust, ctx.handshake_s)
        async with fetcher.fetching(
            self.target, self._judge, lambda data: put(data, now())
        ) as fetch:
            await fetch.ended.wait()
        if fetch.failure is not None:
            raise fetch.failure

    def _judge(self, head: Head) -> None:
        """Refuse what is certainly no live MPEG-TS.

        Raises:
            MediaError: why.
        """
        kind = head.media_type
        shown = f"`{self.url.redacted}`"
        if any(mark in kind for mark in PLAYLISTS):
            raise MediaError(
                f"{shown} is a playlist, not MPEG-TS: `{kind}`",
                hint="force its kind, such as `hls+https://…`",
                permanent=True,
            )
        if head.shows_no_media:
            raise MediaError(f"{shown} is no MPEG-TS: `{kind}`", permanent=True)
        encoding = head.headers.get("content-encoding", "identity").strip().lower()
        if encoding != "identity":
            raise MediaError(
                f"{shown} comes compressed, as `{encoding}`, although that was not asked for",
                hint="have the server, or what stands before it, leave MPEG-TS as it is",
                permanent=True,
            )
        if head.file_bytes:
            raise MediaError(
                f"{shown} is a file of {head.file_bytes} bytes, not a live stream",
                hint="download it and play it with `file:PATH`",
                permanent=True,
            )
