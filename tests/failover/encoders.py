"""Two RTMP encoders and a slate fail in turn; viewers of every kind stay all the way.

An encoder is killed, one freezes with its connection open, an operator switches by hand, and what
was lost comes back.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.support.audience import KINDS
from tests.support.rehearsal import KEYS, Rehearsal, medium

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.media import MediaCache
    from tests.support.review import Review

MAIN, SPARE, AGAIN, SLATE = range(1, 5)
plain = partial(medium, bframes=0)
"""Readers of RTSP tell no decoding times, so they can't copy pictures that are reordered."""
TABLE = f"""
inputs = ["publish:", "publish:"]
slate = "file:slate.mp4"
slate_after_s = 0.2
standby = "hot"
{KEYS}
"""
EVERYBODY = (*KINDS, "udp", "rtsp", "rtsp gstreamer", "rtsp push")


def rehearse(folder: Path, media: MediaCache) -> Review:
    """A wish, SIGKILL, SIGSTOP, and a recovery from the slate."""
    main, spare, again = (media(plain(source)).path for source in (MAIN, SPARE, AGAIN))
    slate = media(plain(SLATE, seconds=8)).path
    (folder / "slate.mp4").write_bytes(slate.read_bytes())
    with Rehearsal(folder, TABLE, kinds=EVERYBODY) as show:
        show.encoder("main", main)
        show.server.wait_input(0)
        show.encoder("spare", spare)
        show.settled(1, "standby")
        show.settled(2, "standby")
        show.opens(MAIN)
        show.plays(2)
        show.act("switched by hand", 1, SPARE, at=show.wish(1))
        show.plays(2.5)
        show.act("killed", 0, MAIN, at=show.kill("spare"))
        show.plays(2.5)
        show.act("frozen", 2, SLATE, at=show.freeze("main"), wait_s=0.2)
        show.plays(2.5)
        process = show.encoder("again", again)
        show.act("back", 0, AGAIN, at=process.began)
        show.plays(3)
        return show.closes()
