"""Lines that go bad without being closed: stuffing, silence, noise.

A sender of SRT goes on with null packets, a publisher of RTMP stops in the middle of a message
with its connection open, another one's bytes turn into noise. RTMP goes through a relay, SRT
through libsrt's own program.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from tests.support.peers import HOST
from tests.support.ports import udp_port
from tests.support.process import Process, eventually
from tests.support.rehearsal import KEYS, Rehearsal, medium
from tests.support.relay import Line, Relay
from tests.support.ts import PACKET
from tests.support.udp import listens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.media import MediaCache
    from tests.support.review import Review

STUFFED, SILENT, NOISY, SPARE = range(1, 5)
NULL_PACKET = b"\x47\x1f\xff\x10" + b"\xff" * (PACKET - 4)
DATAGRAM = 7
"""Packets in one."""
TABLE = f"""
inputs = ["publish:", "publish:", "publish:", "publish:"]
standby = "hot"
{KEYS}
"""
VIEWERS = ("rtmp", "push", "srt", "rtsp", "http-ts", "http-flv", "hls", "udp")
plain = partial(medium, bframes=0)


def rehearse(folder: Path, media: MediaCache) -> Review:
    """Each line goes bad while it is on air."""
    recipe = plain(STUFFED, container="ts", seconds=60)
    data = media(recipe).path.read_bytes()
    silent, noisy, spare = (media(plain(one)).path for one in (SILENT, NOISY, SPARE))
    with Rehearsal(folder, TABLE, kinds=VIEWERS) as show:
        url = show.server.srt("publish:news")
        stuffing = show.stack.enter_context(sending(data, float(recipe.seconds), url))
        show.server.wait_input(0)
        relays = [show.stack.enter_context(Relay(show.rtmp)) for _ in range(2)]
        for place, (path, relay) in enumerate(zip((silent, noisy), relays, strict=True), 1):
            where = f"rtmp://{HOST}:{relay.port}/live/news"
            show.encoder(f"relayed {place}", path, where)
            show.settled(place, "standby")
        show.encoder("spare", spare)
        show.settled(3, "standby")
        show.opens(STUFFED)
        show.plays(2)
        stuffing.set()
        stuffed = show.act("SRT: null packets only", 1, SILENT, at=time.time())
        stuffed.spoils = True
        show.plays(2.5)
        show.act("RTMP: open and silent", 2, NOISY, at=relays[0].turn(Line.HELD))
        show.plays(2.5)
        noise = show.act("RTMP: noise", 3, SPARE, at=relays[1].turn(Line.GARBLED))
        noise.spoils = True
        show.plays(3)
        return show.closes()


@contextmanager
def sending(data: bytes, seconds: float, url: str) -> Iterator[threading.Event]:
    """Send a capture over SRT in real time; null packets instead from the event's setting on."""
    port = udp_port()
    stuffing, over = threading.Event(), threading.Event()
    command = ["srt-live-transmit", "-a:no", "-q", f"udp://{HOST}:{port}", url]

    def feed() -> None:
        size = PACKET * DATAGRAM
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        step = seconds / len(pieces)
        began = time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number, piece in enumerate(pieces):
                if over.wait(max(0.0, began + number * step - time.monotonic())):
                    return
                sender.sendto(NULL_PACKET * DATAGRAM if stuffing.is_set() else piece, (HOST, port))

    with Process(command):
        eventually(partial(listens, port), 10, "srt-live-transmit listens")
        thread = threading.Thread(target=feed, daemon=True)
        thread.start()
        yield stuffing
        over.set()
        thread.join(5)
