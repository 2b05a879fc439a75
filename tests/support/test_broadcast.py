from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import av
import pytest

from tests.support import ts_damage
from tests.support.broadcast import FAR_CUES, Broadcast, broadcast, splice_insert, variants
from tests.support.ts import inspect
from tests.support.ts_build import PACKET, SECOND, WRAP, Writer, pes
from tests.support.ts_compare import compare, stamp_of, without_times

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.media import MediaCache

SHORT = variants(2.5)


@pytest.fixture(scope="module")
def whole(media: MediaCache) -> bytes:
    return broadcast(media, SHORT["everything"]).data


@pytest.mark.parametrize("name", SHORT)
def test_a_capture_keeps_the_rules_of_transport_streams(media: MediaCache, name: str) -> None:
    capture = broadcast(media, SHORT[name])
    report = inspect(capture.data)
    assert report.continuity_errors == []
    assert (report.sync_errors, report.trailing) == (0, 0)
    assert report.worst_pcr_s <= 0.1
    assert set(report.pids) >= {0, *(pid for one in capture.programs for pid in one.pids)}


@pytest.mark.parametrize("name", SHORT)
def test_another_demultiplexer_finds_everything_in_it(
    media: MediaCache, name: str, tmp_path: Path
) -> None:
    wanted = SHORT[name]
    capture = broadcast(media, wanted)
    path = tmp_path / "capture.ts"
    path.write_bytes(capture.data)
    with av.open(str(path)) as found:
        ids = {stream.id for stream in found.streams}
        kinds = [stream.type for stream in found.streams]
        languages = [stream.metadata.get("language") for stream in found.streams.audio]
        frames = sum(1 for _ in found.decode(video=0)) if wanted.video else 0
    assert ids >= {pid for one in capture.programs for pid in one.pids}
    assert kinds.count("subtitle") == 2 * wanted.programs
    assert set(languages) == {"eng", "spa"}
    if wanted.video:
        assert frames == round(wanted.seconds * wanted.fps)


def test_a_constant_rate_is_kept(media: MediaCache) -> None:
    wanted = Broadcast(seconds=2.5, kbps=4000)
    data = broadcast(media, wanted).data
    assert len(data) * 8 / 4_000_000 == pytest.approx(2.5, abs=0.7)
    assert inspect(data).pids[0x1FFF]


def test_stamps_wrap_in_mid_stream(media: MediaCache) -> None:
    capture = broadcast(media, SHORT["stamps that wrap"])
    values = []
    for one in ts_damage.packets(capture.data):
        if ts_damage.pid_of(one) == capture.names["eng"] and one[1] & 0x40:
            begin = 4 + (one[4] + 1 if one[3] & 0x20 else 0)
            values.append(stamp_of(one[begin + 9 : begin + 14]))
    assert max(values) > WRAP - SECOND
    assert min(values) < SECOND


def test_a_cue_can_be_longer_than_a_packet() -> None:
    assert len(splice_insert(1, 0, descriptors=FAR_CUES)) > 2 * PACKET


@pytest.mark.parametrize("size", [1, 175, 176, 177, 183, 184, 185, 1000])
@pytest.mark.parametrize("with_pcr", [True, False])
@pytest.mark.parametrize("key", [True, False])
def test_units_of_any_size_fill_whole_packets(size: int, with_pcr: bool, key: bool) -> None:
    writer = Writer()
    data = pes(0xBD, bytes(size), 5)
    writer.unit(100, data, with_pcr=with_pcr, key=key)
    joined = b""
    for one in writer.packets:
        joined += one[4 + (one[4] + 1 if one[3] & 0x20 else 0) :]
    assert joined == data


