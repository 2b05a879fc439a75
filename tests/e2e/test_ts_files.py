"""Transport stream files pass as they are: every PID, every byte but for one shift of the times.

All of them are played at the same time.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support.broadcast import Broadcast, Capture, broadcast, variants
from tests.support.peers import HttpRecorder, Streamctl
from tests.support.process import eventually
from tests.support.ts import inspect
from tests.support.ts_compare import compare
from tests.support.ts_damage import lost_packets, lost_sync, with_parity, with_timestamps

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.media import MediaCache

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SEVERAL = variants(6.0)
WHOLE = ("everything", "stamps that wrap", "HEVC", "MPEG-2 and MP2")
SIMPLE = "clock in the picture"
ONCE = """
[streams.{code}]
outputs = ["http-ts"]
[[streams.{code}.inputs]]
url = "{url}"
loop = false
"""
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


def played(folder: Path, captures: dict[str, bytes], queries: dict[str, str]) -> dict[str, bytes]:
    """What viewers of HTTP-TS record of files that are played once, all at the same time."""
    codes = {f"s{number}": name for number, name in enumerate(captures)}
    text = ""
    for code, name in codes.items():
        (folder / f"{code}.ts").write_bytes(captures[name])
        text += ONCE.format(code=code, url=f"file:{code}.ts{queries.get(name, '')}")
    with Streamctl(folder, text) as server, ExitStack() as stack:
        viewers = {}
        for code in codes:
            server.wait_on_air(code)
            viewers[code] = stack.enter_context(HttpRecorder(server.http(f"/{code}.ts")))
        for code, name in codes.items():
            eventually(partial(ended, server, code), 40, f"the end of {name}")
        recorded = {name: viewers[code].stop() for code, name in codes.items()}
        assert "Traceback" not in server.output, server.describe()
        return recorded


def ended(server: Streamctl, code: str) -> bool:
    return bool(server.stream(code)["ingest_status"] == "closed")


@dataclass
class Show:
    """Captures as they were, and what viewers got of them."""

    captures: dict[str, Capture]
    sent: dict[str, bytes]
    recorded: dict[str, bytes]


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Show:
    captures = {name: broadcast(media, SEVERAL[name]) for name in (*WHOLE, "two programs", SIMPLE)}
    sent = {name: capture.data for name, capture in captures.items()}
    for change in (with_timestamps, with_parity):
        sent[change.__name__] = change(captures[SIMPLE].data)
    for change in (lost_packets, lost_sync):
        sent[change.__name__] = change(captures["everything"].data)
    del sent[SIMPLE]
    folder = tmp_path_factory.mktemp("played")
    return Show(captures, sent, played(folder, sent, {"two programs": "?program=2"}))


@pytest.mark.parametrize("name", WHOLE)
def test_every_pid_passes(show: Show, name: str) -> None:
    capture, recorded = show.captures[name], show.recorded[name]
    found = compare(capture.data, recorded, capture.names.values(), least=3)
    assert found.faults == []
    assert inspect(recorded).worst_pcr_s <= 0.1


def test_one_program_of_two_passes(show: Show) -> None:
    capture, recorded = show.captures["two programs"], show.recorded["two programs"]
    second = capture.programs[1]
    assert compare(capture.data, recorded, second.pids, least=3).faults == []
    assert not set(capture.programs[0].pids) & set(inspect(recorded).pids)


@pytest.mark.parametrize("name", ["with_timestamps", "with_parity"])
def test_packets_of_other_sizes_pass(show: Show, name: str) -> None:
    capture = show.captures[SIMPLE]
    found = compare(capture.data, show.recorded[name], capture.names.values(), least=3)
    assert found.faults == []


def test_what_the_file_lost_stays_visible(show: Show) -> None:
    capture, damaged = show.captures["everything"], show.sent["lost_packets"]
    recorded = show.recorded["lost_packets"]
    errors = inspect(recorded).continuity_errors
    assert 0.5 < len(errors) / len(inspect(damaged).continuity_errors) <= 1
    found = compare(damaged, recorded, [capture.names["eng"], capture.names["teletext"]])
    assert found.faults == []


def test_noise_between_packets_harms_nothing_else(show: Show) -> None:
    report = inspect(show.recorded["lost_sync"])
    assert report.sync_errors == 0
    assert len(report.continuity_errors) <= 10


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


@pytest.fixture(scope="module")
def footage(
    real_media_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[bytes, bytes]]:
    """What was sent, and what came."""
    sent = {name: (real_media_folder / name).read_bytes() for name in CAPTURES}
    recorded = played(tmp_path_factory.mktemp("footage"), sent, {})
    return {name: (sent[name], recorded[name]) for name in sent}


@pytest.mark.parametrize("name", CAPTURES)
def test_footage_passes_unharmed(footage: dict[str, tuple[bytes, bytes]], name: str) -> None:
    pids, open_groups = CAPTURES[name]
    assert compare(*footage[name], pids, open_groups=open_groups).faults == []


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
