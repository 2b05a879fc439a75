"""What a push says that it will send, and how a server is asked to take it.

Specification: RFC 2326 sections 10.3 (ANNOUNCE) and 10.11 (RECORD).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.errors import ConnectionFailed
from streamctl.media.codecs import TITLES
from streamctl.media.rtp.announced import Described, described
from streamctl_rtsp.client.dialogue import SDP, check, location_of, methods_of
from streamctl_rtsp.server.description import describe
from streamctl_rtsp.wire.control import TRACK, resolve
from streamctl_rtsp.wire.message import Method, Status, phrase
from streamctl_rtsp.wire.offer import OfferedTrack

if TYPE_CHECKING:
    from streamctl.media.packet import Init, Track
    from streamctl_rtsp.client.carriage import Carriage
    from streamctl_rtsp.client.connection import RtspClient
    from streamctl_rtsp.wire.message import Response

TITLE = "streamctl"
NO_PUSHES = frozenset(
    {Status.METHOD_NOT_ALLOWED, Status.NOT_IMPLEMENTED, Status.NOT_VALID_IN_THIS_STATE}
)
"""What servers say to ANNOUNCE that only play."""
NO_CODEC = frozenset({Status.NOT_ACCEPTABLE, Status.UNSUPPORTED_MEDIA_TYPE})
"""What servers say to codecs that they don't take."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """The tracks that are sent, as they are described."""

    told: tuple[Described, ...]
    tracks: tuple[Track, ...]
    """The same tracks, as the stream has them."""

    @classmethod
    def of(cls, init: Init) -> Announcement:
        """What can be said of the tracks of a stream."""
        told = tuple(described(init))
        by_id = {track.id: track for track in init.tracks}
        return cls(told, tuple(by_id[one.id] for one in told))

    @property
    def codecs(self) -> str:
        """The codecs in words."""
        return " and ".join(TITLES.get(track.codec, str(track.codec)) for track in self.tracks)

    async def record(self, client: RtspClient, carriage: Carriage) -> str:
        """Come to where media can be sent; where else to go for that, if the server says so.

        Raises:
            ConnectionFailed: the server takes it not at all, or not like this.
            RemoteProtocolError: an answer makes no sense.
        """
        url = client.upstream.url
        await methods_of(client)
        body = describe(list(self.told), TITLE, "", 1)
        response = await client.ask(Method.ANNOUNCE, url, [("Content-Type", SDP)], body)
        location = location_of(response)
        if location:
            return location
        self._check(client, response)
        tracks = [
            OfferedTrack(resolve(url, f"{TRACK}{one.index}"), one.format) for one in self.told
        ]
        await carriage.set_up(tracks)
        response = await client.ask(Method.RECORD, url, [("Range", "npt=0.000-")])
        check(client, Method.RECORD, response)
        return ""

    def _check(self, client: RtspClient, response: Response) -> None:
        if response.status in NO_PUSHES:
            raise ConnectionFailed(
                f"`{client.upstream.shown}` takes no pushes: it answers "
                f"{response.status} {phrase(response.status)}",
                hint="push to a server that takes publishers; cameras only play",
                permanent=True,
            )
        if response.status in NO_CODEC:
            raise ConnectionFailed(
                f"`{client.upstream.shown}` does not take {self.codecs}: it answers "
                f"{response.status} {phrase(response.status)}",
                hint="transcode to what it takes, H.264 and AAC mostly",
                permanent=True,
            )
        check(client, Method.ANNOUNCE, response)
