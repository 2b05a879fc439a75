"""Pulls a stream from another RTMP server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from streamctl.media.flv_ingest import Ingest
from streamctl_rtmp.client import opened
from streamctl_rtmp.wire.client import Role
from streamctl_rtmp.wire.events import DataReceived
from streamctl_rtmp.wire.messages import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.url import StreamURL
    from streamctl_rtmp.options import ClientOptions
    from streamctl_rtmp.wire.events import Event


class RtmpSource:
    """Implements :class:`streamctl.sdk.endpoints.Source`."""

    duration_s = 0.0
    """A live stream has no length."""

    def __init__(self, url: StreamURL, options: ClientOptions, ctx: Context) -> None:
        self.url = url
        self.options = options
        self.ctx = ctx

    async def run(self, out: EpochWriter) -> None:
        """Play from the server into the epoch until the connection or the stream ends.

        Raises:
            ConnectionFailed: the server refused or closed, or the stream ended there: a live
                stream that ends may come back.
            RemoteProtocolError: the server broke the protocol.
            Unsupported: the stream has a codec that can't be carried.
            StaleEpoch: the epoch has ended.
        """
        ingest = Ingest(out, "RTMP")
        clock = self.ctx.clock

        def take(events: Sequence[Event]) -> None:
            now = clock.now()
            for event in events:
                if type(event) is Message:
                    ingest.take(event, now)
                elif type(event) is DataReceived:
                    ingest.metadata(event.name, event.values)
            ingest.flush(now)

        async with opened(Role.PLAY, self.url, self.options, self.ctx, take):
            await anyio.sleep_forever()
