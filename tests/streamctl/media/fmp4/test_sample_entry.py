"""Codecs and configurations of sample entries."""

from __future__ import annotations

import pytest

from streamctl.errors import RemoteProtocolError
from streamctl.media.fmp4.box import boxes
from streamctl.media.fmp4.sample_entry import Entry, parse_entry
from streamctl.media.opus import OpusHead
from streamctl.media.packet import Codec
from tests.streamctl.media.fmp4.files import box, esds, full, picture_entry, sound_entry, u
from tests.streamctl.media.fmp4.records import ASC, AVCC


def parsed(data: bytes) -> Entry:
    return parse_entry(data, next(boxes(data)))


@pytest.mark.parametrize(
    ("kind", "name", "codec"),
    [
        ("avc1", "avcC", Codec.H264),
        ("avc3", "avcC", Codec.H264),
        ("hvc1", "hvcC", Codec.HEVC),
        ("hev1", "hvcC", Codec.HEVC),
        ("av01", "av1C", Codec.AV1),
        ("vp09", "vpcC", Codec.VP9),
    ],
)
def test_pictures(kind: str, name: str, codec: Codec) -> None:
    found = parsed(picture_entry(kind, box(name, b"record"), width=640, height=360))
    assert found == Entry(kind, codec, b"record", 640, 360)


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("flags", [0, 0x80, 0x40, 0x20, 0xE0])
def test_aac_stands_behind_descriptors(version: int, flags: int) -> None:
    found = parsed(sound_entry("mp4a", esds(flags=flags), version=version))
    assert found == Entry("mp4a", Codec.AAC, ASC, sample_rate=48_000, channels=2)


def test_aac_of_quicktime_stands_in_a_box_of_its_own() -> None:
    found = parsed(sound_entry("mp4a", box("wave", box("frma", b"mp4a"), esds()), version=1))
    assert found.record == ASC


@pytest.mark.parametrize(
    ("kind", "codec"),
    [(0x6B, Codec.MP3), (0x69, Codec.MP3), (0xA5, Codec.AC3), (0xA6, Codec.EAC3), (0x20, None)],
)
def test_descriptors_name_other_codecs_too(kind: int, codec: Codec | None) -> None:
    found = parsed(sound_entry("mp4a", esds(b"", kind)))
    assert (found.codec, found.record) == (codec, b"")


def test_opus_has_the_other_byte_order() -> None:
    record = b"\0\2" + u(312, 2) + u(48_000) + u(0, 2) + b"\0"
    found = parsed(sound_entry("Opus", box("dOps", record)))
    assert found.codec is Codec.OPUS
    assert OpusHead.parse(found.record) == OpusHead(2, 312, 0, b"")


def test_flac_and_dolby() -> None:
    info = b"\x80\0\0\x22" + bytes(34)
    assert parsed(sound_entry("fLaC", full("dfLa", 0, 0, info))).record == info
    assert parsed(sound_entry("ac-3", box("dac3", b"abc"))).codec is Codec.AC3
    assert parsed(sound_entry("ec-3", box("dec3", b"abc"))).codec is Codec.EAC3


def test_what_can_not_be_read_is_named() -> None:
    assert parsed(box("encv", b"")) == Entry("encv", None, encrypted=True)
    assert parsed(box("stpp", b"")) == Entry("stpp", None)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (picture_entry("avc1", box("pasp", b"")), "has no `avcC`"),
        (sound_entry("mp4a", box("chan", b"")), "has no `esds`"),
        (box("avc1", AVCC), "inside a field"),
        (box("mp4a", bytes(9)), "inside a field"),
        (sound_entry("mp4a", full("esds", 0, 0, b"\x03\x81\x01")), "inside a field"),
        (sound_entry("mp4a", full("esds", 0, 0, b"\x06\x01\x00")), "inside a field"),
        (sound_entry("mp4a", esds(b"")), "inside a field"),
        (sound_entry("Opus", box("dOps", b"\0\2")), "inside a field"),
    ],
)
def test_damage_is_said(data: bytes, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        parsed(data)
