from __future__ import annotations

import pytest

from streamctl.errors import ProtocolError
from streamctl.media.opus import USUAL_PRE_SKIP, OpusHead
from streamctl.media.packet import Codec, Kind
from streamctl.media.rtp.formats import STATIC, RtpFormat, track_of
from streamctl.media.rtp.payloads import depacketiser, packetiser
from streamctl.media.rtp.sound import Ac3Packetiser
from tests.streamctl.media.rtp.packets import feed, frames, packet, track

FRAMES = {
    Codec.MP3: bytes.fromhex("fffbe46400000812").ljust(960, b"\x18"),
    Codec.MP2: bytes.fromhex("fffde804aa888899").ljust(1728, b"\x18"),
    Codec.AC3: bytes.fromhex("0b77b50b1e40ebf8").ljust(1792, b"\x18"),
    Codec.EAC3: bytes.fromhex("0b7701ff3f87c000208020000200").ljust(1024, b"\x18"),
}
FORMATS = {
    Codec.MP3: STATIC[14],
    Codec.MP2: STATIC[14],
    Codec.AC3: RtpFormat(96, "AC3", 48_000, 6),
    Codec.EAC3: RtpFormat(96, "EAC3", 48_000, 6),
}
HEADS = {Codec.MP3: bytes(4), Codec.MP2: bytes(4), Codec.AC3: b"\0\1", Codec.EAC3: b"\0\1"}
STEPS = {Codec.MP3: 2160, Codec.MP2: 3240, Codec.AC3: 1536, Codec.EAC3: 1536}


@pytest.mark.parametrize("codec", FRAMES)
def test_frames_of_one_packet_follow_each_other_by_their_samples(codec: Codec) -> None:
    subject = depacketiser(FORMATS[codec], 4)
    assert subject.track.config is None
    frame, head, step = FRAMES[codec], HEADS[codec], STEPS[codec]
    units = feed(subject, frames([head + frame * 3], [head + frame], step=3 * step))
    assert [unit.timestamp for unit in units] == [0, step, 2 * step, 3 * step]
    assert {unit.data for unit in units} == {frame}
    assert units[0].config == subject.track.config is not None
    assert (subject.track.id, subject.track.codec) == (4, codec)
    assert subject.track.sample_rate in {32_000, 48_000}
    assert subject.damaged_units == 0


@pytest.mark.parametrize("limit", [100, 960, 1400])
@pytest.mark.parametrize("codec", FRAMES)
def test_what_is_packed_comes_out_again(codec: Codec, limit: int) -> None:
    frame = FRAMES[codec]
    packing = packetiser(track(codec), limit)
    payloads = packing.pack(packet(frame, Kind.AUDIO))
    assert max(map(len, payloads)) <= limit
    assert packing.marks == (codec in {Codec.AC3, Codec.EAC3})
    subject = depacketiser(FORMATS[codec])
    units = feed(subject, frames(payloads, payloads, payloads, step=5000))
    assert [unit.data for unit in units] == [frame] * 3
    assert [unit.timestamp for unit in units] == [0, 5000, 10_000]
    assert subject.damaged_units == 0


@pytest.mark.parametrize("hole", range(3))
@pytest.mark.parametrize("codec", FRAMES)
def test_a_lost_part_costs_its_frame(codec: Codec, hole: int) -> None:
    frame = FRAMES[codec]
    size = len(frame) // 3 + 5
    payloads = packetiser(track(codec), size).pack(packet(frame, Kind.AUDIO))
    assert len(payloads) == 3
    subject = depacketiser(FORMATS[codec])
    packets = frames(payloads, payloads, payloads, step=5000)
    del packets[3 + hole]
    units = feed(subject, packets)
    assert [unit.timestamp for unit in units] == [0, 10_000]
    assert {unit.data for unit in units} == {frame}
    assert subject.damaged_units > 0


