from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.media.mpegts.assemble import MAX_PES_BYTES, MAX_PICTURE_BYTES, Pes, PesAssembler
from streamctl.media.mpegts.pes import PRIVATE_STREAM_ID, VIDEO_STREAM_ID, pes_header
from tests.streamctl.media.mpegts.packets import carried, packet

PID = 0x100


def begins(payload: bytes) -> bool:
    """Pictures here have no start codes; ``~`` stands for the rest of one."""
    return not payload.startswith(b"~")


def split(data: bytes) -> list[bytes]:
    return [data[at : at + 188] for at in range(0, len(data), 188)]


def sound(size: int, pts: int = 90_000) -> bytes:
    return pes_header(0xC0, pts, pts, size) + bytes([pts % 251]) * size


def picture(size: int, pts: int = 90_000) -> bytes:
    return pes_header(VIDEO_STREAM_ID, pts, pts, None) + bytes([pts % 251]) * size


def sent(units: list[bytes]) -> list[bytes]:
    """The packets of these units, counted through."""
    packets: list[bytes] = []
    for unit in units:
        packets += split(carried(PID, unit, len(packets)))
    return packets


def assembled(packets: list[bytes], *, pictures: bool = False, flush: bool = True) -> list[Pes]:
    assembler = PesAssembler(begins if pictures else None)
    out: list[Pes] = []
    for one in packets:
        assembler.packet(one, out)
    if flush:
        assembler.flush(out)
    return out


def sizes(found: list[Pes]) -> list[tuple[int, bool]]:
    return [(len(pes.payload), pes.torn) for pes in found]


def test_a_unit_that_tells_its_length_is_complete_by_it() -> None:
    found = assembled(sent([sound(500), sound(10, 91_000)]), flush=False)
    assert [(pes.header.pts, len(pes.payload)) for pes in found] == [(90_000, 500), (91_000, 10)]


def test_a_picture_is_complete_when_the_next_one_begins() -> None:
    packets = sent([picture(5000), picture(10, 93_600)])
    assert sizes(assembled(packets, pictures=True, flush=False)) == [(5000, False)]
    assert sizes(assembled(packets, pictures=True)) == [(5000, False), (10, False)]


def test_what_stands_behind_the_length_is_stuffing() -> None:
    assert sizes(assembled(sent([sound(50) + b"\xff" * 100]))) == [(50, False)]


def test_a_picture_goes_on_in_units_without_a_time() -> None:
    more = b"\0\0\1\xe0\0\0\x80\0\0" + b"m" * 300
    found = assembled(sent([more, picture(300), more, more, picture(9)]), pictures=True)
    assert [(pes.header.pts, len(pes.payload)) for pes in found] == [
        (None, 300),
        (90_000, 900),
        (90_000, 9),
    ]


def test_a_picture_may_end_in_the_next_unit() -> None:
    rest = pes_header(VIDEO_STREAM_ID, 93_600, 93_600, None) + b"~" * 99
    found = assembled(sent([picture(300), rest, picture(9)]), pictures=True)
    assert [pes.continued for pes in found] == [True, False, False]


def test_a_header_may_be_torn_over_packets() -> None:
    unit = sound(100)
    packets = [
        packet(PID, 0, unit[:8], start=True),
        packet(PID, 1, unit[8:12]),
        packet(PID, 2, unit[12:]),
    ]
    assert sizes(assembled(packets)) == [(100, False)]


def test_missing_packets_end_sound_but_not_pictures() -> None:
    packets = sent([sound(1000), sound(1000)])
    del packets[2]
    assert sizes(assembled(packets)) == [(2 * 184 - 14, True), (1000, False)]
    packets = sent([picture(1000), picture(1000)])
    del packets[2]
    assert sizes(assembled(packets, pictures=True)) == [(1000 - 184, True), (1000, False)]


def test_a_gap_in_front_of_a_unit_is_told() -> None:
    packets = sent([sound(300), sound(300), sound(300)])
    del packets[2:4]
    assert [pes.gap for pes in assembled(packets)] == [False, True]


