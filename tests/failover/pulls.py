"""An SRT encoder with an RTMP pull, an RTSP pull and a slate behind it, none of them connected.

The pulled servers are those of others: nginx, whose encoder is killed, and gst-rtsp-server, which
is killed itself. Two destinations stay all the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.audience import KINDS
from tests.support.rehearsal import KEYS, Rehearsal, medium
from tests.support.review import REACH_S
from tests.support.rtsp_servers import Wanted, gst_rtsp_server, playing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.media import MediaCache
    from tests.support.review import Review

MAIN, FEED, CAMERA, SLATE, AGAIN = range(1, 6)
SLATE_S = 2.0
"""Longer than a connection takes, so that the slate is not shown for a moment."""
TABLE = f"""
slate = "file:slate.mp4"
slate_after_s = {SLATE_S}
{KEYS}
[[streams.news.inputs]]
url = "publish:"
[[streams.news.inputs]]
url = "rtmp://127.0.0.1:{{nginx}}/live/feed"
[[streams.news.inputs]]
url = "rtsp://127.0.0.1:{{camera}}/x"
"""


def rehearse(folder: Path, media: MediaCache) -> Review:
    """Each of them is lost, and the encoder comes back."""
    main, again = (media(medium(one, container="ts")).path for one in (MAIN, AGAIN))
    feed, slate = media(medium(FEED)).path, media(medium(SLATE, seconds=8)).path
    (folder / "slate.mp4").write_bytes(slate.read_bytes())
    wanted = Wanted(playing(media(medium(CAMERA)).path))
    with (
        gst_rtsp_server(wanted) as (camera, port),
        Rehearsal(folder, TABLE, kinds=(*KINDS, "push2"), camera=port) as show,
    ):
        show.encoder("feed", feed, show.nginx.url("feed"))
        show.encoder("main", main, show.server.srt("publish:news"))
        show.server.wait_input(0)
        show.settled(1, "idle")
        show.opens(MAIN)
        show.plays(2)
        show.act("SRT encoder killed", 1, FEED, at=show.kill("main"), wait_s=REACH_S)
        show.plays(2)
        show.act("RTMP encoder killed", 2, CAMERA, at=show.kill("feed"), wait_s=REACH_S)
        show.plays(2)
        show.encoders["camera"] = camera
        show.act("RTSP server killed", 3, SLATE, at=show.kill("camera"), wait_s=SLATE_S)
        show.plays(2)
        process = show.encoder("again", again, show.server.srt("publish:news"))
        show.act("SRT encoder back", 0, AGAIN, at=process.began)
        show.plays(3)
        return show.closes()
