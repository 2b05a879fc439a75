"""Camera and film footage through the same doors; needs ``STREAMCTL_TEST_MEDIA``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.hls import faults
from tests.support.peers import Streamctl, ffmpeg_publish, stream_toml
from tests.support.viewers import Viewers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "rtmpdump"),
    pytest.mark.timeout(240),
]

JOIN_S = 40.0
"""The player page waits for enough segments to go on without a stall; their length is the GOP's."""
FILES = [
    pytest.param("bbb_480p24_h264b_aac51_30s.mp4", id="b-frames-5.1-long-gop"),
    pytest.param("crystal_480p30_h264nob_aac.mp4", id="baseline-44.1k"),
    pytest.param("car_432p12.5_h264base_aac_30s.mp4", id="12.5fps"),
]


@pytest.mark.parametrize("name", FILES)
def test_real_media_reaches_every_viewer(
    real_media_folder: Path, tmp_path: Path, name: str
) -> None:
    with (
        Streamctl(tmp_path, stream_toml("news")) as server,
        ffmpeg_publish(real_media_folder / name, server.rtmp(), loop=True),
    ):
        server.wait_on_air()
        with Viewers(server, tmp_path, page=True) as viewers:
            viewers.wait_media(10)
            viewers.wait_page(2, JOIN_S)
            seen = viewers.stop()
    for viewer, verdict in seen.verdicts.items():
        assert verdict.codecs == ("h264", "aac"), viewer
        assert verdict.decode_errors == [], viewer
        assert verdict.dts_disorder == 0, viewer
        assert verdict.starts_with_key, viewer
        assert verdict.video_gaps == [], viewer
    assert seen.ts_report.continuity_errors == []
    assert faults(seen.hls) == []
    assert seen.page is not None
    assert seen.page.errors == []
    assert seen.page.frames > 20
