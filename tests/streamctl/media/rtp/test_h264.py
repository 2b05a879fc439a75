from __future__ import annotations

from dataclasses import replace

import pytest

from streamctl.errors import ProtocolError
from streamctl.media.nal import MAX_UNITS, START_CODE
from streamctl.media.packet import Codec, Kind
from streamctl.media.rtp.depacketise import MAX_PICTURE_BYTES
from streamctl.media.rtp.formats import track_of
from streamctl.media.rtp.h264 import H264Depacketiser, H264Packetiser
from streamctl.media.rtp.packetise import MIN_PAYLOAD
from streamctl.media.rtp.parameters import join
from tests.streamctl.media.h264.sets import SPS_FIELDS
from tests.streamctl.media.h264.test_field import field
from tests.streamctl.media.rtp.packets import (
    H264,
    IDR,
    INTER,
    PPS,
    SPS,
    feed,
    frames,
    packet,
    prefixed,
    run,
)

SEI = b"\x06\x05\x04abcd\x80"
DELIMITER = b"\x09\xf0"
SECOND_SLICE = b"\x41\x40" + bytes(20)
"""``first_mb_in_slice`` is not 0."""


def depacketiser() -> H264Depacketiser:
    return H264Depacketiser(H264, track_of(H264, 0))


def fragments(nal: bytes, size: int = 50) -> list[bytes]:
    parts = [nal[at : at + size] for at in range(1, len(nal), size)]
    last = len(parts) - 1
    return [
        bytes((nal[0] & 0xE0 | 28, nal[0] & 31 | (0x80 if at == 0 else 0) | (0x40 * (at == last))))
        + part
        for at, part in enumerate(parts)
    ]


def stap(*nals: bytes) -> bytes:
    return b"\x78" + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


def test_single_units_of_one_timestamp_are_an_access_unit() -> None:
    units = feed(depacketiser(), frames([SPS, PPS, SEI, IDR], [INTER]))
    assert [unit.data for unit in units] == [prefixed(SEI, IDR), prefixed(INTER)]
    assert [unit.timestamp for unit in units] == [0, 3600]
    assert [unit.kind for unit in units] == [Kind.KEY, Kind.P]
    assert [unit.config for unit in units] == [None, None]


def test_a_slice_that_looks_like_hevc_is_one_of_h264() -> None:
    assert feed(depacketiser(), frames([IDR], [INTER]))[1].data == prefixed(INTER)


@pytest.mark.parametrize("size", [1, 7, 50, 199, 400])
def test_fragments_are_put_together(size: int) -> None:
    units = feed(depacketiser(), frames([*fragments(IDR, size)], [*fragments(INTER, size)]))
    assert [unit.data for unit in units] == [prefixed(IDR), prefixed(INTER)]


def test_units_of_one_packet_are_taken_apart() -> None:
    subject = depacketiser()
    units = feed(subject, frames([stap(SPS, PPS, SEI), IDR], [stap(INTER, SECOND_SLICE)]))
    assert [unit.data for unit in units] == [prefixed(SEI, IDR), prefixed(INTER, SECOND_SLICE)]
    assert subject.damaged_units == 0


def test_without_markers_the_next_timestamp_ends_a_unit() -> None:
    units = feed(depacketiser(), frames([IDR], [INTER], [INTER], marked=False))
    assert [unit.timestamp for unit in units] == [0, 3600, 7200]


def test_markers_behind_parameter_sets_end_nothing() -> None:
    packets = run([SPS, PPS, SEI, IDR])
    for one in packets:
        one.marker = True
    assert [unit.data for unit in feed(depacketiser(), packets)] == [prefixed(SEI, IDR)]


def test_markers_behind_each_slice_cost_one_picture() -> None:
    subject = depacketiser()
    packets = frames([IDR, SECOND_SLICE], [INTER, SECOND_SLICE], [INTER, SECOND_SLICE])
    for one in packets:
        one.marker = True
    units = feed(subject, packets)
    assert [unit.data for unit in units] == [
        prefixed(IDR),
        prefixed(INTER, SECOND_SLICE),
        prefixed(INTER, SECOND_SLICE),
    ]
    assert subject.damaged_units == 1


def test_two_pictures_of_one_timestamp_are_told_apart() -> None:
    subject = depacketiser()
    packets = run([IDR]) + run([INTER], sequence=1)
    assert [unit.data for unit in feed(subject, packets)] == [prefixed(IDR), prefixed(INTER)]


def test_sets_that_come_alone_are_told_with_the_next_picture() -> None:
    subject = H264Depacketiser(replace(H264, fmtp={}), track_of(replace(H264, fmtp={}), 3))
    assert subject.track.config is None
    units = feed(subject, frames([SPS, PPS, SEI], [IDR], [INTER]))
    assert [unit.data for unit in units] == [prefixed(IDR), prefixed(INTER)]
    assert units[0].config == subject.track.config == track_of(H264, 0).config
    assert units[1].config is None
    assert (subject.track.id, subject.track.width) == (3, 320)


