"""Transport stream files pass as they are: every PID, every byte but for one shift of the times."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.broadcast import Broadcast, broadcast, variants
from tests.support.peers import HttpRecorder, Streamctl
from tests.support.process import eventually
from tests.support.ts import inspect
from tests.support.ts_compare import compare
from tests.support.ts_damage import lost_packets, lost_sync, with_parity, with_timestamps

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.media import MediaCache

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

SEVERAL = variants(6.0)
ONCE = '[streams.news]\noutputs = ["http-ts"]\n[[streams.news.inputs]]\nurl = "{}"\nloop = false\n'
LOOP = '[streams.news]\noutputs = ["http-ts"]\ninputs = ["file:{}"]\n'
CAPTURES = {
    "dvb_576i_mpeg2_mp2_dsmcc.ts": ({501, 502, 505, 7103, 7105, 7201, 7219}, {501}),
    "dvb_576p_h264_aac_aacfirst.ts": ({100, 101}, set()),
    "bbb_1080p24_mpeg2_mp2.ts": ({256, 257}, {256}),
    "tos_360p24_pts_wrap_20s.ts": ({257, 258}, set()),
    "phone_hevc_720x1280_aac_10s.ts": ({256, 257}, set()),
}
"""Footage, the PIDs that have to pass, and those of them that may have open groups of pictures."""
DAMAGED = "dvb_1080i_h264_scte35_teletext_20dvbsub.ts"
"""With bit errors, and some sounds scrambled."""


def played(folder: Path, data: bytes, *, query: str = "") -> bytes:
    """What a viewer of HTTP-TS records of a file that is played once."""
    (folder / "a.ts").write_bytes(data)
    with Streamctl(folder, ONCE.format(f"file:a.ts{query}")) as server:
        server.wait_on_air()
        with HttpRecorder(server.http("/news.ts")) as viewer:
            eventually(lambda: server.stream()["ingest_status"] == "closed", 30, "the end")
            recorded = viewer.stop()
        assert "Traceback" not in server.output, server.describe()
        return recorded


@pytest.mark.parametrize("name", ["everything", "stamps that wrap", "HEVC", "MPEG-2 and MP2"])
def test_every_pid_passes(media: MediaCache, tmp_path: Path, name: str) -> None:
    capture = broadcast(media, SEVERAL[name])
    recorded = played(tmp_path, capture.data)
    found = compare(capture.data, recorded, capture.names.values(), least=3)
    assert found.faults == []
    assert inspect(recorded).worst_pcr_s <= 0.1


def test_one_program_of_two_passes(media: MediaCache, tmp_path: Path) -> None:
    capture = broadcast(media, SEVERAL["two programs"])
    recorded = played(tmp_path, capture.data, query="?program=2")
    second = capture.programs[1]
    assert compare(capture.data, recorded, second.pids, least=3).faults == []
    assert not set(capture.programs[0].pids) & set(inspect(recorded).pids)


@pytest.mark.parametrize("wrap", [with_timestamps, with_parity])
def test_packets_of_other_sizes_pass(media: MediaCache, tmp_path: Path, wrap: object) -> None:
    assert callable(wrap)
    capture = broadcast(media, SEVERAL["clock in the picture"])
    recorded = played(tmp_path, wrap(capture.data))
    assert compare(capture.data, recorded, capture.names.values(), least=3).faults == []


def test_what_the_file_lost_stays_visible(media: MediaCache, tmp_path: Path) -> None:
    capture = broadcast(media, SEVERAL["everything"])
    damaged = lost_packets(capture.data)
    recorded = played(tmp_path, damaged)
    errors = inspect(recorded).continuity_errors
    assert 0.5 < len(errors) / len(inspect(damaged).continuity_errors) <= 1
    found = compare(damaged, recorded, [capture.names["eng"], capture.names["teletext"]])
    assert found.faults == []


def test_noise_between_packets_harms_nothing_else(media: MediaCache, tmp_path: Path) -> None:
    capture = broadcast(media, SEVERAL["everything"])
    recorded = played(tmp_path, lost_sync(capture.data))
    assert inspect(recorded).sync_errors == 0
    assert len(inspect(recorded).continuity_errors) <= 10


def test_a_loop_has_no_seam(media: MediaCache, tmp_path: Path) -> None:
    capture = broadcast(media, Broadcast(seconds=2.0, sound_late_s=0.0))
    (tmp_path / "a.ts").write_bytes(capture.data)
    with Streamctl(tmp_path, LOOP.format("a.ts")) as server:
        server.wait_on_air()
        with HttpRecorder(server.http("/news.ts")) as viewer:
            eventually(lambda: len(viewer.data) > 3.5 * len(capture.data), 30, "three passes")
            recorded = viewer.stop()
        document = server.stream()
    report = inspect(recorded)
    assert report.continuity_errors == []
    assert report.worst_pcr_s <= 0.1
    assert document["media"]["epochs"] == 1
    assert document["media"]["timestamp_jumps"] == 0


@pytest.mark.parametrize("name", CAPTURES)
def test_footage_passes_unharmed(real_media_folder: Path, tmp_path: Path, name: str) -> None:
    data = (real_media_folder / name).read_bytes()
    pids, open_groups = CAPTURES[name]
    found = compare(data, played(tmp_path, data), pids, open_groups=open_groups)
    assert found.faults == []


def test_footage_with_bit_errors_in_its_tables_comes_on_air(
    real_media_folder: Path, tmp_path: Path
) -> None:
    """Of its program maps the first that is whole comes behind the only key frame."""
    shutil.copy(real_media_folder / DAMAGED, tmp_path / "a.ts")
    with Streamctl(tmp_path, LOOP.format("a.ts")) as server:
        server.wait_on_air()
        with HttpRecorder(server.http("/news.ts")) as viewer:
            eventually(lambda: len(viewer.data) > 1_500_000, 30, "two passes")
            recorded = viewer.stop()
        assert "Traceback" not in server.output
    report = inspect(recorded)
    assert (report.sync_errors, report.trailing) == (0, 0)
    assert set(report.pids) >= {61, 62, 63, 69}
    # Each pass begins anew in its middle: a language whose sound lies behind the others' may not
    # begin before its end.
    assert set(report.pids) & {64, 65, 66}
