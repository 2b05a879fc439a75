"""Boxes and their fields."""

from __future__ import annotations

import pytest

from streamctl.errors import RemoteProtocolError
from streamctl.media.fmp4 import box as module
from streamctl.media.fmp4.box import Fields, boxes, child, needed, printable
from tests.streamctl.media.fmp4.files import box, full, u


def test_boxes_follow_one_another() -> None:
    data = box("free", b"abc") + box("moov", box("mvhd", b"x"))
    first, second = boxes(data)
    assert (first.kind, data[first.start : first.end]) == (b"free", b"abc")
    assert child(data, second, b"mvhd") is not None
    assert child(data, second, b"trak") is None
    assert needed(data, second, b"mvhd").kind == b"mvhd"
    with pytest.raises(RemoteProtocolError, match="no box `trak`"):
        needed(data, second, b"trak")


def test_sizes_may_be_long_or_left_open() -> None:
    long = u(1) + b"wide" + u(18, 8) + b"ab"
    found = list(boxes(long + u(0) + b"mdatrest"))
    assert [(each.kind, each.end - each.start) for each in found] == [(b"wide", 2), (b"mdat", 4)]


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0",
        u(7) + b"tiny",
        u(100) + b"long",
        u(1) + b"wide",
        u(1) + b"wide" + u(15, 8),
        u(1) + b"wide" + u(1 << 63, 8),
        u(16) + b"\0\1\2\3" + b"12345678" + u(9),
    ],
)
def test_what_is_cut_off_is_said(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="is cut off"):
        list(boxes(data))


def test_there_are_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BOXES", 3)
    assert len(list(boxes(box("free") * 2))) == 2
    with pytest.raises(RemoteProtocolError, match="too many boxes"):
        list(boxes(box("free") * 4))


def test_fields_are_read_in_order_and_end_with_their_box() -> None:
    data = full("test", 1, 0x20304, u(5, 2), u(-6), b"left")
    fields = Fields.of(data, next(boxes(data)))
    assert fields.full() == (1, 0x20304)
    assert fields.number(2) == 5
    assert fields.signed(4) == -6
    fields.skip(4)
    with pytest.raises(RemoteProtocolError, match="inside a field"):
        fields.number(1)


def test_kinds_are_shown_as_they_can_be() -> None:
    assert printable(b"moov") == "moov"
    assert printable(b"\xa9nam") == "©nam"
    assert printable(b"\0\1\2\3") == "00010203"
