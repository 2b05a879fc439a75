from __future__ import annotations

from dataclasses import replace

import pytest

from streamctl.errors import ProtocolError
from streamctl.media.aac import AacConfig, adts_header
from streamctl.media.packet import Codec, Kind
from streamctl.media.rtp.aac import AacDepacketiser, AacPacketiser
from streamctl.media.rtp.depacketise import MAX_FRAME_BYTES
from streamctl.media.rtp.formats import RtpFormat, track_of
from tests.streamctl.media.rtp.packets import AAC, feed, frames, packet, run, track

FRAME = b"\x21\x10" + bytes(range(100))
OTHER = b"\x21\x11" + bytes(range(50))


def depacketiser(**fmtp: str) -> AacDepacketiser:
    rtp = replace(AAC, fmtp={"config": "1210", **fmtp})
    return AacDepacketiser(rtp, track_of(rtp, 0))


def hbr(*units: bytes) -> bytes:
    headers = b"".join((len(unit) << 3).to_bytes(2, "big") for unit in units)
    return (8 * len(headers)).to_bytes(2, "big") + headers + b"".join(units)


def parts(unit: bytes, size: int) -> list[bytes]:
    head = hbr(unit)[:4]
    return [head + unit[at : at + size] for at in range(0, len(unit), size)]


def test_frames_of_one_packet_follow_each_other_by_their_samples() -> None:
    subject = depacketiser()
    units = feed(subject, frames([hbr(FRAME, OTHER, FRAME)], [hbr(OTHER)], step=3072))
    assert [unit.data for unit in units] == [FRAME, OTHER, FRAME, OTHER]
    assert [unit.timestamp for unit in units] == [0, 1024, 2048, 3072]
    assert {unit.kind for unit in units} == {Kind.AUDIO}
    assert units[0].dur == 2090


@pytest.mark.parametrize(
    ("rate", "config", "step"),
    [(48_000, "131056E598", 2048), (24_000, "131056E598", 1024), (90_000, "1190", 1920)],
)
def test_frames_of_other_clocks_have_other_steps(rate: int, config: str, step: int) -> None:
    rtp = RtpFormat(97, "MPEG4-GENERIC", rate, 2, {"config": config})
    units = feed(AacDepacketiser(rtp, track_of(rtp, 0)), frames([hbr(FRAME, OTHER)]))
    assert units[1].timestamp == step


@pytest.mark.parametrize("size", [1, 40, 101])
def test_parts_of_a_frame_are_put_together(size: int) -> None:
    subject = depacketiser()
    units = feed(subject, frames(parts(FRAME, size), [hbr(OTHER)], step=1024))
    assert [(unit.timestamp, unit.data) for unit in units] == [(0, FRAME), (1024, OTHER)]
    assert subject.damaged_units == 0


@pytest.mark.parametrize("hole", range(3))
def test_a_lost_part_costs_its_frame(hole: int) -> None:
    subject = depacketiser()
    packets = frames([hbr(OTHER)], parts(FRAME, 40), [hbr(OTHER)], step=1024)
    del packets[1 + hole]
    assert [unit.timestamp for unit in feed(subject, packets)] == [0, 2048]
    assert subject.damaged_units == 1


def test_a_lost_packet_costs_no_other() -> None:
    subject = depacketiser()
    packets = frames([hbr(OTHER)], [hbr(FRAME)], [hbr(OTHER)], step=1024)
    del packets[1]
    assert [unit.timestamp for unit in feed(subject, packets)] == [0, 2048]
    assert subject.damaged_units == 0


def test_other_modes_have_other_headers() -> None:
    subject = depacketiser(mode="AAC-lbr")
    small = OTHER[:20]
    units = feed(subject, frames([b"\0\x10" + bytes((20 << 2, 20 << 2)) + small + small]))
    assert [unit.data for unit in units] == [small, small]


def test_other_fields_of_headers_are_passed_over() -> None:
    # 8 bits of size, 4 of index; a flag with an offset of 3 bits, a flag without; key, state.
    subject = depacketiser(
        sizelength="8",
        indexlength="4",
        indexdeltalength="2",
        ctsdeltalength="3",
        dtsdeltalength="5",
        randomaccessindication="1",
        streamstateindication="2",
        auxiliarydatasizelength="8",
    )
    bits = f"{len(OTHER):08b}" + "0000" + "1101" + "0" + "1" + "10"
    bits += f"{len(FRAME):08b}" + "00" + "0" + "110101" + "0" + "01"
    head = len(bits).to_bytes(2, "big")
    head += int(bits.ljust(40, "0"), 2).to_bytes(5, "big")
    auxiliary = b"\x0c\xff\xf0"
    units = feed(subject, frames([head + auxiliary + OTHER + FRAME]))
    assert [unit.data for unit in units] == [OTHER, FRAME]


