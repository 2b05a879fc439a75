from __future__ import annotations

import pytest

from streamctl.errors import ProtocolError
from streamctl.media.packet import Codec
from streamctl.media.rtp.formats import ENCODINGS, RtpFormat, track_of
from streamctl.media.rtp.payloads import CODECS, DEPACKETISERS, depacketiser, packetiser
from tests.streamctl.media.rtp.packets import AAC, H264, track


@pytest.mark.parametrize("rtp", [H264, AAC])
def test_each_format_has_its_depacketiser(rtp: RtpFormat) -> None:
    subject = depacketiser(rtp, 5)
    assert subject.track == track_of(rtp, 5)
    assert subject.format is rtp


@pytest.mark.parametrize("encoding", ["MP2T", "MPV", "H263-1998", ""])
def test_other_formats_are_refused(encoding: str) -> None:
    with pytest.raises(ProtocolError):
        depacketiser(RtpFormat(96, encoding, 90_000))


def test_every_codec_has_its_packetiser() -> None:
    assert packetiser(track_of(H264, 0), 500).limit == 500
    assert set(DEPACKETISERS) <= set(ENCODINGS)
    assert {Codec.H264, Codec.AAC} <= CODECS


def test_what_rtp_can_not_carry_is_refused() -> None:
    with pytest.raises(ProtocolError):
        packetiser(track(Codec.TELETEXT))
