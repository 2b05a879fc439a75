"""Whatever stands in packets, depacketisers go on, and keep little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamctl.media.packet import Codec, Kind
from streamctl.media.rtp.depacketise import MAX_PICTURE_BYTES
from streamctl.media.rtp.formats import STATIC, RtpFormat, track_of
from streamctl.media.rtp.packet import RtpPacket
from streamctl.media.rtp.payloads import DEPACKETISERS, depacketiser
from tests.streamctl.media.rtp import test_av1, test_h264, test_hevc, test_sound, test_vp8, test_vp9
from tests.streamctl.media.rtp.packets import AAC, H264, HEVC, IDR, INTER, end, run
from tests.streamctl.media.rtp.test_aac import FRAME, hbr, parts
from tests.streamctl.media.rtp.test_latm import RTP as LATM
from tests.streamctl.media.rtp.test_latm import element

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.rtp.depacketise import Depacketiser

FORMATS = {
    "H264": H264,
    "H265": HEVC,
    "MPEG4-GENERIC": AAC,
    "MP4A-LATM": LATM,
    "MULTIOPUS": RtpFormat(96, "MULTIOPUS", 48_000, 6, {"num_streams": "4"}),
    **{rtp.encoding: rtp for rtp in STATIC.values()},
}
ODD_AAC = RtpFormat(
    96,
    "MPEG4-GENERIC",
    44_100,
    2,
    {"config": "1210", "sizelength": "9", "ctsdeltalength": "3", "auxiliarydatasizelength": "6"},
)
SOUND = test_sound.FRAMES.values()

SEEDS = [
    IDR,
    *test_h264.fragments(INTER, 40),
    test_h264.stap(test_h264.SEI, INTER),
    test_hevc.IDR,
    *test_hevc.fragments(test_hevc.INTER, 40),
    test_hevc.aggregate(test_hevc.SEI, test_hevc.INTER),
    b"\x28" + test_av1.prefix(test_av1.BARE_SEQUENCE) + test_av1.KEY,
    b"\x50" + test_av1.INTER,
    b"\x10" + test_vp8.KEY,
    b"\x90\x80\x01" + test_vp8.INTER,
    b"\x4c" + test_vp9.KEY,
    b"\x4e\x38" + b"\2\x80" * 4 + b"\1\4\x08" + test_vp9.INTER,
    hbr(FRAME, FRAME),
    *parts(FRAME, 40),
    element(FRAME),
    *(b"\0\1" + frame[:64] for frame in SOUND),
    *(b"\0\0\0\x40" + frame[64:128] for frame in SOUND),
]
"""Payloads of every kind; each is fed to every depacketiser."""


def format_of(encoding: str) -> RtpFormat:
    return FORMATS.get(encoding) or RtpFormat(96, encoding, 48_000, 2)


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    payload = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, min(len(payload) - 1, 12)))
        payload[at] = draw(st.integers(0, 255))
    return bytes(payload[: draw(st.integers(0, len(payload)))])


@st.composite
def packets(draw: st.DrawFn) -> list[tuple[RtpPacket, bool]]:
    found = []
    for payload in draw(st.lists(st.one_of(mutations(), st.binary(max_size=40)), max_size=12)):
        timestamp = draw(st.sampled_from([0, 1, 0xFFFFFFFF, 0x80000000]))
        packet = RtpPacket(96, draw(st.booleans()), 0, timestamp, 1, memoryview(payload))
        found.append((packet, draw(st.sampled_from([False, False, True]))))
    return found


def kept(subject: Depacketiser) -> int:
    """Bytes that it holds back."""
    own = [getattr(subject, name, b"") for name in ("_data", "_part")]
    framer = getattr(subject, "_framer", None)
    return sum(map(len, own)) + len(getattr(framer, "_rest", b""))


@pytest.mark.parametrize("encoding", DEPACKETISERS)
@settings(max_examples=25)
@given(found=packets())
def test_nothing_is_raised_and_the_next_units_are_whole(
    encoding: str, found: list[tuple[RtpPacket, bool]]
) -> None:
    feed_all(depacketiser(format_of(encoding)), found)


@settings(max_examples=25)
@given(found=packets())
def test_headers_of_every_field_raise_nothing(found: list[tuple[RtpPacket, bool]]) -> None:
    feed_all(depacketiser(ODD_AAC), found)


def feed_all(subject: Depacketiser, found: Sequence[tuple[RtpPacket, bool]]) -> None:
    size = 0
    for packet, lost in found:
        size += len(packet.payload)
        for unit in subject.feed(packet, lost=lost):
            assert unit.data
            assert isinstance(unit.kind, Kind)
        # Lengths in front of the shortest units are longer than these.
        assert kept(subject) <= 5 * size + 64
    end(subject)


GOOD = {
    "H264": [IDR],
    "H265": [test_hevc.IDR],
    "AV1": [b"\x10" + test_av1.INTER],
    "VP8": [b"\x10" + test_vp8.INTER],
    "VP9": [b"\x4c" + test_vp9.INTER],
    "MPEG4-GENERIC": [hbr(FRAME)],
    "MP4A-LATM": [element(FRAME)],
    "MPA": [bytes(4) + test_sound.FRAMES[Codec.MP3]],
    "AC3": [b"\0\1" + test_sound.FRAMES[Codec.AC3]],
    "EAC3": [b"\0\1" + test_sound.FRAMES[Codec.EAC3]],
    "OPUS": [b"\xfc\xff\xfe"],
}


@pytest.mark.parametrize("encoding", GOOD)
@settings(max_examples=20)
@given(found=packets())
def test_after_any_damage_the_next_unit_is_whole(
    encoding: str, found: list[tuple[RtpPacket, bool]]
) -> None:
    subject = depacketiser(format_of(encoding))
    for packet, lost in found:
        subject.feed(packet, lost=lost)
    clean = depacketiser(format_of(encoding))
    expected = [unit.data for unit in clean.feed(run(GOOD[encoding], 77)[0]) + end(clean)]
    units = subject.feed(run(GOOD[encoding], 77)[0], lost=True)
    units += end(subject)
    assert expected
    assert [unit.data for unit in units if unit.timestamp & 0xFFFFFFFF == 77][-1:] == expected


def test_no_timestamp_makes_a_unit_endless() -> None:
    subject = depacketiser(H264)
    part = memoryview(b"\x41" + bytes(65_000))
    for _ in range(400):
        subject.feed(RtpPacket(96, False, 0, 0, 1, part))
        assert kept(subject) <= MAX_PICTURE_BYTES
    assert subject.damaged_units == 1
    assert track_of(H264, 0) == subject.track
