"""What segments hold."""

from __future__ import annotations

import pytest

from streamctl.errors import MediaError
from streamctl_hls.feed import Loaded
from streamctl_hls.sniff import Kind, sniff
from streamctl_hls.wire.follow import Piece

PIECE = Piece(None, 0, 2.0, None, None)


@pytest.mark.parametrize(
    ("data", "section", "kind"),
    [
        (b"\x47" + bytes(187), b"", Kind.TS),
        (bytes(4) + b"\x47" + bytes(187), b"", Kind.TS),
        (b"\0\0\0\x18styp", b"", Kind.FMP4),
        (b"\0\0\0\x18xyzw", b"init", Kind.FMP4),
        (b"ID3\x04", b"", Kind.SOUND),
        (b"\xff\xf1\x50\x80", b"", Kind.SOUND),
        (b"\xff\xfb\x90\x00", b"", Kind.SOUND),
        (b"\x0b\x77\x00", b"", Kind.SOUND),
    ],
)
def test_the_first_bytes_tell(data: bytes, section: bytes, kind: Kind) -> None:
    assert sniff(Loaded(PIECE, data, section)) is kind


@pytest.mark.parametrize("data", [b"WEBVTT\n", b"  <tt xml>", b"{}", bytes(500), b"\xff"])
def test_what_is_no_media_is_refused(data: bytes) -> None:
    with pytest.raises(MediaError, match="the segments are") as caught:
        sniff(Loaded(PIECE, data, b""))
    assert caught.value.permanent
