from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamctl.avworker.continuity import Continuity
from streamctl.media.packet import TIMESCALE, Kind, Packet

FRAME = 3600
SOUND = 1920


def video(pts: int, dts: int | None = None) -> Packet:
    return Packet(0, pts, pts if dts is None else dts, Kind.P, 0, b"", FRAME)


def audio(pts: int) -> Packet:
    return Packet(1, pts, pts, Kind.AUDIO, 0, b"", SOUND)


def place(continuity: Continuity, *packets: Packet) -> list[tuple[int, int]]:
    for packet in packets:
        continuity.place(packet)
    return [(packet.pts, packet.dts) for packet in packets]


def test_the_first_packet_stands_at_zero_and_offsets_between_tracks_stay() -> None:
    begin = 8_000_000_000
    placed = place(
        Continuity(), video(begin + 7200, begin), audio(begin - 1234), video(begin + FRAME)
    )
    assert placed == [(7200, 0), (-1234, -1234), (FRAME, FRAME)]


def test_a_repetition_continues_without_a_hole_in_the_longest_track() -> None:
    continuity = Continuity()
    first = [video(500 + FRAME * n) for n in range(25)] + [
        audio(500 + SOUND * n) for n in range(46)
    ]
    place(continuity, *first)
    assert continuity.rewind() == 25 * FRAME
    again = place(continuity, video(500), audio(500), video(500 + FRAME))
    assert again == [(25 * FRAME, 25 * FRAME), (25 * FRAME, 25 * FRAME), (26 * FRAME, 26 * FRAME)]


def test_tracks_of_one_length_that_start_apart_repeat_without_a_hole() -> None:
    continuity = Continuity()
    late = 40_000
    place(continuity, *(video(FRAME * n) for n in range(16)))
    place(continuity, *(audio(late + SOUND * n) for n in range(30)))
    assert continuity.rewind() == 16 * FRAME
    assert place(continuity, video(0), audio(late)) == [
        (57_600, 57_600),
        (57_600 + late, 57_600 + late),
    ]


def test_reordered_pictures_repeat_with_rising_dts() -> None:
    continuity = Continuity()
    pictures = [(7200, 0), (14_400, 3600), (10_800, 7200), (18_000, 10_800)]
    for _ in range(3):
        place(continuity, *(video(pts, dts) for pts, dts in pictures))
        assert continuity.rewind() == 4 * FRAME
    assert continuity.last_dts[0] == 11 * FRAME
    assert continuity.jumps == 0


def test_a_jump_replaces_the_offset_once_for_all_tracks() -> None:
    continuity = Continuity()
    far = 1000 * TIMESCALE
    place(continuity, video(0), audio(0), video(FRAME), audio(SOUND))
    placed = place(continuity, video(far), audio(far - 100), video(far + FRAME))
    assert placed == [
        (2 * FRAME, 2 * FRAME),
        (2 * FRAME - 100, 2 * FRAME - 100),
        (3 * FRAME, 3 * FRAME),
    ]
    assert continuity.jumps == 1


def test_a_track_that_crosses_a_jump_later_keeps_the_old_offset_until_then() -> None:
    continuity = Continuity()
    place(continuity, video(0), audio(0))
    jumped = place(continuity, video(-90 * TIMESCALE), audio(SOUND), audio(-90 * TIMESCALE))
    assert jumped == [(FRAME, FRAME), (SOUND, SOUND), (FRAME, FRAME)]
    assert continuity.jumps == 1


def test_a_long_still_beside_running_audio_is_no_jump() -> None:
    continuity = Continuity()
    place(continuity, video(0), *(audio(SOUND * n) for n in range(500)))
    still = 500 * SOUND
    assert place(continuity, video(still)) == [(still, still)]
    assert continuity.jumps == 0


def test_repeated_timestamps_are_made_to_rise() -> None:
    continuity = Continuity()
    assert place(continuity, video(0), video(0), video(0)) == [(0, 0), (1, 1), (2, 2)]


def test_rewinding_an_empty_pass_is_harmless() -> None:
    assert Continuity().rewind() == 0


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(-(1 << 42), 1 << 42)), max_size=60))
def test_dts_rises_whatever_the_file_says(items: list[tuple[int, int]]) -> None:
    continuity = Continuity()
    last: dict[int, int] = {}
    for track, dts in items:
        packet = video(dts) if track == 0 else audio(dts)
        continuity.place(packet)
        assert packet.pts >= packet.dts
        assert track not in last or packet.dts > last[track]
        last[track] = packet.dts
