"""Faults that are not silence: bytes that are no media, pictures that stop while sound goes on."""

from __future__ import annotations

import random
import socket
import time
from functools import partial
from typing import TYPE_CHECKING

from tests.support.peers import HOST, ffmpeg
from tests.support.ports import udp_port
from tests.support.rehearsal import KEYS, Rehearsal, medium

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.media import MediaCache
    from tests.support.review import Review

MAIN, HALTING, SPARE = range(1, 4)
PICTURES_S = 10
"""For so long the encoder that halts sends pictures."""
NO_FRAMES_S = 2.0
TABLE = f"""
standby = "hot"
{KEYS}
[streams.news.degrade]
no_frames_s = {NO_FRAMES_S}
[[streams.news.inputs]]
url = "udp://{HOST}:{{main}}"
[[streams.news.inputs]]
url = "publish:"
key = "halting"
[[streams.news.inputs]]
url = "publish:"
key = "spare"
"""
VIEWERS = ("rtmp", "rtsp", "http-ts", "hls", "push")
plain = partial(medium, bframes=0)


def rehearse(folder: Path, media: MediaCache) -> Review:
    """A UDP sender is replaced by noise; a publisher's camera fails, not its microphone."""
    main, spare = media(plain(MAIN, container="ts")).path, media(plain(SPARE)).path
    halting = media(plain(HALTING, seconds=PICTURES_S)).path
    sound = media(medium(0, video=False)).path
    port = udp_port()
    with Rehearsal(folder, TABLE, kinds=VIEWERS, main=port) as show:
        show.encoder("main", main, f"udp://{HOST}:{port}?pkt_size=1316")
        show.server.wait_input(0)
        show.encoder("spare", spare, show.server.rtmp(query="?key=spare"))
        show.settled(2, "standby")
        show.opens(MAIN)
        show.plays(2)
        killed = show.kill("main")
        babble(port, 3)
        show.act("garbage", 2, SPARE, at=killed)
        inputs = ("-re", "-i", str(halting), "-re", "-i", str(sound))
        # A stream that has ended is waited for by ffmpeg, unless it is told not to.
        maps = ("-map", "0:v", "-map", "1:a", "-c", "copy", "-max_interleave_delta", "100000")
        url = show.server.rtmp(query="?key=halting")
        show.stack.enter_context(ffmpeg(*inputs, *maps, "-f", "flv", url))
        show.settled(1, "standby")
        show.act("switched by hand", 1, HALTING, at=show.wish(1))
        show.act("pictures stop", 2, SPARE, at=-NO_FRAMES_S)
        show.plays(3)
        return show.closes()


def babble(port: int, seconds: float) -> None:
    """Send bytes that look like nothing."""
    source = random.Random(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            wire.sendto(source.randbytes(1316), (HOST, port))
            time.sleep(0.02)
