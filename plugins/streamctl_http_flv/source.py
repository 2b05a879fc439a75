"""Fetches endless FLV from another server.

A live stream that ends may come back, so every end is an error and the engine asks again. Finished
files are refused: a server sends them as fast as it can, not as fast as they play.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from anyio import to_thread

from streamctl.errors import MediaError
from streamctl.media.flv_ingest import Ingest
from streamctl.media.flv_packer import TagType
from streamctl.net.http_client import Fetcher
from streamctl.net.http_target import Target
from streamctl.net.tls import client_context
from streamctl_http_flv.reader import FlvReader, script

if TYPE_CHECKING:
    import ssl

    from streamctl.net.http_answer import Head
    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.url import StreamURL
    from streamctl_http_flv.options import HttpFlvInputOptions

FILE_MARKS = ("accept-ranges", "etag", "last-modified")
"""Headers that a server has for files, and not for what it makes as it goes."""
NO_MEDIA = ("text/html", "text/xml", "application/json", "application/xml", "image/")
"""What errors and pages come as. Servers call FLV all kinds of things."""
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
        # The kind may stand before the scheme, `http-flv+https://`.
        plain = url.raw.strip().partition("://")[2]
        headers = {name: text.get_secret_value() for name, text in options.headers.items()}
        self.target = Target.of(f"{url.scheme}://{plain}", headers)

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
        ctx = self.ctx
        taker = Taker(out, ctx)
        fetcher = Fetcher(ctx.clock, self._trust, ctx.handshake_s)
        async with fetcher.fetching(self.target, self._judge, taker.take) as fetch:
            await fetch.ended.wait()
        if fetch.failure is not None:
            raise fetch.failure

    async def _trust(self) -> ssl.SSLContext:
        """Whom a connection over TLS trusts; the system's authorities take a while to read."""
        options = self.options
        return await to_thread.run_sync(
            partial(client_context, options.tls_ca, verify=not options.tls_insecure)
        )

    def _judge(self, head: Head) -> None:
        """Refuse what is certainly no live FLV.

        Raises:
            MediaError: why.
        """
        kind = head.headers.get("content-type", "").partition(";")[0].strip().lower()
        shown = f"`{self.url.redacted}`"
        if kind.startswith(NO_MEDIA) or "mpegurl" in kind:
            raise MediaError(f"{shown} is no FLV: `{kind}`", permanent=True)
        if "content-length" in head.headers and any(mark in head.headers for mark in FILE_MARKS):
            raise MediaError(
                f"{shown} is a file of {head.headers['content-length']} bytes, not a live stream",
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