def test_nothing_changed_is_no_fault(whole: bytes, media: MediaCache) -> None:
    names = broadcast(media, SHORT["everything"]).names
    found = compare(whole, whole, names.values())
    assert found.faults == []
    assert found.offset == 0
    assert found.matched.keys() == set(names.values())
    late = compare(whole, whole[len(whole) // 3 // PACKET * PACKET :], names.values())
    assert late.faults == []


@pytest.mark.parametrize("name", ["everything", "stamps that wrap", "clock in the picture"])
def test_one_shift_of_all_times_is_no_fault(media: MediaCache, name: str) -> None:
    wanted = SHORT[name]
    capture = broadcast(media, wanted)
    shifted = broadcast(media, Broadcast(**{**vars(wanted), "start": wanted.start + 777_777}))
    # Passthrough moves a cue by its adjustment, not as this capture by the time itself.
    pids = [pid for name, pid in capture.names.items() if name != "cues"]
    found = compare(capture.data, shifted.data, pids)
    assert found.faults == []
    assert found.offset == 777_777


def test_a_cue_moves_by_its_adjustment() -> None:
    one = without_times(splice_insert(1, 5000, adjustment=70))
    other = without_times(splice_insert(1, 5000, adjustment=WRAP - 30))
    assert one.content == other.content
    assert (one.stamps, other.stamps) == ((5070,), (4970,))


def test_faults_are_named(whole: bytes, media: MediaCache) -> None:
    pid = broadcast(media, SHORT["everything"]).names["teletext"]
    numbers = [
        number
        for number, one in enumerate(ts_damage.packets(whole))
        if ts_damage.pid_of(one) == pid
    ]
    at = numbers[9] * PACKET
    flipped = whole[: at + 100] + bytes((whole[at + 100] ^ 1,)) + whole[at + 101 :]
    assert compare(whole, flipped, [pid]).faults == [f"PID {pid}: packet 9 differs at byte 96"]
    missing = compare(whole, whole[:at] + whole[at + PACKET :], [pid]).faults
    assert any("packet 9 differs" in one for one in missing)
    assert any(f"PID {pid}: " in one and " after " in one for one in missing)
    assert compare(whole, whole, [999]).faults == ["PID 999: 0 came, not 1"]


def test_pictures_that_lead_the_first_may_be_missing(whole: bytes, media: MediaCache) -> None:
    pid = broadcast(media, SHORT["everything"]).names["video"]
    all_packets = list(ts_damage.packets(whole))
    starts = [
        number
        for number, one in enumerate(all_packets)
        if ts_damage.pid_of(one) == pid and one[1] & 0x40
    ]
    gone = range(starts[1], starts[3])
    left = b"".join(
        one
        for number, one in enumerate(all_packets)
        if number not in gone or ts_damage.pid_of(one) != pid
    )
    assert any("differs" in one for one in compare(whole, left, [pid]).faults)
    faults = compare(whole, left, [pid], open_groups=[pid]).faults
    assert all(" after " in one for one in faults)


def test_a_stamp_of_its_own_is_a_fault(media: MediaCache) -> None:
    capture = broadcast(media, SHORT["everything"])
    moved = broadcast(media, Broadcast(seconds=2.5, start=Broadcast.start + 1)).data
    pid = capture.names["subtitles"]
    pairs = zip(ts_damage.packets(capture.data), ts_damage.packets(moved), strict=True)
    mixed = b"".join(b if ts_damage.pid_of(b) == pid else a for a, b in pairs)
    found = compare(capture.data, mixed, [capture.names["eng"], pid])
    assert found.faults == ["several offsets: [0, 1]"]


@pytest.mark.parametrize(
    "damage",
    [
        ts_damage.bit_errors,
        ts_damage.lost_packets,
        ts_damage.lost_sync,
        ts_damage.truncated,
        ts_damage.with_timestamps,
        ts_damage.with_parity,
    ],
)
def test_damage_is_repeatable_and_leaves_something(
    whole: bytes, damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    data = damage(whole)
    assert data == damage(whole)
    assert data != whole
    path = tmp_path / "damaged.ts"
    path.write_bytes(data)
    with av.open(str(path), format="mpegts") as found:
        assert len(found.streams.audio) == 2


def test_a_scrambled_pid_is_marked_and_unreadable(whole: bytes, media: MediaCache) -> None:
    names = broadcast(media, SHORT["everything"]).names
    hidden = ts_damage.scrambled(whole, [names["video"]])
    found = compare(whole, hidden, [names["eng"], names["teletext"]])
    assert found.faults == []
    assert compare(hidden, hidden, [names["video"]]).faults == []
    marks = {one[3] >> 6 for one in ts_damage.packets(hidden) if one[3] & 0xC0}
    assert marks == {2}


@pytest.mark.parametrize("name", ["everything", "MPEG-2 and MP2"])
@pytest.mark.e2e
@pytest.mark.needs("ffmpeg")
def test_a_player_plays_it_without_a_complaint(
    media: MediaCache, name: str, tmp_path: Path
) -> None:
    path = tmp_path / "capture.ts"
    path.write_bytes(broadcast(media, SHORT[name]).data)
    argv = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v", "-map", "0:a"]
    done = subprocess.run(
        [*argv, "-f", "null", "-"], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stderr.strip() == ""