def test_frames_of_constant_size_have_no_headers() -> None:
    subject = depacketiser(constantsize=str(len(OTHER)), sizelength="0")
    units = feed(subject, frames([OTHER * 3], [OTHER], step=3072))
    assert [unit.timestamp for unit in units] == [0, 1024, 2048, 3072]
    assert {unit.data for unit in units} == {OTHER}


def test_a_stream_without_headers_has_a_frame_in_each_packet() -> None:
    subject = depacketiser(sizelength="0", indexlength="0", indexdeltalength="0")
    assert [unit.data for unit in feed(subject, frames([FRAME], [OTHER]))] == [FRAME, OTHER]


def test_adts_headers_are_taken_off() -> None:
    adts = adts_header(AacConfig(2, 44_100, 2), len(FRAME)) + FRAME
    assert [unit.data for unit in feed(depacketiser(), frames([hbr(adts)]))] == [FRAME]


def test_without_a_configuration_the_rtpmap_tells() -> None:
    rtp = RtpFormat(97, "MPEG4-GENERIC", 16_000, 1)
    subject = AacDepacketiser(rtp, track_of(rtp, 2))
    assert feed(subject, frames([hbr(FRAME)]))[0].data == FRAME
    told = subject.track
    assert (told.id, told.sample_rate, told.channels) == (2, 16_000, 1)
    assert told.config == bytes.fromhex("1408")


WRONG = {
    "no length of headers": b"\0",
    "no headers": b"\0\0" + FRAME,
    "headers beyond the packet": b"\0\x20\0",
    "half a header": b"\0\x08\x10" + FRAME,
    "a header and a half": b"\0\x18\1\0\1" + FRAME,
    "empty frame": hbr(b""),
    "frame beyond the packet": hbr(FRAME, FRAME)[:-1],
    "ADTS of no frame": hbr(b"\xff\xf1" + bytes(20)),
}


@pytest.mark.parametrize("payload", WRONG.values(), ids=list(WRONG))
def test_what_is_malformed_costs_its_frame_alone(payload: bytes) -> None:
    subject = depacketiser()
    units = feed(subject, frames([hbr(FRAME)], [payload], [hbr(OTHER)], step=2048))
    assert (units[0].data, units[-1].data) == (FRAME, OTHER)
    assert [unit.timestamp for unit in units[1:-1]] in ([], [2048])
    assert subject.damaged_units == 1
    assert subject.fault


def test_parts_that_do_not_fit_together_are_left_out() -> None:
    subject = depacketiser()
    first = parts(FRAME, 60)[0]
    mixed = [first, parts(OTHER, 20)[0], first, first, first, hbr(OTHER)]
    assert [unit.data for unit in feed(subject, run(mixed))] == [OTHER]
    assert subject.damaged_units == 1


def test_a_whole_frame_ends_the_parts_of_another() -> None:
    subject = depacketiser()
    units = feed(subject, run([parts(FRAME, 60)[0], hbr(OTHER)]))
    assert [unit.data for unit in units] == [OTHER]
    assert subject.damaged_units == 1


def test_frames_have_a_limit() -> None:
    subject = depacketiser(sizelength="29")
    payload = b"\0\x20" + ((MAX_FRAME_BYTES + 1) << 3).to_bytes(4, "big") + bytes(1000)
    assert feed(subject, run([payload] * 70)) == []
    assert subject.damaged_units == 1


@pytest.mark.parametrize("fmtp", [{"sizelength": "33"}, {"constantsize": "65537"}])
def test_headers_have_a_limit(fmtp: dict[str, str]) -> None:
    with pytest.raises(ProtocolError):
        depacketiser(**fmtp)


def test_payloads_of_no_bytes_say_nothing() -> None:
    subject = depacketiser()
    assert feed(subject, frames([b""])) == []
    assert subject.damaged_units == 0


def test_auxiliary_data_that_is_cut_off_costs_its_frame() -> None:
    subject = depacketiser(auxiliarydatasizelength="16")
    assert feed(subject, frames([hbr(b"\xff")])) == []
    assert subject.damaged_units == 1


@pytest.mark.parametrize("size", [1, 96, 97, 1000, 8191])
def test_what_is_packed_comes_out_again(size: int) -> None:
    config = track_of(AAC, 0)
    data = bytes((0x21, *range(200))) * 50
    payloads = AacPacketiser(config, 100).pack(packet(data[:size], Kind.AUDIO))
    assert max(map(len, payloads)) <= 100
    assert [unit.data for unit in feed(depacketiser(), frames(payloads))] == [data[:size]]


def test_frames_that_are_too_long_are_refused() -> None:
    with pytest.raises(ProtocolError):
        AacPacketiser(track_of(AAC, 0), 1400).pack(packet(bytes(8192), Kind.AUDIO))


def test_tracks_without_a_configuration_are_refused() -> None:
    with pytest.raises(ProtocolError):
        AacDepacketiser(AAC, track(Codec.AAC, None))
    with pytest.raises(ProtocolError):
        AacPacketiser(track(Codec.AAC, None), 1400)
