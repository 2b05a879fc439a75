from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.media.mpegts.packet import PacketWriter
from streamctl.media.mpegts.psi import (
    Pat,
    Pmt,
    PmtStream,
    Section,
    descriptor,
    language_descriptor,
    registration_descriptor,
)
from streamctl.media.mpegts.tables import (
    SectionAssembler,
    TableReader,
    find_descriptor,
    language,
    read_text,
    registration,
    service_names,
    split_descriptors,
)

PID = 0x20


def body(size: int, fill: int = 1) -> bytes:
    return bytes([fill]) * size


def table(size: int, number: int = 0, last: int = 0, version: int = 0) -> Section:
    return Section(2, 1, version, body(size, number + 1), True, number, last)


def in_packets(data: bytes, starts: set[int], writer: PacketWriter) -> list[bytes]:
    """Packets of a run of sections that begin at ``starts``, as tightly as they can be."""
    out = []
    position = 0
    while position < len(data):
        first = min((start for start in starts if position <= start < position + 183), default=None)
        if first is None:
            # A section whose first byte would be the last one of the packet needs a pointer.
            end = position + 184 - (position + 183 in starts)
            payload = data[position:end].ljust(184, b"\xff")
            position = end
        else:
            payload = bytes([first - position]) + data[position : position + 183].ljust(
                183, b"\xff"
            )
            position += 183
        control = 0x10 | writer.continuity
        head = bytes((0x47, (0 if first is None else 0x40) | PID >> 8, PID & 0xFF, control))
        writer.continuity = (writer.continuity + 1) & 15
        out.append(head + payload)
    return out


def packed(sections: list[bytes], writer: PacketWriter | None = None) -> list[bytes]:
    starts, position = set(), 0
    for one in sections:
        starts.add(position)
        position += len(one)
    return in_packets(b"".join(sections), starts, writer or PacketWriter(PID))


def assembled(packets: list[bytes]) -> list[bytes]:
    assembler = SectionAssembler()
    return [section for packet in packets for section in assembler.feed(packet)]


def split(data: bytes) -> list[bytes]:
    return [data[at : at + 188] for at in range(0, len(data), 188)]


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=12))
def test_sections_of_any_size_are_put_together(sizes: list[int]) -> None:
    sections = [table(size, number % 250).serialize() for number, size in enumerate(sizes)]
    assert assembled(packed(sections)) == sections


def test_our_own_packets_are_read() -> None:
    writer = PacketWriter(PID)
    sections = [table(10).serialize(), table(900).serialize()]
    packets = [one for section in sections for one in split(writer.section(section))]
    assert assembled(packets) == sections


def test_a_lost_packet_costs_its_section_alone() -> None:
    sections = [table(500, number).serialize() for number in range(4)]
    packets = packed(sections)
    del packets[4]
    assert assembled(packets) == [sections[0], *sections[2:]]


def test_packets_that_repeat_or_carry_nothing_change_nothing() -> None:
    writer = PacketWriter(PID)
    section = table(500).serialize()
    packets = split(writer.section(section))
    idle = writer.signal(b"\0")
    doubled = [again for packet in packets for again in (packet, packet, idle)]
    assert assembled(doubled) == [section]


def test_damaged_and_scrambled_packets_are_not_read() -> None:
    packets = split(PacketWriter(PID).section(table(300).serialize()))
    flags = [(1, 0x80), (3, 0x80), (3, 0xC0)]
    for at, bits in flags:
        broken = bytearray(packets[1])
        broken[at] |= bits
        assert assembled([packets[0], bytes(broken)]) == []


def test_an_adaptation_field_stands_before_the_payload() -> None:
    section = table(20).serialize()
    packet = PacketWriter(PID).unit(b"\0" + section, b"\0")
    assert assembled([packet]) == [section]


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff" * 184,
        b"\0" * 184,
        b"\0\xff" + b"\1" * 182,
        b"\xb7" + b"\2" * 183,
        b"\0\2\xb0\0" + b"\2" * 180,
    ],
)
def test_payloads_without_a_section_give_none(payload: bytes) -> None:
    assert assembled([b"\x47\x40\x20\x10" + payload]) == []
    assert assembled([b"\x47\0\x20\x10" + payload]) == []


def test_an_adaptation_field_that_is_too_long_leaves_nothing() -> None:
    assert assembled([b"\x47\x40\x20\x30\xff" + b"\2" * 183]) == []


@given(st.lists(st.binary(min_size=187, max_size=187), max_size=40))
def test_noise_is_read_in_bounded_memory(rests: list[bytes]) -> None:
    assembler = SectionAssembler()
    for rest in rests:
        for section in assembler.feed(b"\x47" + rest):
            assert len(section) <= 4098
        assert len(assembler._data) <= 4098 + 184


