from __future__ import annotations

from streamctl.media.mpegts.pidmap import (
    FIRST_PID,
    MAX_SLOTS,
    PMT_PID,
    PidMap,
    Wanted,
    essence,
)
from streamctl.media.mpegts.psi import (
    NULL_PID,
    Pmt,
    PmtStream,
    StreamType,
    descriptor,
    language_descriptor,
    registration_descriptor,
)

VIDEO = (27, b"")
AUDIO = (15, b"")


def pids(made: PidMap, *wanted: Wanted) -> list[int]:
    return [slot.writer.pid for slot in made.assign(wanted)]


def test_streams_keep_their_own_pids_while_those_are_free() -> None:
    made = PidMap()
    assert pids(made, Wanted(VIDEO, pid=0x200), Wanted(AUDIO, pid=0x33)) == [0x200, 0x33]


def test_the_streams_of_the_next_epoch_take_the_place_of_the_former_ones() -> None:
    made = PidMap()
    first = pids(made, Wanted(VIDEO, pid=0x200), Wanted(AUDIO, "deu", 0x201))
    assert pids(made, Wanted(AUDIO, "fra", 0x44), Wanted(VIDEO, pid=0x45)) == first[::-1]


def test_languages_find_their_own_and_only_then_each_others_places() -> None:
    made = PidMap()
    pids(made, Wanted(AUDIO, "deu", 0x50), Wanted(AUDIO, "fra", 0x51))
    again = pids(made, Wanted(AUDIO, "eng"), Wanted(AUDIO, "fra"), Wanted(AUDIO, "ita"))
    assert again == [0x50, 0x51, FIRST_PID]


def test_pids_that_are_taken_or_not_for_streams_are_replaced() -> None:
    made = PidMap()
    wanted = [Wanted((kind, b""), pid=pid) for kind, pid in enumerate((PMT_PID, NULL_PID, 0x11))]
    assert pids(made, *wanted) == [FIRST_PID, FIRST_PID + 1, FIRST_PID + 2]
    assert pids(made, Wanted(VIDEO, pid=FIRST_PID)) == [FIRST_PID + 3]


def test_the_version_rises_only_when_the_table_differs() -> None:
    made = PidMap()
    streams = (PmtStream(27, 0x100),)
    made.publish(0x100, streams, b"\x05\x04CUEI")
    made.publish(0x100, streams, b"\x05\x04CUEI")
    assert Pmt.parse(made.pmt_section).version == 1
    made.publish(0x101, streams, b"\x05\x04CUEI")
    assert Pmt.parse(made.pmt_section) == Pmt(1, 0x101, streams, b"\x05\x04CUEI", 2)
    for pcr_pid in range(30):
        made.publish(pcr_pid, streams)
    assert Pmt.parse(made.pmt_section).version == 0


def test_private_streams_are_told_apart_by_their_format() -> None:
    teletext = language_descriptor("eng") + descriptor(0x56, b"eng\x09\x00")
    opus = registration_descriptor(b"Opus") + descriptor(0x7F, b"\x80\x02")
    assert essence(StreamType.PRIVATE, teletext) == (6, b"\x56")
    assert essence(StreamType.PRIVATE, opus) == (6, b"\x05Opus")
    assert essence(StreamType.PRIVATE, language_descriptor("eng") + b"\x56") == (6, b"")
    assert essence(StreamType.H264, opus) == (27, b"")


def test_a_source_of_ever_new_kinds_of_streams_does_not_use_up_the_pids() -> None:
    made = PidMap()
    kinds = iter(range(10_000))
    for _ in range(50):
        found = pids(made, *(Wanted((6, next(kinds).to_bytes(4))) for _ in range(200)))
        assert len(set(found)) == 200
    assert len(made.slots) == MAX_SLOTS
