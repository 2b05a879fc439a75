from __future__ import annotations

import pytest

from streamctl.media.mpegts.sets import SetWatch, parameter_sets
from streamctl.media.packet import Codec

START = b"\0\0\1"
DELIMITER, SPS, PPS, SEI = b"\x09\xf0", b"\x67\x64\0\x1f", b"\x68\xee", b"\x06\x05"


def stream(*units: bytes) -> bytes:
    return b"".join(START + unit for unit in units)


@pytest.mark.parametrize(
    ("codec", "data", "found"),
    [
        (Codec.H264, stream(DELIMITER, SPS, PPS, SEI), stream(SPS, PPS)),
        (Codec.H264, stream(DELIMITER, SPS, PPS), stream(SPS)),
        (Codec.H264, stream(DELIMITER, b"\x41\x9a", b"\x41\x9b"), b""),
        (Codec.HEVC, stream(b"\x40\x01v", b"\x42\x01s", b"\x44\x01p", b"\x26\x01"), None),
        (Codec.HEVC, stream(b"\x02\x01a", b"\x02\x01b"), b""),
        (Codec.MPEG2, stream(b"\xb3seq", b"\xb5ext", b"\xb8gop"), stream(b"\xb3seq")),
        (Codec.AAC, stream(SPS, PPS, SEI), b""),
        (None, stream(SPS, PPS, SEI), b""),
    ],
)
def test_only_whole_sets_count(codec: Codec | None, data: bytes, found: bytes | None) -> None:
    wanted = data[: data.rindex(START)] if found is None else found
    assert parameter_sets(codec, data) == wanted


def test_sets_that_change_are_noticed_once() -> None:
    watch = SetWatch()
    small, large, hidden = stream(SPS, PPS, SEI), stream(SPS + b"\x28", PPS, SEI), stream(SEI, SEI)
    seen = [hidden, small, small, hidden, small, large, hidden, large, small]
    found = [watch.changed(Codec.H264, data) for data in seen]
    assert [at for at, changed in enumerate(found) if changed] == [5, 8]
