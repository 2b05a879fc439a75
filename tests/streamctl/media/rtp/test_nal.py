from __future__ import annotations

import pytest

from streamctl.media.rtp.nal import pack_fragments


@pytest.mark.parametrize(
    ("size", "flags"),
    [(10, [0x81, 0x41]), (17, [0x81, 0x41]), (18, [0x81, 0x01, 0x41])],
)
def test_parts_say_where_a_unit_begins_and_ends(size: int, flags: list[int]) -> None:
    unit = bytes(range(size))
    parts = pack_fragments(memoryview(unit), b"\x7c", 1, 1, 10)
    assert [part[0] for part in parts] == [0x7C] * len(flags)
    assert [part[1] for part in parts] == flags
    assert b"".join(part[2:] for part in parts) == unit[1:]
    assert max(map(len, parts)) <= 10