@pytest.mark.parametrize("codec", FRAMES)
def test_a_lost_packet_costs_no_other(codec: Codec) -> None:
    subject = depacketiser(FORMATS[codec])
    payload = HEADS[codec] + FRAMES[codec]
    packets = frames([payload], [payload], [payload], step=5000)
    del packets[1]
    assert [unit.timestamp for unit in feed(subject, packets)] == [0, 10_000]
    assert subject.damaged_units == 0


@pytest.mark.parametrize("codec", FRAMES)
@pytest.mark.parametrize("body", [b"", b"\x18", b"\x18" * 500])
def test_what_is_malformed_costs_its_frame_alone(codec: Codec, body: bytes) -> None:
    subject = depacketiser(FORMATS[codec])
    payload = HEADS[codec] + FRAMES[codec]
    wrong = [HEADS[codec] + body]
    units = feed(subject, frames([payload], [b""], wrong, [payload], step=5000))
    assert [unit.timestamp for unit in units] == [0, 15_000]
    assert subject.damaged_units == 1
    assert subject.fault


def test_the_first_part_of_ac3_says_how_much_it_is() -> None:
    frame = FRAMES[Codec.AC3]
    packing = Ac3Packetiser(track(Codec.AC3), 1400)
    assert [payload[:2].hex() for payload in packing.pack(packet(frame))] == ["0102", "0302"]
    packing = Ac3Packetiser(track(Codec.AC3), 1000)
    assert [payload[:2].hex() for payload in packing.pack(packet(frame))] == ["0202", "0302"]
    packing = Ac3Packetiser(track(Codec.EAC3), 1000)
    assert [payload[:2].hex() for payload in packing.pack(packet(frame))] == ["0102", "0102"]
    assert packing.pack(packet(b"", Kind.AUDIO)) == [b"\0\1"]


def test_frames_of_too_many_parts_are_refused() -> None:
    with pytest.raises(ProtocolError):
        Ac3Packetiser(track(Codec.AC3), 64).pack(packet(bytes(16_000)))


def test_the_frames_tell_what_is_in_ac3() -> None:
    subject = depacketiser(FORMATS[Codec.AC3])
    units = feed(subject, frames([b"\0\1" + FRAMES[Codec.EAC3]]))
    assert [unit.data for unit in units] == [FRAMES[Codec.EAC3]]
    assert subject.track.codec is Codec.EAC3


def test_a_packet_of_opus_is_a_unit() -> None:
    rtp = RtpFormat(97, "OPUS", 48_000, 2, {"sprop-stereo": "1"})
    subject = depacketiser(rtp)
    units = feed(subject, frames([b"\xfc\xff\xfe"], [b""], [b"\xff\x3f"], [b"\xfc\1"], step=960))
    assert [(unit.timestamp, unit.data) for unit in units] == [
        (0, b"\xfc\xff\xfe"),
        (2880, b"\xfc\1"),
    ]
    assert units[0].dur == 1800
    assert subject.track == track_of(rtp, 0)
    assert subject.track.config == OpusHead(2, USUAL_PRE_SKIP, 0, b"").serialize()
    assert subject.damaged_units == 1


def test_packets_that_no_datagram_has_room_for_are_refused() -> None:
    with pytest.raises(ProtocolError):
        packetiser(track(Codec.G711A)).pack(packet(bytes(70_000), Kind.AUDIO))


@pytest.mark.parametrize(("number", "codec"), [(0, Codec.G711U), (8, Codec.G711A)])
def test_samples_of_g711_are_passed_on(number: int, codec: Codec) -> None:
    subject = depacketiser(STATIC[number])
    units = feed(subject, frames([b"\xd5" * 160], [b"\xd5" * 80], step=160))
    assert [(unit.timestamp, unit.dur) for unit in units] == [(0, 1800), (160, 900)]
    assert (subject.track.codec, subject.track.config) == (codec, b"")
    packing = packetiser(subject.track)
    assert packing.pack(packet(b"\xd5" * 160, Kind.AUDIO)) == [b"\xd5" * 160]
    assert not packing.marks
