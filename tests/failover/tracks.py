"""Spare encoders with other sizes, codecs and tracks: everybody follows, or is told why not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.support.rehearsal import CALM_KEYS, Rehearsal, medium

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.media import MediaCache
    from tests.support.review import Review

MAIN, OTHER, THIRD, AGAIN = range(1, 5)
TABLE = f"""
inputs = ["publish:", "publish:", "publish:"]
standby = "hot"
{CALM_KEYS}
"""
FLEXIBLE = ("rtmp", "push", "http-flv", "srt", "http-ts", "hls", "udp")
TRANSPORT = ("http-ts", "hls", "udp")
BOUND = ("rtsp", "rtsp gstreamer")
"""Who can't go on with what was not described at the beginning."""
SETTINGS = {"width": 240, "height": 160, "sample_rate": 44_100, "channels": 1}
plain = partial(medium, bframes=0)


def sizes(folder: Path, media: MediaCache) -> Review:
    """Another size, sampling rate and number of channels, and back."""
    main, small = media(plain(MAIN)).path, media(plain(OTHER, **SETTINGS)).path
    again = media(plain(AGAIN)).path
    with Rehearsal(folder, TABLE, kinds=FLEXIBLE + BOUND, leaving=BOUND) as show:
        show.encoder("main", main)
        show.server.wait_input(0)
        show.encoder("small", small)
        show.settled(1, "standby")
        show.opens(MAIN)
        show.plays(2)
        show.act("another size", 1, OTHER, at=show.kill("main"))
        show.plays(3)
        show.encoder("again", again)
        show.settled(0, "standby")
        show.act("the first one again", 0, AGAIN, at=show.wish(0))
        show.plays(3)
        return show.closes()


def tracks(folder: Path, media: MediaCache) -> Review:
    """Sound that is missing, sound of another codec, and the first tracks again."""
    main, again = media(plain(MAIN)).path, media(plain(AGAIN)).path
    mute = media(plain(OTHER, audio=False)).path
    two = media(plain(THIRD, container="ts")).path
    with Rehearsal(folder, TABLE, kinds=FLEXIBLE) as show:
        show.encoder("main", main)
        show.server.wait_input(0)
        show.encoder("mute", mute)
        show.settled(1, "standby")
        show.opens(MAIN)
        show.plays(2)
        show.act("no sound", 1, OTHER, at=show.kill("main"))
        show.plays(3)
        show.encoder("two", two, show.server.srt("publish:news"), "-map", "0:a")
        show.settled(0, "standby")
        show.act("two sounds", 0, THIRD, at=show.wish(0))
        show.plays(3)
        show.encoder("again", again)
        show.settled(2, "standby")
        show.act("the first tracks again", 2, AGAIN, at=show.wish(2))
        show.plays(3)
        return show.closes()


def codecs(folder: Path, media: MediaCache) -> Review:
    """From AVC to HEVC, to sound alone, and back; players of RTMP can't follow all of that."""
    main, again = media(plain(MAIN)).path, media(plain(AGAIN)).path
    hevc = media(plain(OTHER, container="ts", video_codec="hevc")).path
    radio = media(plain(THIRD, container="ts", video=False, audio_codec="mp2")).path
    with Rehearsal(folder, TABLE, kinds=("rtmp", *TRANSPORT), leaving=("rtmp",)) as show:
        show.encoder("main", main)
        show.server.wait_input(0)
        show.encoder("hevc", hevc, show.server.srt("publish:news"))
        show.settled(1, "standby")
        show.encoder("radio", radio, show.server.srt("publish:news"))
        show.settled(2, "standby")
        show.opens(MAIN)
        show.plays(2)
        show.act("HEVC", 1, OTHER, at=show.kill("main"))
        show.plays(3)
        show.act("sound alone", 2, THIRD, at=show.kill("hevc"))
        show.plays(3)
        show.encoder("again", again)
        show.settled(0, "standby")
        show.act("AVC again", 0, AGAIN, at=show.wish(0))
        show.plays(3)
        return show.closes(judged=False)
