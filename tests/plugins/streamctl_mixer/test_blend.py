from __future__ import annotations

import random

import pytest

from streamctl.media.packet import TIMESCALE, Kind, Packet
from streamctl_mixer.blend import Blend, Lead

FRAME = 3600
SOUND = 1920


def picture(time: int, *, key: bool = False) -> Packet:
    return Packet(7, time, time, Kind.KEY if key else Kind.P, 0, b"v", FRAME)


def sound(time: int, track: int = 3) -> Packet:
    return Packet(track, time, time, Kind.AUDIO, 0, b"a", SOUND)


class World:
    """Two streams with clocks of their own, mixed as they arrive."""

    def __init__(
        self, pictures: float = 1.0, sounds: float = 1.0, jitter_s: float = 0.0, coarse: int = 1
    ) -> None:
        self.speeds = pictures, sounds
        self.frame, self.unit = coarse * FRAME, coarse * SOUND
        """Hours pass sooner in large steps."""
        self.jitter_s = jitter_s
        self.random = random.Random(1)
        self.blend = Blend()
        self.worst = 0.0
        """The furthest that pictures and sound of one moment were apart, seconds."""
        self.last = -1
        self.picture_at = 0.0

    def run(self, start_s: float, end_s: float, settle_s: float = 0.0) -> None:
        """Deliver what the two clocks make in a span of true time."""
        video = int(start_s * self.speeds[0] * TIMESCALE / self.frame)
        audio = int(start_s * self.speeds[1] * TIMESCALE / self.unit)
        while True:
            video_s = video * self.frame / TIMESCALE / self.speeds[0]
            audio_s = audio * self.unit / TIMESCALE / self.speeds[1]
            made_s = min(video_s, audio_s)
            if made_s >= end_s:
                return
            now = made_s + self.random.random() * self.jitter_s
            if video_s <= audio_s:
                [out] = self.blend.video([picture(video * self.frame)], now)
                self.picture_at = out.dts / TIMESCALE - made_s
                video += 1
                continue
            for out in self.blend.audio([sound(audio * self.unit + 500_000)], now, {3: 1}):
                assert out.dts > self.last
                self.last = out.dts
                if made_s >= start_s + settle_s:
                    skew = out.dts / TIMESCALE - made_s - self.picture_at
                    self.worst = max(self.worst, abs(skew))
            audio += 1


@pytest.mark.parametrize(("pictures", "sounds"), [(1.0, 1.0002), (1.0002, 1.0)])
def test_stays_together_over_two_hours_of_drift(pictures: float, sounds: float) -> None:
    world = World(pictures, sounds, jitter_s=0.02, coarse=4)
    world.run(0, 7200)
    assert world.worst <= 0.1
    assert world.blend.jumps == 0
    assert world.blend.dropped == 0


@pytest.mark.parametrize(
    ("pictures", "sounds"), [(1.0, 1.16), (1.16, 1.0), (1.0, 1 / 1.16), (1 / 1.16, 1.0)]
)
def test_stays_together_with_a_clock_that_runs_away(pictures: float, sounds: float) -> None:
    world = World(pictures, sounds, jitter_s=0.02)
    world.run(0, 300)
    assert world.worst <= 0.2
    assert world.blend.jumps == 0


def test_a_jump_of_one_stream_is_followed_at_once() -> None:
    world = World()
    world.run(0, 10)
    blend, now = world.blend, 10.0
    blend.video([picture(900_000)], now)
    [out] = blend.audio([sound(900_000 + 500_000 + 450_000)], now, {3: 1})
    assert abs(out.dts - 900_000) < 0.1 * TIMESCALE
    assert blend.jumps == 1
    assert blend.audio([sound(900_000 + 500_000)], now, {3: 1}) == []
    assert blend.dropped == 1


def test_what_a_join_brings_of_the_past_keeps_its_place() -> None:
    blend = Blend()
    shown = blend.video([picture(n * FRAME, key=not n) for n in range(50)], 100.0)
    assert [packet.dts for packet in shown] == [n * FRAME for n in range(50)]
    assert {packet.track for packet in shown} == {0}
    heard = blend.audio([sound(n * SOUND) for n in range(200)], 100.0, {3: 1})
    assert abs(heard[-1].dts - shown[-1].dts) <= 1
    assert heard[0].dts >= shown[0].pts
    assert blend.dropped > 0


def test_sound_before_the_first_picture_is_left_out() -> None:
    blend = Blend()
    assert blend.audio([sound(0)], 0.0, {3: 1}) == []
    assert blend.dropped == 1
    assert blend.video([], 0.0) == []


def test_other_tracks_are_left_out_and_further_ones_renumbered() -> None:
    blend = Blend()
    blend.video([picture(0, key=True)], 0.0)
    out = blend.audio([sound(9), sound(9, 4), sound(9, 9)], 0.0, {3: 1, 4: 2})
    assert [packet.track for packet in out] == [1, 2]


def test_packets_are_of_their_own() -> None:
    blend, mine = Blend(), picture(5, key=True)
    [out] = blend.video([mine], 0.0)
    assert out is not mine
    assert out.data is mine.data
    assert mine.track == 7


def test_a_new_run_of_the_sound_is_placed_anew() -> None:
    world = World()
    world.run(0, 5)
    world.blend.renew_sound()
    world.blend.video([picture(450_000)], 5.0)
    [out] = world.blend.audio([sound(77)], 5.0, {3: 1})
    assert abs(out.dts - 450_000) <= FRAME
    assert world.blend.jumps == 0


@pytest.mark.parametrize("every_s", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("of_sound", [True, False])
def test_media_that_comes_in_bursts_is_placed_by_their_ends(every_s: float, of_sound: bool) -> None:
    blend, worst = Blend(), 0.0
    made = [(n * FRAME / TIMESCALE, picture(n * FRAME)) for n in range(1500)]
    made += [(n * SOUND / TIMESCALE, sound(n * SOUND)) for n in range(2812)]
    arrivals = []
    for made_s, packet in made:
        into = made_s % every_s
        late = (packet.kind is Kind.AUDIO) is of_sound
        arrivals.append((made_s - into * 0.9 + every_s if late else made_s, made_s, packet))
    for now, made_s, packet in sorted(arrivals, key=lambda one: one[0]):
        if packet.kind is not Kind.AUDIO:
            blend.video([packet], now)
        else:
            for out in blend.audio([packet], now, {3: 1}):
                skew = out.dts / TIMESCALE - made_s
                worst = max(worst, abs(skew)) if made_s > 20 else worst
    assert worst <= 0.2 * every_s + 0.05
    assert blend.jumps <= 1


def test_a_lead_is_the_most_of_a_moment() -> None:
    lead = Lead()
    assert not lead.known
    lead.note([picture(900)], 0.0)
    for n in range(1, 8):
        lead.note([picture(900)], n / 16)
        assert lead.value == 900
    lead.note([picture(900)], 0.5)
    assert lead.value == 900 - 0.25 * TIMESCALE


def test_moments_are_as_long_as_bursts_are_apart_and_no_longer() -> None:
    lead = Lead()
    lead.note([picture(0)], 0.0)
    lead.note([picture(0)], 1.0)
    for n in range(1, 15):
        lead.note([picture(0)], 1 + n / 10)
        assert lead.value >= -TIMESCALE
    for n in range(200):
        lead.note([picture(0)], 2.5 + n / 10)
    assert lead.value == pytest.approx(-22.2 * TIMESCALE, abs=0.9 * TIMESCALE)
