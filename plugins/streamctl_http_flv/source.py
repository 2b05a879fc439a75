"""Fetches endless FLV from another server.

A live stream that ends may come back, so every end is an error and the engine asks again. Finished
files are refused: a server sends them as fast as it can, not as fast as they play.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from streamctl.errors import MediaError
from streamctl.media.flv_ingest import Ingest
from streamctl.media.flv_packer import TagType
from streamctl.net.http_client import Fetcher
from streamctl.net.http_target import Target
from streamctl.net.tls import client_trust
from streamctl_http_flv.reader import FlvReader, script

if TYPE_CHECKING:
    from streamctl.net.http_answer import Head
    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.url import StreamURL
    from streamctl_http_flv.options import HttpFlvInputOptions

SCRIPT = TagType.SCRIPT
"""Looking a member up in its enum costs as much as a call."""


class HttpFlvSource:
    """Implements :class:`streamctl.sdk.endpoints.Source`."""

    duration_s = 0.0
    """A live stream has no length."""

    def __init__(self, url: StreamURL, options: HttpFlvInputOptions, ctx: Context) -> None:
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
            RemoteProtocolError: the server speaks no HTTP, or what it sends is no FLV.
            MediaError: it is no live stream.
            Unsupported: the stream has a codec that can't be carried.
            ConfigError: `tls_ca` can't be used.
            StaleEpoch: the epoch has ended.
        """
        options, ctx = self.options, self.ctx
        taker = Taker(out, ctx)
        trust = partial(client_trust, options.tls_ca, verify=not options.tls_insecure)
        fetcher = Fetcher(ctx.clock, trust, ctx.handshake_s)
        async with fetcher.fetching(self.target, self._judge, taker.take) as fetch:
            await fetch.ended.wait()
        if fetch.failure is not None:
            raise fetch.failure

    def _judge(self, head: Head) -> None:
        """Refuse what is certainly no live FLV.

        Raises:
            MediaError: why.
        """
        kind = head.media_type
        shown = f"`{self.url.redacted}`"
        if head.shows_no_media or "mpegurl" in kind:
            raise MediaError(f"{shown} is no FLV: `{kind}`", permanent=True)
        if head.file_bytes:
            raise MediaError(
                f"{shown} is a file of {head.file_bytes} bytes, not a live stream",
                hint="download it and play it with `file:PATH`",
                permanent=True,
            )


class Taker:
    """Brings what comes into the epoch."""

    def __init__(self, out: EpochWriter, ctx: Context) -> None:
        self.clock = ctx.clock
        self.ingest = Ingest(out, "HTTP-FLV")
        self.reader = FlvReader()

    def take(self, data: bytes) -> None:
        """Take bytes of the body.

        Raises:
            RemoteProtocolError: this is no FLV.
            Unsupported: the codec can't be carried.
            StaleEpoch: the epoch has ended.
        """
        now = self.clock.now()
        ingest = self.ingest
        for tag in self.reader.feed(data):
            if tag.type == SCRIPT:
                ingest.metadata(*script(tag.data))
            else:
                ingest.take(tag, now)
        ingest.flush(now)