def test_repeated_packets_count_once() -> None:
    packets = [one for one in sent([sound(1000)]) for _ in range(2)]
    assert sizes(assembled(packets)) == [(1000, False)]


def test_a_counter_that_stands_still_hides_nothing() -> None:
    first, second = packet(PID, 3, sound(170), start=True), packet(PID, 3, sound(169), start=True)
    assert sizes(assembled([first, second])) == [(170, False), (169, False)]


def test_an_announced_discontinuity_may_repeat_a_counter() -> None:
    whole = sound(100)
    packets = [packet(PID, 0, whole, start=True, fields=b"\x80")] * 2
    assert sizes(assembled(packets)) == [(100, False)] * 2


def test_idle_and_damaged_packets_are_passed_over() -> None:
    packets = sent([sound(500)])
    idle = packet(PID, 7, None, fields=b"\0")
    damaged = packet(PID, 1, b"x" * 184, error=True)
    assert sizes(assembled([packets[0], idle, damaged, *packets[1:]])) == [(500, False)]


def test_what_comes_before_the_first_start_is_left() -> None:
    assert assembled([packet(PID, 0, b"x" * 184)]) == []


def test_scrambled_units_are_known_but_not_given() -> None:
    assembler = PesAssembler()
    out: list[Pes] = []
    assembler.packet(packet(PID, 0, sound(100), start=True, scrambling=2), out)
    assert (out, assembler.scrambled) == ([], True)
    assembler.packet(packet(PID, 1, sound(100), start=True), out)
    assert (sizes(out), assembler.scrambled) == ([(100, False)], False)
    secret = bytearray(sound(100))
    secret[6] |= 0x30
    assembler.packet(packet(PID, 2, bytes(secret), start=True), out)
    assert (len(out), assembler.scrambled) == (1, True)


def test_padding_and_what_is_no_header_are_left() -> None:
    padding = b"\0\0\1\xbe\0\x10" + bytes(16)
    private = pes_header(PRIVATE_STREAM_ID, 0, 0, 5) + b"hello"
    found = assembled(sent([padding, b"not a header", private]))
    assert [pes.payload for pes in found] == [b"hello"]


def test_runs_are_the_same_as_their_packets() -> None:
    unit = picture(5000)
    packets = sent([unit, picture(7)])
    assembler = PesAssembler(begins)
    out: list[Pes] = []
    assembler.packet(packets[0], out)
    body = b"".join(one[4:] for one in packets[1:5])
    assembler.run(body, 1, 4, out)
    assembler.run(body[-184:] + packets[5][4:], 4, 5, out)
    for one in packets[6:]:
        assembler.packet(one, out)
    assert out[0].payload == unit[14:]
    assert not out[0].torn


def test_a_run_behind_a_gap_tears() -> None:
    packets = sent([picture(5000)])
    assembler = PesAssembler(begins)
    out: list[Pes] = []
    assembler.run(b"x" * 184, 15, 15, out)
    assembler.packet(packets[0], out)
    assembler.run(packets[3][4:], 3, 3, out)
    assembler.flush(out)
    assert out[0].torn


@pytest.mark.parametrize(("pictures", "limit"), [(True, MAX_PICTURE_BYTES), (False, MAX_PES_BYTES)])
def test_units_are_bounded(pictures: bool, limit: int) -> None:
    assembler = PesAssembler(begins if pictures else None)
    out: list[Pes] = []
    assembler.packet(packet(PID, 0, pes_header(0xE0, 0, 0, None), start=True), out)
    payload = bytes(184 * 1024)
    for number in range(limit // len(payload) + 5):
        assembler.run(payload, (1 + number * 1024) & 15, number * 1024 & 15, out)
    assembler.flush(out)
    assert limit - len(payload) < len(out[0].payload) <= limit
    assert out[0].torn


@given(st.lists(st.binary(min_size=187, max_size=187), max_size=30), st.booleans())
def test_noise_raises_nothing(rests: list[bytes], pictures: bool) -> None:
    assembled([b"\x47" + rest for rest in rests], pictures=pictures)
