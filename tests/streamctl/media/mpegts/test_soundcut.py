from __future__ import annotations

from fractions import Fraction

import pytest

from streamctl.media import aac
from streamctl.media.mpegts.assemble import Pes, PesAssembler
from streamctl.media.mpegts.packet import PacketWriter
from streamctl.media.mpegts.pes import PesHeader
from streamctl.media.mpegts.soundcut import SLACK, frame_length, sound_frames, sound_pes
from streamctl.media.packet import Codec

CONFIG = aac.AacConfig(2, 48_000, 2)
RAW = b"\x21" + bytes(99)
FRAME = aac.adts_header(CONFIG, len(RAW)) + RAW
LENGTH = 1920
"""Of 1024 samples."""
MP2 = bytes.fromhex("fffc8400") + bytes(380)
"""Layer II, 128 kbit/s at 48 kHz: 1152 samples."""


def pes(payload: bytes, *, torn: bool = False) -> Pes:
    return Pes(PesHeader(0xC0, len(payload), 14, 1000, 1000), payload, torn)


def test_frames_are_found_by_their_headers() -> None:
    found = sound_frames(Codec.AAC, pes(FRAME * 3))
    assert found is not None
    size = len(FRAME)
    assert found.starts == (0, size, 2 * size, 3 * size)
    assert found.length == LENGTH
    assert found.end(1000) == 1000 + 3 * LENGTH


def test_the_rest_of_a_frame_that_began_before_is_none_that_begins_here() -> None:
    found = sound_frames(Codec.AAC, pes(RAW[50:] + FRAME * 2))
    assert found is not None
    assert found.starts[0] == 50
    assert found.end(1000) == 1000 + 2 * LENGTH
    assert found.since(1000, 0) == (1000, FRAME * 2)


@pytest.mark.parametrize(
    ("wanted", "first"),
    [
        (0, 0),
        (1000, 0),
        (1000 + SLACK, 0),
        (1001 + SLACK, 1),
        (1000 + LENGTH, 1),
        (1000 + 2 * LENGTH, 2),
        (1000 + 3 * LENGTH, 3),
    ],
)
def test_what_is_wanted_begins_with_a_frame(wanted: int, first: int) -> None:
    begun = FRAME[:20]
    found = sound_frames(Codec.AAC, pes(FRAME * 3 + begun))
    assert found is not None
    assert found.since(1000, wanted) == (1000 + first * LENGTH, FRAME * (3 - first) + begun)


def test_nothing_is_wanted_of_what_is_over() -> None:
    whole, begun = (sound_frames(Codec.AAC, pes(FRAME * 2 + more)) for more in (b"", FRAME[:20]))
    assert whole is not None
    assert begun is not None
    assert whole.since(1000, 1000 + 2 * LENGTH) is None
    assert begun.since(1000, 1000 + 2 * LENGTH) == (1000 + 2 * LENGTH, FRAME[:20])
    assert begun.since(1000, 1000 + 3 * LENGTH) is None


def test_what_is_torn_ends_with_its_last_whole_frame() -> None:
    found = sound_frames(Codec.AAC, pes(FRAME * 2 + FRAME[:20], torn=True))
    assert found is not None
    assert found.payload == FRAME * 2
    assert found.since(1000, 1000 + 2 * LENGTH) is None


def test_the_frames_tell_the_codec_if_the_program_map_is_wrong() -> None:
    found = sound_frames(Codec.AAC, pes(MP2 * 2))
    assert found is not None
    assert found.length == Fraction(1152 * 90, 48)


@pytest.mark.parametrize(
    ("codec", "payload"),
    [
        (Codec.AAC, b""),
        (Codec.AAC, bytes(300)),
        (Codec.AAC, FRAME[:50]),
        (Codec.AAC, FRAME * 2 + bytes(60) + FRAME * 2),
        (Codec.OPUS, FRAME * 2),
    ],
)
def test_what_cannot_be_told_apart_is_not_cut(codec: Codec, payload: bytes) -> None:
    assert sound_frames(codec, pes(payload)) is None


def test_a_frame_that_cannot_be_read_has_no_length() -> None:
    several = aac.adts_header(CONFIG, len(RAW))[:6] + b"\x01" + RAW
    assert frame_length(Codec.AAC, several) is None
    assert frame_length(Codec.MP2, bytes(4)) is None


def test_frames_are_written_as_a_packet_of_their_own() -> None:
    packets = PacketWriter(0x101).unit(sound_pes(0xBD, 90_000, FRAME * 2))
    found: list[Pes] = []
    assembler = PesAssembler()
    for at in range(0, len(packets), 188):
        assembler.packet(packets[at : at + 188], found)
    assert [one.payload for one in found] == [FRAME * 2]
    assert (found[0].header.stream_id, found[0].header.pts) == (0xBD, 90_000)
