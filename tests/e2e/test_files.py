"""Files as inputs: real time, seamless loops, and trouble that stays with its stream."""

from __future__ import annotations

import os
import shutil
import signal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from tests.support.hls import faults
from tests.support.media import MediaCache, Recipe
from tests.support.peers import Streamctl
from tests.support.process import eventually, family
from tests.support.viewers import Viewers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "rtmpdump"),
    pytest.mark.timeout(240),
]

LOOP = Recipe(seconds=5, video_kbps=500, bframes=2, gop=50, fps=Fraction(25))
"""Sound and picture of a pass end up to a frame apart; neither may overlap its next pass."""
RICH = Recipe(**{**vars(LOOP), "video_kbps": 6000})
"""What a child has read ahead is still played when it dies: a second or two of this."""
TABLE = '[streams.news]\ninputs = ["file:{name}"]\n'


@pytest.mark.parametrize("container", ["mp4", "flv", "ts"])
def test_a_file_is_played_again_without_a_seam(
    tmp_path: Path, media: MediaCache, container: str
) -> None:
    recipe = Recipe(**{**vars(LOOP), "container": container})
    shutil.copy(media(recipe).path, tmp_path / f"loop.{container}")
    with Streamctl(tmp_path, TABLE.format(name=f"loop.{container}")) as server:
        server.wait_on_air()
        with Viewers(server, tmp_path) as viewers:
            viewers.wait_media(8)
            seen = viewers.stop()
    for name, verdict in seen.verdicts.items():
        assert verdict.decode_errors == [], name
        assert verdict.dts_disorder == 0, name
        assert verdict.missing == 0, name
        assert verdict.restarts, name
        assert set(verdict.restarts) == {0}, name
        assert max(verdict.video_gaps, default=0.0) < 2 / LOOP.fps + Fraction(1, 1000), name
        assert verdict.worst_offset_ms <= 40, name
    assert faults(seen.hls) == []


def test_a_child_that_dies_is_replaced(tmp_path: Path, media: MediaCache) -> None:
    shutil.copy(media(RICH).path, tmp_path / "loop.mp4")
    with Streamctl(tmp_path, TABLE.format(name="loop.mp4")) as server:
        server.wait_on_air()
        before = server.stream()["media"]["epochs"]
        children = [pid for pid in family(server.pid) if pid != server.pid]
        assert children
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: server.stream()["media"]["epochs"] > before, 40, "a new epoch")
        server.wait_on_air()
        assert "Traceback" not in server.output
