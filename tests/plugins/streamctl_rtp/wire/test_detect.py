"""Codecs told by their packets: one is enough where form can't be chance, else several agree."""

from __future__ import annotations

import random

import pytest

from streamctl.media.packet import Codec, Track
from streamctl.media.rtp.formats import RtpFormat, track_of
from streamctl.media.rtp.packet import RtpPacket
from streamctl_rtp.wire.detect import Detector, adds_up, is_aac

TS = b"\x47" + bytes(187)
SPS = bytes.fromhex("6742c01eda02d0f6")


def feed(
    payloads: list[bytes], *, step: int = 3600, interval: float = 0.04, kind: int = 96
) -> RtpFormat | None:
    """What is told after packets with these payloads, each of a time of its own."""
    detector = Detector(kind)
    found = None
    for number, payload in enumerate(payloads):
        packet = RtpPacket(kind, True, number, (number * step) & 0xFFFFFFFF, 1, memoryview(payload))
        found = detector.look(packet, number * interval)
    return found


def told(payloads: list[bytes], *, step: int = 3600, interval: float = 0.04) -> str:
    found = feed(payloads, step=step, interval=interval)
    return found.encoding if found is not None else ""


@pytest.mark.parametrize(
    ("kind", "encoding", "rate"),
    [(0, "PCMU", 8000), (8, "PCMA", 8000), (14, "MPA", 90_000), (33, "MP2T", 90_000)],
)
def test_static_types_are_what_the_profile_says(kind: int, encoding: str, rate: int) -> None:
    found = feed([b"anything"], kind=kind)
    assert found is not None
    assert (found.encoding, found.clock_rate) == (encoding, rate)


@pytest.mark.parametrize(
    ("payload", "encoding"),
    [
        (TS * 7, "MP2T"),
        (TS, "MP2T"),
        (SPS, "H264"),
        (b"\x27" + SPS[1:], "H264"),
        (b"\x78" + b"\x00\x08" + SPS + b"\x00\x04\x68\xce\x38\x80", "H264"),
        (bytes.fromhex("40010c01ffff"), "H265"),
        (bytes.fromhex("42010101600000"), "H265"),
        (bytes.fromhex("4401c172b46240"), "H265"),
        (bytes.fromhex("60010003400100000344010a"), "H265"),
        (bytes.fromhex("620193aabbcc"), "H265"),
        (bytes.fromhex("2601aabbccdd"), "H265"),
        (bytes.fromhex("0201d0aabb"), "H265"),
        (bytes.fromhex("4e01051a"), "H265"),
        (bytes.fromhex("10") + bytes.fromhex("70d2009d012a80016801"), "VP8"),
        (bytes.fromhex("90808070d2009d012a80016801"), "VP8"),
        (bytes.fromhex("8b80010a") + bytes.fromhex("824983420000f0"), "VP9"),
        (bytes.fromhex("280c08000000043cfeccdaf9004030aabb"), "AV1"),
        (bytes.fromhex("280d0a0b000000043cfeccdaf9004030aabb"), "AV1"),
        (bytes.fromhex("08050800000004ff"), ""),
        (bytes.fromhex("180a0b00000024"), ""),
    ],
)
def test_one_packet_is_enough_where_form_is_no_chance(payload: bytes, encoding: str) -> None:
    assert told([payload]) == encoding


@pytest.mark.parametrize("first", ["419a", "61e0", "659a", "219a", "019a", "6588", "4588"])
def test_slices_of_h264_are_never_h265(first: str) -> None:
    """``41 9A`` read as H.265 is a parameter set of layer 51."""
    slices = [bytes.fromhex(first) + bytes([number]) * 20 for number in range(20)]
    assert told(slices[:1]) == ""
    assert told(slices) == "H264"