def test_a_table_is_complete_with_its_last_section() -> None:
    reader = TableReader(2)
    first, second = table(20, 0, 1), table(30, 1, 1)
    assert reader.feed(second.serialize()) is None
    assert reader.feed(first.serialize()) == (first, second)
    assert reader.feed(first.serialize()) is None
    newer = [table(20, number, 1, version=1) for number in range(2)]
    assert reader.feed(newer[0].serialize()) is None
    assert reader.feed(newer[1].serialize()) == tuple(newer)


def test_a_change_counts_without_a_new_version() -> None:
    reader = TableReader(2)
    assert reader.feed(table(20).serialize())
    changed = table(21)
    assert reader.feed(changed.serialize()) == (changed,)


def test_what_is_not_valid_yet_or_of_others_is_not_read() -> None:
    reader = TableReader(2, 7)
    good = replace(table(20), extension=7)
    others = [
        table(20),
        replace(good, current=False),
        replace(good, table=3),
        replace(good, number=2, last=1),
    ]
    assert [reader.feed(one.serialize()) for one in others] == [None] * 4
    assert reader.feed(good.serialize()) == (good,)


def test_damaged_sections_are_counted() -> None:
    reader = TableReader(2)
    data = bytearray(table(20).serialize())
    data[12] ^= 1
    assert reader.feed(bytes(data)) is None
    assert reader.feed(b"") is None
    assert reader.damaged == 1


def test_copies_that_are_all_damaged_agree_on_the_table() -> None:
    reader = TableReader(2)
    good = table(300)
    results = []
    for at in (20, 100, 250):
        copy = bytearray(good.serialize())
        copy[at] ^= 0x10
        results.append(reader.feed(bytes(copy)))
    assert results == [None, None, (good,)]
    assert reader.damaged == 3


def test_damaged_copies_of_other_lengths_agree_on_nothing() -> None:
    reader = TableReader(2)
    for size in (300, 301, 300):
        assert reader.feed(table(size).serialize()[:-1] + b"\0") is None


def test_an_association_of_two_sections_is_one() -> None:
    many = tuple((number, 0x100 + number) for number in range(1, 400))
    parts = [many[:250], many[250:]]
    sections = [Section.parse(Pat(9, part, 3).serialize()) for part in parts]
    sections = [replace(one, number=at, last=1) for at, one in enumerate(sections)]
    data = [one.serialize() for one in sections]
    reader = TableReader(0)
    complete = [found for one in assembled(packed(data)) if (found := reader.feed(one))]
    assert [Pat.read(found) for found in complete] == [Pat(9, many, 3)]


def test_a_map_of_several_packets_is_read() -> None:
    streams = tuple(PmtStream(6, 0x200 + at, b"\x59\x10" + bytes(16)) for at in range(40))
    pmt = Pmt(5, 0x1FFF, streams, b"\x05\4CUEI", 9)
    (data,) = assembled(packed([pmt.serialize()]))
    assert Pmt.parse(data) == pmt


def test_descriptors_are_found_by_their_tags() -> None:
    data = registration_descriptor(b"AC-3") + language_descriptor("deu") + descriptor(9, b"")
    assert split_descriptors(data + b"\x0a\4de") == [(5, b"AC-3"), (10, b"deu\0"), (9, b"")]
    assert find_descriptor(data, 9) == b""
    assert find_descriptor(data, 8) is None
    assert (language(data), registration(data)) == ("deu", b"AC-3")
    assert (language(b""), registration(b"\5\0")) == ("", b"")
    assert language(descriptor(10, b"EN\xe9\0")) == ""


def service(program: int, name: bytes, provider: bytes = b"P") -> bytes:
    text = bytes([1, len(provider)]) + provider + bytes([len(name)]) + name
    info = descriptor(0x48, text)
    return program.to_bytes(2, "big") + b"\xfc" + (0x8000 | len(info)).to_bytes(2, "big") + info


def test_services_have_names() -> None:
    rows = service(1, b"One") + service(2, b"\x15Zw\xc3\xb6lf") + service(3, b"")
    sections = [Section(0x42, 1, 0, b"\0\1\xff" + rows), Section(0x42, 1, 0, b"\0\1\xff")]
    assert service_names(sections) == {1: "One", 2: "Zwölf"}


@given(st.binary(max_size=60))
def test_noise_in_names_raises_nothing(data: bytes) -> None:
    service_names([Section(0x42, 1, 0, data)])
    split_descriptors(data)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"plain", "plain"),
        (b"\x86bold\x87 \x8a", "bold"),
        (b"\x05\xd0", "Ğ"),
        (b"\x10\0\x02\xb1", "ą"),
        (b"\x10\0\x99\xe9", "é"),
        (b"\x1fabc", "abc"),
        (b"\x11\0A", "A"),
    ],
)
def test_texts_name_their_character_table(data: bytes, text: str) -> None:
    assert read_text(data) == text
