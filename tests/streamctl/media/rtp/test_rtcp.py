"""RTCP: what is written is read, damage costs what is damaged, and nothing escapes."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError
from streamctl.media.rtp import rtcp
from streamctl.media.rtp.rtcp import (
    Bye,
    Control,
    Description,
    FullIntra,
    PictureLoss,
    ReceiverReport,
    ReportBlock,
    SenderReport,
)

BLOCK = ReportBlock(0xAABBCCDD, 128, -3, 0x2FFFF, 77, 0x12345678, 65536)
SENDER = SenderReport(0x01020304, 0xE0000000_80000000, 90_000, 10, 12_000, (BLOCK,))
ALL: list[Control] = [
    SENDER,
    ReceiverReport(5, (BLOCK, BLOCK)),
    ReceiverReport(6),
    Description(5, "camera@host"),
    Description(5, "abc"),
    Description(5, ""),
    Bye((5, 6), "off"),
    Bye((5,)),
    PictureLoss(1, 2),
    FullIntra(1, 2, 9),
]


@pytest.mark.parametrize("packet", ALL)
def test_what_is_written_is_read(packet: Control) -> None:
    data = packet.serialise()
    assert len(data) % 4 == 0
    assert int.from_bytes(data[2:4], "big") == len(data) // 4 - 1
    assert rtcp.parse(data) == [packet]


def test_a_datagram_holds_several() -> None:
    assert rtcp.parse(memoryview(rtcp.serialise(ALL))) == ALL


def test_golden_sender_report_of_an_encoder() -> None:
    data = bytes.fromhex(
        "80c80006 01020304 e1000000 40000000 00015f90 0000000a 00002ee0"
        "81ca0003 01020304 01026162 00000000".replace(" ", "")
    )
    assert rtcp.parse(data) == [
        SenderReport(0x01020304, 0xE1000000_40000000, 90_000, 10, 12_000),
        Description(0x01020304, "ab"),
    ]


def test_golden_picture_loss_indication() -> None:
    assert PictureLoss(1, 2).serialise().hex() == "81ce00020000000100000002"


def test_unknown_types_are_skipped() -> None:
    app = bytes.fromhex("80cc0002 01020304 6e616d65".replace(" ", ""))
    nack = bytes.fromhex("81cd0003 00000001 00000002 00010000".replace(" ", ""))
    other_feedback = bytes.fromhex("8fce0002 00000001 00000002".replace(" ", ""))
    assert rtcp.parse(app + nack + other_feedback + SENDER.serialise()) == [SENDER]


@pytest.mark.parametrize(
    "data", [b"", b"\x80\xc8\0", b"\x40\xc8\0\0", b"\x80\xc8\0\1", SENDER.serialise()[:-1]]
)
def test_refuses_what_is_no_rtcp(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        rtcp.parse(data)


def test_damage_costs_what_follows_it_alone() -> None:
    whole = rtcp.serialise([ReceiverReport(6), SENDER])
    assert rtcp.parse(whole[:-4]) == [ReceiverReport(6)]
    assert rtcp.parse(ReceiverReport(6).serialise() + b"junk?") == [ReceiverReport(6)]


def test_counts_that_promise_too_much_are_not_believed() -> None:
    cut = bytes.fromhex("9fc80006") + SENDER.serialise()[4:28]
    assert rtcp.parse(cut) == [
        SenderReport(SENDER.ssrc, SENDER.ntp, SENDER.timestamp, SENDER.packets, SENDER.octets)
    ]
    assert rtcp.parse(bytes.fromhex("83cb0001 00000005".replace(" ", ""))) == []
    assert rtcp.parse(bytes.fromhex("83ca0002 00000005 01ff6162".replace(" ", ""))) == []
    assert rtcp.parse(bytes.fromhex("83ca0001 00000005".replace(" ", ""))) == []
    assert rtcp.parse(bytes.fromhex("80c80000")) == []


def test_padding_is_no_content() -> None:
    padded = bytes.fromhex("a0c90002 00000006 00000004".replace(" ", ""))
    assert rtcp.parse(padded) == [ReceiverReport(6)]
    assert rtcp.parse(bytes.fromhex("a0c90001 000000ff".replace(" ", ""))) == []
    assert rtcp.parse(bytes.fromhex("a0c90000")) == []


def test_a_datagram_gives_no_more_than_is_sensible() -> None:
    data = ReceiverReport(6).serialise() * (rtcp.MAX_PACKETS + 5)
    assert len(rtcp.parse(data)) == rtcp.MAX_PACKETS


def test_numbers_beyond_their_field_are_held_at_its_end() -> None:
    block = ReportBlock(1, 300, 1 << 30, 0, 1 << 40, 0, 1 << 40)
    (report,) = rtcp.parse(ReceiverReport(1, (block,) * 40).serialise())
    assert isinstance(report, ReceiverReport)
    assert len(report.reports) == rtcp.MAX_BLOCKS
    assert report.reports[0] == ReportBlock(1, 255, 0x7FFFFF, 0, 0xFFFFFFFF, 0, 0xFFFFFFFF)


def test_long_texts_are_cut() -> None:
    assert rtcp.parse(Description(1, "n" * 300).serialise()) == [Description(1, "n" * 255)]
    assert rtcp.parse(Bye((1,), "r" * 300).serialise()) == [Bye((1,), "r" * 255)]


def test_times_of_ntp() -> None:
    assert rtcp.ntp_time(0.5) == (2_208_988_800 << 32) + (1 << 31)
    assert rtcp.ntp_middle(0x11112222_33334444) == 0x22223333


WHOLE = rtcp.serialise(ALL)


@given(st.integers(0, len(WHOLE)), st.binary(max_size=12), st.integers(0, 24))
def test_only_protocol_errors_escape(at: int, junk: bytes, skip: int) -> None:
    with suppress(ProtocolError):
        rtcp.parse(WHOLE[:at] + junk + WHOLE[at + skip :])