def test_fragments_of_h264_are_told() -> None:
    detector = Detector(96)
    found = None
    for number in range(30):
        head = 0x85 if number % 10 == 0 else 0x05
        payload = memoryview(bytes([0x7C, head]) + bytes(100))
        packet = RtpPacket(96, False, number, number // 10 * 3600, 1, payload)
        found = found or detector.look(packet, number / 250)
    assert found is not None
    assert found.encoding == "H264"


@pytest.mark.parametrize("first", [b"\x06\x05", b"\x06\x01", b"\x08\x03", b"\x0c\x02"])
def test_what_both_may_begin_with_tells_nothing(first: bytes) -> None:
    assert told([first + b"\xaa" * 20] * 30) == ""


def aac(sizes: list[int], first: int) -> bytes:
    head = (16 * len(sizes)).to_bytes(2, "big")
    head += b"".join((size << 3).to_bytes(2, "big") for size in sizes)
    return head + b"".join(bytes([first]) + bytes(size - 1) for size in sizes)


@pytest.mark.parametrize("rate", [48_000, 44_100, 32_000, 22_050, 16_000])
@pytest.mark.parametrize(("first", "channels"), [(0x21, 2), (0x01, 1)])
def test_aac_is_told_with_its_rate(rate: int, first: int, channels: int) -> None:
    frames = [aac([90 + number % 7, 80], first) for number in range(300)]
    found = feed(frames, step=2048, interval=2048 / rate)
    assert found is not None
    assert (found.encoding, found.clock_rate, found.channels) == (
        *("MPEG4-GENERIC", rate),
        channels,
    )
    assert found.codec is Codec.AAC
    track: Track = track_of(found, 0)
    assert (track.sample_rate, track.channels) == (rate, channels)


def test_aac_of_an_unknown_rate_is_not_told() -> None:
    frames = [aac([90], 0x21) for number in range(300)]
    assert told(frames, step=1024, interval=1024 / 60_000) == ""


@pytest.mark.parametrize("step", [480, 960, 2880])
def test_opus_shows_by_its_clock(step: int) -> None:
    generator = random.Random(step)
    packets = [bytes([0x78]) + generator.randbytes(80 + number % 20) for number in range(60)]
    assert told(packets, step=step, interval=step / 48_000) == "OPUS"


def test_sound_of_another_clock_is_not_told() -> None:
    packets = [b"\x78" + bytes(160) for number in range(60)]
    assert told(packets, step=160, interval=0.02) == ""


def test_noise_is_not_told() -> None:
    generator = random.Random(5)
    for _ in range(20):
        packets = [b"\xff" + generator.randbytes(100) for _ in range(20)]
        assert told(packets) == ""
    assert told([b"", b"\x41", b"\x47"]) == ""


def test_sizes_have_to_add_up() -> None:
    assert adds_up(memoryview(b"\x78\0\1a\0\2bc"), 1)
    assert not adds_up(memoryview(b"\x78\0\1a\0\3bc"), 1)
    assert not adds_up(memoryview(b"\x78\0\0\0\1a"), 1)
    assert not adds_up(memoryview(b"\x78\0"), 1)
    assert is_aac(memoryview(aac([10], 0)))
    assert not is_aac(memoryview(aac([10], 0) + b"x"))
    assert not is_aac(memoryview(b"\0\x08\0\x08x"))
    assert not is_aac(memoryview(b"\0\x10"))


@pytest.mark.parametrize("seed", range(5))
def test_nothing_escapes_from_hostile_payloads(seed: int) -> None:
    generator = random.Random(seed)
    heads = [b"\x47", b"\x78", b"\x60\x01", b"\x18\x80\x80", b"\x10\x9d\x01\x2a", b"\0\x10", b""]
    for kind in range(96, 128):
        detector = Detector(kind)
        for number in range(60):
            payload = generator.choice(heads) + generator.randbytes(generator.randrange(12))
            packet = RtpPacket(
                kind, False, number, generator.randrange(1 << 32), 1, memoryview(payload)
            )
            detector.look(packet, number / 50)
