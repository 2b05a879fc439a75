from __future__ import annotations

from streamctl.media.packet import Codec
from streamctl.media.rtp.formats import RtpFormat
from streamctl.media.rtp.vp8 import Vp8Depacketiser
from tests.streamctl.media.rtp.packets import end, feed, frames, run, track

RTP = RtpFormat(96, "VP8", 90_000)
INTER = b"\x10\xb1" + bytes(40)
REST = b"\0" + bytes(9)


def depacketiser_of_vp8() -> Vp8Depacketiser:
    return Vp8Depacketiser(RTP, track(Codec.VP8, None))


def test_another_timestamp_ends_a_frame_without_a_marker() -> None:
    subject = depacketiser_of_vp8()
    assert subject.feed(run([INTER], marked=False)[0]) == []
    assert [unit.timestamp for unit in end(subject)] == [0]
    assert end(subject) == []


def test_whoever_goes_back_in_time_is_followed() -> None:
    subject = depacketiser_of_vp8()
    packets = run([INTER], 3600) + run([INTER], 0, 1) + run([INTER], 0xFFFFFFFF, 2)
    assert [unit.timestamp for unit in feed(subject, packets)] == [3600, 0, -1]


def test_a_torn_frame_goes_on_being_torn() -> None:
    subject = depacketiser_of_vp8()
    packets = frames([INTER, REST, REST, REST], [INTER])
    del packets[1]
    assert [unit.timestamp for unit in feed(subject, packets)] == [3600]
    assert subject.damaged_units == 1


def test_a_loss_between_frames_costs_nothing() -> None:
    subject = depacketiser_of_vp8()
    packets = run([INTER], 0) + run([INTER], 3600, 5)
    assert [unit.timestamp for unit in feed(subject, packets)] == [0, 3600]
    assert subject.damaged_units == 0
