from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from streamctl.errors import MediaError
from streamctl_file.transport import BLOCK_BYTES, TransportFile, clock_of
from tests.support.broadcast import broadcast, variants
from tests.support.media import MediaCache, Recipe
from tests.support.ts import inspect
from tests.support.ts_build import NULL_PACKET, PACKET
from tests.support.ts_compare import compare
from tests.support.ts_damage import lost_sync, truncated, with_parity, with_timestamps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHORT = variants(2.5)


@pytest.fixture
def capture(media: MediaCache) -> bytes:
    return broadcast(media, SHORT["constant rate"]).data


def opened(path: Path, data: bytes, *, loop: bool = False) -> TransportFile:
    path.write_bytes(data)
    found = TransportFile.open(path, loop=loop)
    assert found is not None
    return found


def rest(file: TransportFile, *, until_s: float = 1e9) -> bytes:
    """What is read up to the end, or up to a time."""
    out = []
    with closing(file):
        while (segments := file.read()) is not None:
            out += [one.data for one in segments]
            if segments[-1].end_s >= until_s:
                break
    return b"".join(out)


@pytest.mark.parametrize("wrap", [bytes, with_timestamps, with_parity])
def test_packets_of_every_size_come_out_as_they_were(
    capture: bytes, wrap: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    file = opened(tmp_path / "a.ts", wrap(capture))
    assert file.duration_s == pytest.approx(3.0, abs=0.15)
    assert rest(file) == capture
    assert file.read() is None


def test_a_cut_off_and_damaged_file_gives_what_there_is(capture: bytes, tmp_path: Path) -> None:
    whole = rest(opened(tmp_path / "a.ts", truncated(capture)))
    assert whole == capture[: len(whole)]
    assert len(whole) == int(len(capture) * 0.7) // PACKET * PACKET
    damaged = rest(opened(tmp_path / "b.ts", lost_sync(capture)))
    assert len(damaged) >= len(capture) - 10 * PACKET


def test_passes_follow_one_another_until_somebody_closes(capture: bytes, tmp_path: Path) -> None:
    file = opened(tmp_path / "a.ts", capture, loop=True)
    played = rest(file, until_s=8.0)
    assert len(played) > 2 * len(capture)
    assert inspect(played).continuity_errors == []
    assert played.startswith(capture)
    assert inspect(played).worst_pcr_s < 0.2


def test_the_times_of_segments_go_on_from_pass_to_pass(capture: bytes, tmp_path: Path) -> None:
    file = opened(tmp_path / "a.ts", capture, loop=True)
    end_s = 0.0
    while end_s < 8.0:
        segments = file.read()
        assert segments
        for one in segments:
            assert one.begin_s == end_s
            assert one.end_s - one.begin_s < 0.2
            end_s = one.end_s
    file.close()


def test_a_file_that_was_replaced_is_picked_up_at_the_seam(
    capture: bytes, media: MediaCache, tmp_path: Path
) -> None:
    path = tmp_path / "a.ts"
    other = broadcast(media, SHORT["clock in the picture"])
    file = opened(path, capture, loop=True)
    first = b"".join(one.data for one in file.read() or ())
    path.unlink()
    path.write_bytes(other.data)
    second = rest(file, until_s=5.5)
    joined = first + second
    after = joined[len(capture) :][: len(other.data)]
    assert compare(other.data, after, [other.names["eng"], other.names["teletext"]]).faults == []
    assert inspect(joined).continuity_errors == []


@pytest.mark.parametrize("content", [b"", b"no packets at all" * 1000])
def test_a_file_that_is_gone_or_another_thing_ends_it(
    capture: bytes, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "a.ts"
    file = opened(path, capture, loop=True)
    assert file.read()
    path.unlink()
    if content:
        path.write_bytes(content)
    with pytest.raises(MediaError, match=r"no transport stream|can't read"):
        rest(file, until_s=60.0)


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("content", [NULL_PACKET, bytes(188)])
def test_a_file_without_a_clock_any_more_is_not_read_to_its_end(
    capture: bytes, tmp_path: Path, loop: bool, content: bytes
) -> None:
    path = tmp_path / "a.ts"
    file = opened(path, capture, loop=loop)
    path.unlink()
    with path.open("wb") as other:
        other.write(content * (4 * BLOCK_BYTES // PACKET))
        other.truncate(1 << 40)
    with (
        pytest.raises(MediaError, match="no transport stream with a clock any more"),
        closing(file),
    ):
        file.read()


@pytest.mark.parametrize("container", ["mp4", "flv", "mkv"])
def test_other_containers_are_left_to_others(
    media: MediaCache, container: str, tmp_path: Path
) -> None:
    path = media(Recipe(seconds=2, container=container)).path
    assert TransportFile.open(path, loop=False) is None
    assert TransportFile.open(tmp_path / "nothing.ts", loop=False) is None
    assert TransportFile.open(tmp_path, loop=False) is None


def test_a_stream_without_a_clock_is_left_to_others(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(NULL_PACKET * 100)
    assert TransportFile.open(path, loop=False) is None


def test_a_file_of_one_short_group_is_enough(media: MediaCache, tmp_path: Path) -> None:
    path = media(Recipe(seconds=0.2, container="ts")).path
    data = path.read_bytes()
    assert len(data) < BLOCK_BYTES
    played = rest(opened(tmp_path / "a.ts", data, loop=True), until_s=2.0)
    assert inspect(played).continuity_errors == []
    assert len(played) > 5 * len(data)


def test_a_length_that_a_jump_made_up_is_not_told(media: MediaCache, tmp_path: Path) -> None:
    first = broadcast(media, SHORT["constant rate"]).data
    later = broadcast(media, SHORT["stamps that wrap"]).data
    assert opened(tmp_path / "a.ts", first + later).duration_s == 0.0


def test_the_clock_of_a_pid_is_found(capture: bytes) -> None:
    first = clock_of(capture)
    assert first is not None
    assert clock_of(capture, first[0], newest=True) != first
    assert clock_of(capture, 77) is None
    assert clock_of(b"\0" * 10_000 + capture[:5000]) is None
