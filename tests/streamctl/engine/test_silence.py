from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from streamctl.engine.silence import PROMISED_S, Silence, promised, stand_in
from streamctl.media import aac
from streamctl.media.packet import TIMESCALE, Codec, Flag, Init, Kind, Packet, Track
from streamctl.media.silence import aac_silence
from tests.streamctl.engine.rig import FRAME, VIDEO, gop
from tests.streamctl.engine.test_epoch import Host

if TYPE_CHECKING:
    from streamctl.engine.epoch import Epoch

RATE = 48_000
CONFIG = aac.AacConfig(2, RATE, 2).serialize()
SOUND = Track(1, Codec.AAC, CONFIG, sample_rate=RATE, channels=2)
SILENT = aac_silence(2)
UNIT = 1920
"""A frame of AAC at that rate, in ticks."""


def second(start: int, *, sound: bool) -> list[Packet]:
    """A second of pictures, perhaps with frames of sound."""
    packets = gop(start, sound=False)
    if sound:
        first = -(-start * FRAME // UNIT)
        last = -(-(start + 25) * FRAME // UNIT)
        packets += [
            Packet(1, at * UNIT, at * UNIT, Kind.AUDIO, 0, b"loud", UNIT)
            for at in range(first, last)
        ]
        packets.sort(key=lambda packet: packet.dts)
    return packets


def heard(host: Host) -> list[Packet]:
    return [packet for packet in host.recorder.packets if packet.kind is Kind.AUDIO]


def assert_gapless(packets: list[Packet], slack: int = 0) -> None:
    for before, after in pairwise(packets):
        assert 0 <= after.dts - before.dts - UNIT <= slack


def test_sound_that_stays_away_is_made_up_and_gives_way_when_it_comes_back() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.tracks([VIDEO, SOUND])
    for number in range(10):
        epoch.put(second(number * 25, sound=not 3 <= number < 7), host.clock.now())
        host.clock.advance(1.0)
    sound = heard(host)
    made = [packet for packet in sound if packet.flags & Flag.SYNTHETIC]
    assert 3 * RATE // 1024 <= len(made) <= 5 * RATE // 1024
    assert {packet.data for packet in made} == {SILENT}
    assert_gapless(sound, slack=UNIT)
    assert sound[-1].data == b"loud"


def test_an_input_without_sound_keeps_the_promise_of_the_one_before() -> None:
    host = Host()
    first = host.epoch()
    first.tracks([VIDEO, SOUND])
    for number in range(3):
        first.put(second(number * 25, sound=True), host.clock.now())
        host.clock.advance(1.0)
    first.end()
    mute = host.epoch("slate")
    mute.tracks([VIDEO])
    for number in range(3):
        mute.put(second(number * 25, sound=False), host.clock.now())
        host.clock.advance(1.0)
    assert mute.init is not None
    assert mute.init.tracks == (VIDEO, SOUND)
    sound = heard(host)
    assert_gapless(sound, slack=UNIT)
    assert {packet.epoch for packet in sound} == {1, 2}
    pictures = [packet for packet in host.recorder.packets if packet.kind is not Kind.AUDIO]
    assert abs(pictures[-1].dts - sound[-1].dts) <= FRAME + UNIT


def behind_sound(host: Host) -> Epoch:
    """An epoch of pictures alone, behind one that had sound."""
    first = host.epoch()
    first.tracks([VIDEO, SOUND])
    first.put(second(0, sound=True), host.clock.now())
    first.end()
    late = host.epoch("late")
    late.tracks([VIDEO])
    return late


def test_sound_that_is_announced_later_takes_the_place_of_silence() -> None:
    host = Host()
    late = behind_sound(host)
    late.put(second(0, sound=False), host.clock.now())
    late.tracks([SOUND])
    host.clock.advance(1.0)
    late.put(second(25, sound=True), host.clock.now())
    assert heard(host)[-1].data == b"loud"


@pytest.mark.parametrize("announced", [SOUND, replace(SOUND, id=2), replace(SOUND, language="de")])
def test_sound_that_is_announced_later_does_not_begin_within_silence(announced: Track) -> None:
    host = Host()
    late = behind_sound(host)
    late.put(second(0, sound=False) + second(25, sound=False), host.clock.now())
    late.tracks([announced])
    # Sound lags behind the pictures, as far as multiplexers let it.
    behind = [one for one in second(25, sound=True) if one.kind is Kind.AUDIO]
    late.put([replace(one, track=announced.id) for one in behind], host.clock.now())
    host.clock.advance(1.0)
    late.put(
        [
            replace(one, track=announced.id) if one.kind is Kind.AUDIO else one
            for one in second(50, sound=True)
        ],
        host.clock.now(),
    )
    assert_gapless(heard(host), slack=UNIT)
    assert heard(host)[-1].data == b"loud"


def test_nothing_is_promised_for_ever_or_to_those_without_pictures() -> None:
    host = Host()
    first = host.epoch()
    first.tracks([VIDEO, SOUND])
    first.put(second(0, sound=True), host.clock.now())
    first.end()
    host.clock.advance(PROMISED_S + 2)
    mute = host.epoch()
    mute.tracks([VIDEO])
    mute.put(second(0, sound=False), host.clock.now())
    assert mute.init is not None
    assert mute.init.tracks == (VIDEO,)
    before = Init(1, 1, (VIDEO, SOUND))
    assert promised(before, [VIDEO]) is SOUND
    assert promised(before, [VIDEO, SOUND]) is None
    assert promised(before, [SOUND]) is None
    assert promised(None, [VIDEO]) is None


@pytest.mark.parametrize(
    "track",
    [
        Track(1, Codec.OPUS, b"x", channels=2),
        Track(1, Codec.AAC, None, channels=2),
        Track(1, Codec.AAC, b"\xff", channels=2),
        Track(1, Codec.AC3, b"x", sample_rate=RATE, channels=2),
    ],
)
def test_nothing_stands_in_for_what_has_no_silence(track: Track) -> None:
    assert stand_in(track, 0.0, own=True) is None


def test_sound_that_is_only_late_is_waited_for() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.tracks([VIDEO, SOUND])
    for number in range(8):
        pictures = second((number + 1) * 25, sound=False)
        loud = [one for one in second(number * 25, sound=True) if one.kind is Kind.AUDIO]
        epoch.put(pictures + loud, host.clock.now())
        host.clock.advance(1.0)
    assert not [packet for packet in heard(host) if packet.flags & Flag.SYNTHETIC]


def test_what_is_only_held_up_is_not_made_up() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.tracks([VIDEO, SOUND])
    epoch.put(second(0, sound=True), host.clock.now())
    host.clock.advance(4.0)
    late = second(25, sound=True)
    epoch.put([one for one in late if one.kind is not Kind.AUDIO][:10], host.clock.now())
    epoch.put([one for one in late if one.kind is Kind.AUDIO], host.clock.now())
    assert {packet.data for packet in heard(host)} == {b"loud"}


def test_silence_is_made_in_bounded_portions() -> None:
    made = stand_in(SOUND, 0.0, own=False)
    assert isinstance(made, Silence)
    host = Host()
    host.timeline.video_end += 3600 * TIMESCALE
    packets = made.tend([], 10.0, host.timeline, {})
    assert 90 <= len(packets) <= 100