def test_new_sets_in_band_change_the_track() -> None:
    subject = depacketiser()
    units = feed(subject, frames([IDR], [SPS, PPS + b"\x01", IDR]))
    assert units[0].config is None
    assert units[1].config == subject.track.config != track_of(H264, 0).config


@pytest.mark.parametrize("code", [START_CODE, START_CODE[1:]])
def test_start_codes_inside_of_payloads_are_forgiven(code: bytes) -> None:
    subject = depacketiser()
    units = feed(subject, frames([SPS + code + PPS, code + IDR], [code + SEI + code + INTER]))
    assert [unit.data for unit in units] == [prefixed(IDR), prefixed(SEI, INTER)]
    assert subject.damaged_units == 0


@pytest.mark.parametrize("hole", range(5))
def test_a_lost_packet_costs_its_picture_alone(hole: int) -> None:
    subject = depacketiser()
    packets = frames([IDR], [*fragments(INTER, 20)], [INTER])
    del packets[1 + hole]
    units = feed(subject, packets)
    assert [unit.timestamp for unit in units] == [0, 7200]
    assert subject.damaged_units == 1


def test_a_lost_start_is_known_by_the_first_slice() -> None:
    subject = depacketiser()
    packets = frames([IDR], [INTER, SECOND_SLICE], [INTER])
    del packets[1]
    assert [unit.timestamp for unit in feed(subject, packets)] == [0, 7200]
    assert subject.fault == "the start of a picture was lost"


def test_a_lost_end_is_known_where_no_marker_came() -> None:
    subject = depacketiser()
    packets = frames([IDR], [INTER, SECOND_SLICE], [INTER])
    del packets[2]
    assert [unit.timestamp for unit in feed(subject, packets)] == [0, 7200]
    assert subject.fault == "the end of an access unit was lost"


def test_what_was_lost_before_a_whole_picture_costs_nothing() -> None:
    subject = depacketiser()
    packets = frames([IDR], [INTER], [INTER])
    del packets[1]
    assert [unit.timestamp for unit in feed(subject, packets)] == [0, 7200]
    assert subject.damaged_units == 0


MANY = MAX_UNITS // 100 + 1

WRONG = {
    "more units than a picture has": [stap(*[b"\x01"] * 100)] * MANY,
    "the same behind start codes": [b"\0\0\1\1" * (MAX_UNITS + 1)],
    "more fragments of one byte": [b"\x5c\xc1"] * (MAX_UNITS + 1),
    "fragment without a start": fragments(INTER)[1:],
    "fragment without an end": fragments(INTER)[:-1],
    "fragment that starts twice": [fragments(INTER)[0], *fragments(INTER)],
    "unit in the middle of a fragment": [fragments(INTER)[0], SEI, fragments(INTER)[1]],
    "fragment of one byte": [b"\x5c"],
    "fragment of a fragment": [b"\x5c\xdc" + INTER],
    "fragment of an aggregate": [b"\x5c\xd8" + INTER],
    "fragment of type 0": [b"\x5c\xc0" + INTER],
    "fragment with its error bit": [b"\xdc\xc1" + INTER],
    "unit with its error bit": [b"\xc1" + INTER],
    "aggregate in an aggregate": [stap(stap(INTER))],
    "fragment in an aggregate": [stap(fragments(INTER)[0])],
    "aggregate of an empty unit": [stap(b"", INTER)],
    "aggregate with half a length": [stap(INTER) + b"\0"],
    "aggregate beyond its packet": [stap(INTER)[:-1]],
    "aggregate with an error bit": [stap(b"\xc1" + INTER)],
    "aggregate of other types": [b"\x79\0\0" + stap(INTER)[1:]],
    "interleaved fragment": [b"\x5d\x81\0\0" + INTER],
    "type 0": [b"\0" + INTER],
    "type 31": [b"\x1f" + INTER],
}


@pytest.mark.parametrize("payloads", WRONG.values(), ids=list(WRONG))
def test_what_is_malformed_costs_its_picture_alone(payloads: list[bytes]) -> None:
    subject = depacketiser()
    units = feed(subject, frames([IDR], payloads, [INTER]))
    assert [(unit.timestamp, unit.data) for unit in units] == [
        (0, prefixed(IDR)),
        (7200, prefixed(INTER)),
    ]
    assert subject.damaged_units == 1
    assert subject.fault


def test_a_fragment_that_starts_and_ends_at_once_is_a_unit() -> None:
    units = feed(depacketiser(), frames([fragments(IDR, 1000)[0]]))
    assert [unit.data for unit in units] == [prefixed(IDR)]


def test_payloads_of_no_bytes_say_nothing() -> None:
    subject = depacketiser()
    assert len(feed(subject, frames([b""], [b"", IDR, b""]))) == 1
    assert subject.damaged_units == 0


