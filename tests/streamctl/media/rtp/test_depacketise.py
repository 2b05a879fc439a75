from __future__ import annotations

from streamctl.media.packet import Codec, Kind
from streamctl.media.rtp.depacketise import Unit
from streamctl.media.rtp.formats import RtpFormat
from streamctl.media.rtp.payloads import depacketiser
from streamctl.media.rtp.vp8 import Vp8Depacketiser
from tests.streamctl.media.rtp.packets import feed, frames, run, track

RTP = RtpFormat(96, "VP8", 90_000)
INTER = b"\x10\xb1" + bytes(40)
REST = b"\0" + bytes(9)


def depacketiser_of_vp8() -> Vp8Depacketiser:
    return Vp8Depacketiser(RTP, track(Codec.VP8, None))


def test_units_that_stand_alone_are_keys() -> None:
    keys = {kind: Unit(b"", 0, kind).key for kind in Kind}
    assert [kind for kind, key in keys.items() if key] == [Kind.KEY, Kind.AUDIO]


def test_the_last_frame_comes_with_the_flush() -> None:
    subject = depacketiser_of_vp8()
    assert subject.feed(run([INTER], marked=False)[0]) == []
    assert [unit.timestamp for unit in subject.flush()] == [0]
    assert subject.flush() == []


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


def test_sound_without_any_frame_has_no_flush() -> None:
    assert depacketiser(RtpFormat(0, "PCMU", 8000)).flush() == []
