"""Two senders of MPEG-TS at a constant rate, spliced in the middle of their pictures.

Encoders of broadcast spread every picture over the time until the next one, so that whoever cuts
where it suits another one tears one apart.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tests.support.audience import KINDS
from tests.support.peers import HOST
from tests.support.ports import udp_port
from tests.support.rehearsal import CALM_KEYS, Rehearsal, medium
from tests.support.udp import replay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.media import MediaCache
    from tests.support.review import Review

MAIN, SPARE = range(1, 3)
SECONDS = 45
KBPS = 3000
"""Pictures of many datagrams."""
TABLE = f"""
inputs = ["udp://{HOST}:{{main}}", "udp://{HOST}:{{spare}}"]
standby = "hot"
{CALM_KEYS}
"""


def rehearse(folder: Path, media: MediaCache) -> Review:
    """There and back by hand, several times."""
    settings = {"container": "ts", "seconds": SECONDS, "video_kbps": KBPS}
    recipes = [medium(one, **settings) for one in (MAIN, SPARE)]
    main, spare = (media(recipe).path.read_bytes() for recipe in recipes)
    ports = [udp_port() for _ in recipes]
    kinds = (*KINDS, "udp")
    with Rehearsal(folder, TABLE, kinds=kinds, main=ports[0], spare=ports[1]) as show:
        show.stack.enter_context(sending(main, ports[0]))
        show.server.wait_input(0)
        show.stack.enter_context(sending(spare, ports[1]))
        show.settled(1, "standby")
        show.opens(MAIN)
        show.plays(2)
        for turn in range(4):
            after = 1 - turn % 2
            source = SPARE if after else MAIN
            show.act(f"switched by hand, {turn + 1}", after, source, at=show.wish(after))
            show.plays(1.5)
        show.plays(1.5)
        return show.closes()


@contextmanager
def sending(data: bytes, port: int) -> Iterator[None]:
    """Send a capture to a port, evenly."""

    def send() -> None:
        # Whoever listened is gone at the end.
        with suppress(ConnectionRefusedError):
            replay(data, port, SECONDS)

    threading.Thread(target=send, daemon=True).start()
    yield
