"""Publishers of MPEG-TS and of access units take turns: everybody stays, through clean splices."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.hls import faults
from tests.support.media import MediaCache, Recipe
from tests.support.peers import Streamctl, ffmpeg_publish, stream_toml
from tests.support.srt import SENDERS, SrtServer
from tests.support.viewers import Seen, Viewers

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.process import Process

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "rtmpdump"),
    pytest.mark.timeout(300),
]

FLV = Recipe(seconds=60, video_kbps=800, bframes=2, gop=25)
TS = Recipe(seconds=60, video_kbps=800, bframes=2, gop=25, container="ts")
VIEWERS = ["rtmp", "librtmp", "http-ts", "hls"]
TURNS = ("srt", "rtmp", "srt")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Seen:
    """What everybody saw of three publishers in a row."""
    folder = tmp_path_factory.mktemp("origins")
    with SrtServer(folder, stream_toml("news")) as server:
        publishers: dict[str, Callable[[], Process]] = {
            "srt": lambda: SENDERS[0].start(media(TS).path, server.srt("publish:news")),
            "rtmp": lambda: ffmpeg_publish(media(FLV).path, server.rtmp()),
        }
        with publishers[TURNS[0]]() as first:
            server.wait_on_air()
            with Viewers(server, folder, page=True) as viewers:
                viewers.wait_media(4)
                before = viewers.lasting()
                leave(server, first)
                for turn in TURNS[1:]:
                    with publishers[turn]() as publisher:
                        server.wait_on_air()
                        assert server.stream()["type"] == turn
                        viewers.wait_media(5)
                        viewers.receiving()
                        assert before <= viewers.lasting()
                        if turn is not TURNS[-1]:
                            leave(server, publisher)
                assert "Traceback" not in server.output
                return viewers.stop()


def leave(server: Streamctl, publisher: Process) -> None:
    """Let a publisher end in order."""
    publisher.stop(signal.SIGINT)
    server.wait_off_air()


@pytest.mark.parametrize("viewer", VIEWERS)
def test_every_viewer_goes_on_through_each_splice(seen: Seen, viewer: str) -> None:
    verdict = seen.verdicts[viewer]
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert verdict.restarts == [0] * (len(TURNS) - 1)
    assert verdict.missing == verdict.repeated == 0
    # A publisher that starts late and hurries on leaves no time for the next gap.
    assert 1 <= len(verdict.video_gaps) <= len(TURNS) - 1
    assert verdict.worst_offset_ms <= 40


def test_the_transport_stream_announces_the_cuts(seen: Seen) -> None:
    assert seen.ts_report.continuity_errors == []


def test_hls_marks_each_discontinuity_once(seen: Seen) -> None:
    assert faults(seen.hls) == []
    marked = [segment.discontinuity for segment in seen.hls.listed.values()]
    assert sum(marked) == len(TURNS) - 1


def test_the_player_page_recovers(seen: Seen) -> None:
    assert seen.page is not None
    assert seen.page.errors == []
    assert seen.page.ready >= 2
