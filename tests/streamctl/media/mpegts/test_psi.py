from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.mpegts.crc import crc32
from streamctl.media.mpegts.psi import (
    Pat,
    Pmt,
    PmtStream,
    descriptor,
    language_descriptor,
    registration_descriptor,
    section,
)

PAT = bytes.fromhex("00b00d0001c100000001f0002ab104b2")
PMT = Pmt(
    1,
    0x100,
    (PmtStream(0x1B, 0x100), PmtStream(0x0F, 0x101, bytes.fromhex("0a0464657500"))),
    bytes.fromhex("0504484d4449"),
    version=7,
)
BYTES = bytes.fromhex(
    "02b023 0001 cf 00 00 e100 f006 0504484d4449 1be100f000 0fe101f006 0a0464657500"
)


def test_a_program_association_is_written_as_others_do() -> None:
    assert Pat(1, ((1, 0x1000),)).serialize() == PAT
    assert Pat.parse(PAT) == Pat(1, ((1, 0x1000),))


def test_a_program_map_is_written_and_read() -> None:
    data = BYTES + crc32(BYTES).to_bytes(4, "big")
    assert PMT.serialize() == data
    assert Pmt.parse(data) == PMT
    assert Pmt.parse(data + b"\xff" * 40) == PMT


pids = st.integers(0, 0x1FFF)
streams = st.builds(PmtStream, st.integers(0, 255), pids, st.binary(max_size=20))


@given(
    st.builds(
        Pmt,
        st.integers(0, 0xFFFF),
        pids,
        st.lists(streams, max_size=8).map(tuple),
        st.binary(max_size=20),
        st.integers(0, 31),
    )
)
def test_program_maps_survive_a_round_trip(table: Pmt) -> None:
    assert Pmt.parse(table.serialize()) == table


@given(
    st.lists(st.tuples(st.integers(0, 0xFFFF), pids), max_size=20).map(tuple), st.integers(0, 31)
)
def test_program_associations_survive_a_round_trip(
    programs: tuple[tuple[int, int], ...], version: int
) -> None:
    table = Pat(9, programs, version)
    assert Pat.parse(table.serialize()) == table


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PAT[:11],
        PAT[:-1],
        PAT[:-1] + b"\0",
        b"\x02" + PAT[1:],
        section(0, 1, 0, b"\0\1\xf0"),
        b"\x00\xb0\x02" + PAT[3:],
        section(0, 1, 0, bytes(1020)),
    ],
)
def test_a_damaged_association_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Pat.parse(data)


@pytest.mark.parametrize("size", [*range(4), 5, 11, 14, 16, 19, 24])
def test_a_map_whose_lengths_do_not_fit_is_refused(size: int) -> None:
    with pytest.raises(RemoteProtocolError):
        Pmt.parse(section(2, 1, 0, BYTES[8 : 8 + size]))


@given(st.binary(max_size=40))
def test_noise_with_a_good_checksum_raises_nothing_else(body: bytes) -> None:
    for table, parse in ((0, Pat.parse), (2, Pmt.parse)):
        with suppress(ProtocolError):
            parse(section(table, 1, 0, body))


@pytest.mark.parametrize(
    ("language", "wanted"),
    [("deu", "0a0464657500"), ("", ""), ("en", ""), ("d\xe9u", ""), ("engl", "")],
)
def test_only_three_letters_are_a_language(language: str, wanted: str) -> None:
    assert language_descriptor(language).hex() == wanted


def test_descriptors_have_a_tag_and_a_length() -> None:
    assert descriptor(0x7F, b"\x80\x02") == b"\x7f\x02\x80\x02"
    assert registration_descriptor(b"AC-3") == b"\x05\x04AC-3"
