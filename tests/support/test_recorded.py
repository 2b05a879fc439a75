"""How much media a recording holds."""

from __future__ import annotations

import pytest

from tests.support.recorded import clock_span


def packet(seconds: float | None) -> bytes:
    if seconds is None:
        return b"\x47\x01\x00\x10".ljust(188, b"m")
    base = round(seconds * 90_000) << 7
    return (b"\x47\x01\x00\x30\x07\x10" + base.to_bytes(5)).ljust(188, b"m")


@pytest.mark.parametrize(
    ("times", "span"),
    [
        ([], 0.0),
        ([None, None], 0.0),
        ([None, 3.0, None], 0.0),
        ([None, 3.0, None, 5.0, 7.5, None], 4.5),
    ],
)
def test_clocks_tell_how_much_there_is(times: list[float | None], span: float) -> None:
    data = b"".join(map(packet, times))
    assert clock_span(data) == pytest.approx(span)
    assert clock_span(data + packet(9.0)[:100]) == pytest.approx(span)
