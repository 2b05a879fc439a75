from __future__ import annotations

import pytest

from streamctl.media.packet import Codec, Kind
from streamctl.media.rtp.packetise import MAX_PAYLOAD, MIN_PAYLOAD, pack_parts
from streamctl.media.rtp.sound import WholePacketiser
from tests.streamctl.media.rtp.packets import packet, track


@pytest.mark.parametrize(
    ("size", "heads"), [(0, ""), (1, "F"), (9, "F"), (10, "FL"), (18, "FL"), (19, "FML")]
)
def test_the_first_part_and_the_last_are_marked(size: int, heads: str) -> None:
    data = bytes(range(size))
    parts = pack_parts(data, 10, b"F", b"M", b"L")
    assert "".join(chr(part[0]) for part in parts) == heads
    assert b"".join(part[1:] for part in parts) == data


def test_limits_are_never_too_small_for_headers() -> None:
    assert WholePacketiser(track(Codec.OPUS), 1).limit == MIN_PAYLOAD
    assert WholePacketiser(track(Codec.OPUS), MAX_PAYLOAD).limit == MAX_PAYLOAD
    assert WholePacketiser(track(Codec.OPUS), 1).pack(packet(b"", Kind.AUDIO)) == []