def test_pictures_have_a_limit() -> None:
    subject = depacketiser()
    part = bytes(60_000)
    start = run([b"\x7c\x85" + part], marked=False)
    middle = run([b"\x7c\x05" + part] * (MAX_PICTURE_BYTES // 60_000 + 1), sequence=1)
    units = feed(subject, start + middle + run([INTER], 3600, len(middle) + 1))
    assert [unit.timestamp for unit in units] == [3600]
    assert subject.damaged_units == 1


def test_single_units_have_the_same_limit() -> None:
    subject = depacketiser()
    big = INTER + bytes(60_000)
    units = feed(subject, frames([big] * (MAX_PICTURE_BYTES // 60_000 + 1), [INTER]))
    assert [unit.timestamp for unit in units] == [3600]


def test_interleaving_is_refused() -> None:
    with pytest.raises(ProtocolError):
        H264Depacketiser(replace(H264, fmtp={"packetization-mode": "2"}), track_of(H264, 0))


def test_timestamps_do_not_wrap() -> None:
    subject = depacketiser()
    units = feed(subject, run([IDR], 0xFFFFFF00) + run([INTER], 0x100, 1))
    assert [unit.timestamp for unit in units] == [0xFFFFFF00, 0x1_0000_0100]


FIELDS = replace(H264, fmtp={"sprop-parameter-sets": join([SPS_FIELDS, PPS])})


@pytest.mark.parametrize("in_band", [False, True])
def test_fields_with_timestamps_of_their_own_are_one_unit(in_band: bool) -> None:
    rtp = replace(FIELDS, fmtp={}) if in_band else FIELDS
    subject = H264Depacketiser(rtp, track_of(rtp, 0))
    pictures = [field(0, "t", kind=5), field(0, "b"), field(1, "b"), field(1, "t"), field(2, "")]
    start = [SPS_FIELDS, PPS, pictures[0]]
    units = feed(subject, frames(start, *([one] for one in pictures[1:]), step=1800))
    assert [(unit.timestamp, unit.data) for unit in units] == [
        (0, prefixed(*pictures[:2])),
        (3600, prefixed(*pictures[2:4])),
        (7200, prefixed(pictures[4])),
    ]
    assert (units[0].config is not None) == in_band


def test_fields_of_one_timestamp_wait_for_nothing() -> None:
    subject = H264Depacketiser(FIELDS, track_of(FIELDS, 0))
    pair = [field(0, "t"), field(0, "b")]
    assert [len(subject.feed(one)) for one in run(pair)] == [0, 1]


def test_a_field_that_stays_alone_is_given() -> None:
    subject = H264Depacketiser(FIELDS, track_of(FIELDS, 0))
    units = feed(subject, frames([field(0, "t")], [field(1, "t")], [field(1, "b")]))
    assert [unit.timestamp for unit in units] == [0, 3600]


def test_a_picture_without_fields_lets_a_field_go() -> None:
    subject = H264Depacketiser(FIELDS, track_of(FIELDS, 0))
    units = feed(subject, frames([field(0, "t")], [SPS, PPS], [b"\x61"]))
    assert [unit.timestamp for unit in units] == [0, 7200]


@pytest.mark.parametrize("limit", [MIN_PAYLOAD, 100, 201, 202, 1400])
def test_what_is_packed_comes_out_again(limit: int) -> None:
    packetiser = H264Packetiser(track_of(H264, 0), limit)
    pictures = [
        packet(prefixed(SEI, IDR, SECOND_SLICE * 9), Kind.KEY),
        packet(prefixed(INTER, SECOND_SLICE)),
    ]
    payloads = [packetiser.pack(one) for one in pictures]
    assert max(len(payload) for one in payloads for payload in one) <= limit
    units = feed(depacketiser(), frames(*payloads))
    assert [(unit.data, unit.kind) for unit in units] == [(one.data, one.kind) for one in pictures]


def test_parameter_sets_go_before_key_pictures() -> None:
    packetiser = H264Packetiser(track_of(H264, 0), 1400)
    assert packetiser.pack(packet(prefixed(IDR), Kind.KEY)) == [SPS, PPS, IDR]
    assert packetiser.pack(packet(prefixed(INTER))) == [INTER]
    assert packetiser.marks


def test_long_units_are_sent_in_parts() -> None:
    packetiser = H264Packetiser(track_of(H264, 0), 100)
    payloads = packetiser.pack(packet(prefixed(IDR)))
    assert [payload[:2].hex() for payload in payloads] == ["7c85", "7c05", "7c45"]
    assert IDR[:1] + b"".join(payload[2:] for payload in payloads) == IDR


def test_a_track_without_a_configuration_can_not_be_sent() -> None:
    with pytest.raises(ProtocolError):
        H264Packetiser(replace(track_of(H264, 0), codec=Codec.H264, config=None), 1400)


def test_data_of_another_form_is_refused() -> None:
    with pytest.raises(ProtocolError):
        H264Packetiser(track_of(H264, 0), 1400).pack(packet(START_CODE + IDR[:10]))
