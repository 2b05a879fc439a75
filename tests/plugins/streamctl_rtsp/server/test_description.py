"""What players are told of a stream."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamctl.media import sdp
from streamctl.media.packet import Init, Track
from streamctl.media.rtp.announced import described
from streamctl_rtsp.server.description import describe
from tests.plugins.streamctl_rtmp.world import AUDIO, VIDEO


def init(*tracks: Track) -> Init:
    return Init(1, 1, tracks)


@pytest.mark.parametrize(("host", "anywhere"), [("", "0.0.0.0"), ("::1", "::")])
def test_the_description_is_one(host: str, anywhere: str) -> None:
    tracks = described(init(replace(VIDEO, bitrate=2_500_000), AUDIO))
    found = sdp.parse(describe(tracks, "news", host, 1))
    assert (found.name, found.connection, found.control) == ("news", anywhere, "*")
    assert found.attribute("range") == "npt=now-"
    video, audio = found.media
    assert (video.kind, video.control, video.bandwidth_kbps) == ("video", "trackID=0", 2500)
    assert (audio.kind, audio.control, audio.payload_types) == ("audio", "trackID=1", (97,))
