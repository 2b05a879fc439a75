from __future__ import annotations

from dataclasses import replace

import pytest

from streamctl.media.rtp.depacketise import MAX_FRAME_BYTES
from streamctl.media.rtp.formats import RtpFormat, track_of
from streamctl.media.rtp.latm import LatmDepacketiser
from tests.streamctl.media.rtp.packets import feed, frames, run

CONFIG = "40002320adca00"
"""Of GStreamer: 48 kHz stereo, without SBR, the end left out."""
RTP = RtpFormat(97, "MP4A-LATM", 48_000, 1, {"cpresent": "0", "config": CONFIG})
FRAME = b"\x21\x10" + bytes(range(100))
LONG = b"\x21\x10" + bytes(300)


def depacketiser(rtp: RtpFormat = RTP) -> LatmDepacketiser:
    return LatmDepacketiser(rtp, track_of(rtp, 0))


def element(frame: bytes) -> bytes:
    return b"\xff" * (len(frame) // 255) + bytes((len(frame) % 255,)) + frame


def in_band(frame: bytes, config: str = "") -> bytes:
    """An element that says whether it brings a configuration."""
    bits = ("0" + config) if config else "1"
    bits += "".join(f"{byte:08b}" for byte in element(frame))
    return (int(bits, 2) << -len(bits) % 8).to_bytes((len(bits) + 7) // 8, "big")


def mux(rate: int, frames: int = 1) -> str:
    """The bits of a configuration, stereo."""
    return (
        "01"
        + f"{frames - 1:06b}"
        + "0000"
        + "000"
        + f"00010{rate:04b}0010000"
        + "000"
        + "00000000"
        + "00"
    )


def test_elements_are_frames_behind_their_lengths() -> None:
    subject = depacketiser()
    units = feed(subject, frames([element(FRAME)], [element(LONG)], step=1024))
    assert [unit.data for unit in units] == [FRAME, LONG]
    assert [unit.timestamp for unit in units] == [0, 1024]
    assert (subject.track.sample_rate, subject.track.channels) == (48_000, 2)


def test_an_element_may_be_spread_over_packets() -> None:
    data = element(LONG)
    units = feed(depacketiser(), frames([data[:100], data[100:]], [element(FRAME)]))
    assert [unit.data for unit in units] == [LONG, FRAME]


@pytest.mark.parametrize("fmtp", [{}, {"cpresent": "1"}, {"config": "zz"}])
def test_a_configuration_may_come_in_band(fmtp: dict[str, str]) -> None:
    subject = depacketiser(replace(RTP, fmtp=fmtp))
    assert subject.track.config is None
    units = feed(
        subject,
        frames(
            [in_band(FRAME)], [in_band(FRAME, mux(3))], [in_band(LONG)], [in_band(LONG, mux(4))]
        ),
    )
    assert [unit.data for unit in units] == [FRAME, LONG, LONG]
    assert [unit.config and unit.config.hex() for unit in units] == ["1190", None, "1210"]
    assert subject.track.sample_rate == 44_100


def test_whoever_forgets_to_say_where_the_configuration_is_means_the_session() -> None:
    units = feed(depacketiser(replace(RTP, fmtp={"config": CONFIG})), frames([element(FRAME)]))
    assert [unit.data for unit in units] == [FRAME]


def test_frames_of_one_element_follow_each_other() -> None:
    two = f"{int(mux(3, 2), 2) << 4:012x}"
    subject = depacketiser(replace(RTP, clock_rate=90_000, fmtp={"cpresent": "0", "config": two}))
    units = feed(subject, frames([element(FRAME) + element(LONG)]))
    assert [(unit.timestamp, unit.data) for unit in units] == [(0, FRAME), (1920, LONG)]


@pytest.mark.parametrize("payload", [element(FRAME)[:-1], b"\xff", b"\xff\xff\xff"])
def test_what_is_malformed_costs_its_frame_alone(payload: bytes) -> None:
    subject = depacketiser()
    units = feed(subject, frames([element(FRAME)], [payload], [element(LONG)]))
    assert [unit.data for unit in units] == [FRAME, LONG]
    assert subject.damaged_units == 1


def test_a_lost_part_costs_its_frame() -> None:
    subject = depacketiser()
    data = element(LONG)
    packets = frames([element(FRAME)], [data[:100], data[100:200], data[200:]], [element(FRAME)])
    del packets[2]
    assert [unit.data for unit in feed(subject, packets)] == [FRAME, FRAME]
    assert subject.damaged_units == 1


def test_elements_have_a_limit() -> None:
    subject = depacketiser()
    assert feed(subject, run([bytes(1000)] * (MAX_FRAME_BYTES // 1000 + 1))) == []
    assert subject.damaged_units == 1
