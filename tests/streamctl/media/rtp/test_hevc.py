from __future__ import annotations

from dataclasses import replace

import pytest

from streamctl.errors import ProtocolError
from streamctl.media.nal import START_CODE
from streamctl.media.packet import Kind
from streamctl.media.rtp.formats import track_of
from streamctl.media.rtp.hevc import HevcDepacketiser, HevcPacketiser
from streamctl.media.rtp.packetise import MIN_PAYLOAD
from tests.streamctl.media.rtp.packets import HEVC, HEVC_SETS, feed, frames, packet, prefixed

IDR = b"\x26\x01\xaf" + bytes(range(1, 200))
INTER = b"\x02\x01\xd0" + bytes(range(1, 100))
SECOND_SLICE = b"\x02\x01\x40" + bytes(20)
SEI = b"\x4e\x01\x05\x04abcd\x80"


def depacketiser() -> HevcDepacketiser:
    return HevcDepacketiser(HEVC, track_of(HEVC, 0))


def fragments(nal: bytes, size: int = 50) -> list[bytes]:
    parts = [nal[at : at + size] for at in range(2, len(nal), size)]
    last = len(parts) - 1
    kind = nal[0] >> 1
    return [
        bytes((98, nal[1], kind | (0x80 if at == 0 else 0) | (0x40 if at == last else 0))) + part
        for at, part in enumerate(parts)
    ]


def aggregate(*nals: bytes) -> bytes:
    return b"\x60\x01" + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


def test_units_come_alone_together_and_in_parts() -> None:
    subject = depacketiser()
    units = feed(
        subject,
        frames([*HEVC_SETS, SEI, IDR], [INTER, SECOND_SLICE], [aggregate(SEI, INTER)])
        + frames([], [], [], fragments(INTER)),
    )
    assert [unit.data for unit in units] == [
        prefixed(SEI, IDR),
        prefixed(INTER, SECOND_SLICE),
        prefixed(SEI, INTER),
        prefixed(INTER),
    ]
    assert [unit.kind for unit in units] == [Kind.KEY, Kind.P, Kind.P, Kind.P]


def test_sets_in_band_are_the_configuration() -> None:
    rtp = replace(HEVC, fmtp={})
    subject = HevcDepacketiser(rtp, track_of(rtp, 0))
    assert subject.track.config is None
    units = feed(subject, frames([aggregate(*HEVC_SETS), IDR]))
    assert units[0].config == subject.track.config == track_of(HEVC, 0).config
    assert (subject.track.width, subject.track.height) == (640, 360)


@pytest.mark.parametrize("code", [START_CODE, START_CODE[1:]])
def test_start_codes_inside_of_payloads_are_forgiven(code: bytes) -> None:
    subject = depacketiser()
    units = feed(subject, frames([code.join(HEVC_SETS), code + IDR], [INTER]))
    assert [unit.data for unit in units] == [prefixed(IDR), prefixed(INTER)]
    assert subject.damaged_units == 0


WRONG = {
    "fragment without a start": fragments(INTER)[1:],
    "fragment without an end": fragments(INTER)[:-1],
    "fragment that starts twice": [fragments(INTER)[0], *fragments(INTER)],
    "fragment of two bytes": [b"\x62\x01"],
    "fragment of a fragment": [b"\x62\x01\xf1" + INTER],
    "fragment of an aggregate": [b"\x62\x01\xf0" + INTER],
    "one byte": [b"\x02"],
    "unit with its error bit": [b"\x82" + INTER[1:]],
    "unit without a temporal id": [b"\x02\0" + INTER[2:]],
    "aggregate in an aggregate": [aggregate(aggregate(INTER))],
    "aggregate of one byte": [aggregate(b"\x02", INTER)],
    "aggregate with half a length": [aggregate(INTER) + b"\0"],
    "aggregate beyond its packet": [aggregate(INTER)[:-1]],
    "aggregate with an error bit": [aggregate(b"\x82" + INTER[1:])],
    "packets of another structure": [b"\x64\x01" + INTER],
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


def test_a_lost_start_is_known_by_the_first_slice() -> None:
    subject = depacketiser()
    packets = frames([IDR], [INTER, SECOND_SLICE], [INTER])
    del packets[1]
    assert [unit.timestamp for unit in feed(subject, packets)] == [0, 7200]


def test_units_out_of_order_are_refused() -> None:
    with pytest.raises(ProtocolError):
        HevcDepacketiser(replace(HEVC, fmtp={"sprop-max-don-diff": "2"}), track_of(HEVC, 0))


@pytest.mark.parametrize("limit", [MIN_PAYLOAD, 100, 202, 203, 1400])
def test_what_is_packed_comes_out_again(limit: int) -> None:
    packetiser = HevcPacketiser(track_of(HEVC, 0), limit)
    pictures = [
        packet(prefixed(SEI, IDR, SECOND_SLICE * 9), Kind.KEY),
        packet(prefixed(INTER, SECOND_SLICE)),
    ]
    payloads = [packetiser.pack(one) for one in pictures]
    assert max(len(payload) for one in payloads for payload in one) <= limit
    units = feed(depacketiser(), frames(*payloads))
    assert [(unit.data, unit.kind) for unit in units] == [(one.data, one.kind) for one in pictures]


def test_parameter_sets_go_before_key_pictures() -> None:
    packetiser = HevcPacketiser(track_of(HEVC, 0), 1400)
    assert packetiser.pack(packet(prefixed(IDR), Kind.KEY)) == [*HEVC_SETS, IDR]
    assert packetiser.pack(packet(prefixed(INTER))) == [INTER]


def test_long_units_are_sent_in_parts() -> None:
    packetiser = HevcPacketiser(track_of(HEVC, 0), 100)
    payloads = packetiser.pack(packet(prefixed(IDR)))
    assert [payload[:3].hex() for payload in payloads] == ["620193", "620113", "620153"]
    assert IDR[:2] + b"".join(payload[3:] for payload in payloads) == IDR
