from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamctl.engine.derived import GraphSettings
from streamctl.engine.epoch import CONFIG_WAIT_S, Epoch, EpochHost
from streamctl.engine.graph import Graph
from streamctl.engine.lane import Bounds
from streamctl.engine.queued import QUEUE_PACKETS
from streamctl.engine.services import TRUNK
from streamctl.engine.timeline import ORIGIN, Timeline
from streamctl.errors import StaleEpoch, Unsupported
from streamctl.media.packet import (
    Boundary,
    Codec,
    Flag,
    Init,
    InitChange,
    Item,
    Kind,
    Packet,
    Track,
)
from streamctl.testing.clock import FakeClock
from tests.streamctl.engine.rig import FRAME, SOUND, VIDEO, gop

if TYPE_CHECKING:
    from collections.abc import Sequence

SECOND_SOUND = Track(2, Codec.MP2, b"b", language="de")


class Recorder:
    """Keeps everything that a lane was ever given."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    def feed(self, items: Sequence[Item]) -> None:
        self.items.extend(items)

    @property
    def inits(self) -> list[Init]:
        return [item.init for item in self.items if isinstance(item, (Boundary, InitChange))]

    @property
    def boundaries(self) -> list[Boundary]:
        return [item for item in self.items if isinstance(item, Boundary)]

    @property
    def packets(self) -> list[Packet]:
        return [item for item in self.items if isinstance(item, Packet)]


def contained(name: str, error: Exception) -> None:
    raise error


@dataclass
class Host:
    """What a stream would be to its epochs."""

    clock: FakeClock = field(default_factory=FakeClock)
    recorder: Recorder = field(default_factory=Recorder)
    begun: list[Init] = field(default_factory=list)
    epochs: int = 0

    def __post_init__(self) -> None:
        self.graph = Graph(
            GraphSettings(Bounds(10.0, 10_000_000), 0.0, 20.0),
            {TRUNK.target: TRUNK},
            self.clock,
            failed=contained,
            note=lambda name, text: None,
        )
        self.lane = self.graph.packets.lane
        self.lane.add_reader(self.recorder)
        self.timeline = Timeline(self.clock.now())

    def number(self) -> int:
        self.epochs += 1
        return self.epochs

    def epoch(self, reason: str = "test") -> Epoch:
        host = EpochHost(self.graph, self.timeline, self.clock, self.number, self.begun.append)
        return Epoch(host, reason)


def waiting(track: Track) -> Track:
    """The track before its configuration is known."""
    return replace(track, config=None)


def test_it_opens_as_soon_as_every_track_has_its_configuration() -> None:
    host = Host()
    epoch = host.epoch("a publisher")
    epoch.tracks([waiting(VIDEO), waiting(SOUND)])
    epoch.put(gop(0), host.clock.now())
    assert host.recorder.items == []
    epoch.tracks([VIDEO])
    assert host.recorder.items == []
    epoch.tracks([SOUND])
    assert host.recorder.items[0] == Boundary(1, Init(1, 1, (VIDEO, SOUND)), "a publisher")
    assert len(host.recorder.packets) == 50
    assert host.begun == [Init(1, 1, (VIDEO, SOUND))]
    assert epoch.on_air
    host.clock.advance(CONFIG_WAIT_S)
    assert len(host.recorder.boundaries) == 1


def test_a_missing_configuration_is_waited_for_three_seconds_after_the_first() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.tracks([waiting(VIDEO), waiting(SOUND)])
    host.clock.advance(60)
    epoch.tracks([VIDEO])
    epoch.put(gop(0), host.clock.now())
    host.clock.advance(CONFIG_WAIT_S - 0.1)
    assert host.recorder.items == []
    host.clock.advance(0.2)
    assert host.recorder.inits == [Init(1, 1, (VIDEO,))]
    assert {packet.track for packet in host.recorder.packets} == {0}
    assert epoch.lost == 25


def test_a_late_track_is_an_init_change_and_no_boundary() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.tracks([VIDEO, waiting(SOUND)])
    host.clock.advance(CONFIG_WAIT_S)
    epoch.put(gop(0, sound=False), host.clock.now())
    epoch.tracks([SOUND])
    epoch.put(gop(25), host.clock.now())
    assert [init.version for init in host.recorder.inits] == [1, 2]
    assert len(host.recorder.boundaries) == 1
    assert host.recorder.inits[1].tracks == (VIDEO, SOUND)
    assert sum(packet.track == 1 for packet in host.recorder.packets) == 25


def test_a_change_before_the_first_picture_needs_no_item_of_its_own() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.tracks([VIDEO])
    epoch.tracks([VIDEO, SOUND])
    epoch.put(gop(0), host.clock.now())
    assert host.recorder.inits == [Init(1, 1, (VIDEO, SOUND))]


def test_announcing_the_same_again_changes_nothing() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.tracks([VIDEO, SOUND])
    epoch.put(gop(0), host.clock.now())
    epoch.tracks([VIDEO, SOUND])
    epoch.tracks([])
    assert len(host.recorder.inits) == 1


def test_a_changed_configuration_raises_the_version() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.tracks([VIDEO])
    epoch.put(gop(0, sound=False), host.clock.now())
    changed = replace(VIDEO, config=b"other", width=640)
    epoch.tracks([changed])
    assert host.recorder.items[-1] == InitChange(Init(2, 1, (changed,)))


def test_a_later_epoch_raises_the_version_of_the_lane() -> None:
    host = Host()
    first = host.epoch()
    first.tracks([VIDEO])
    first.put(gop(0, sound=False), host.clock.now())
    first.end()
    second = host.epoch()
    second.tracks([VIDEO])
    second.put(gop(0, sound=False), host.clock.now())
    assert [(b.epoch, b.init.version) for b in host.recorder.boundaries] == [(1, 1), (2, 2)]
    assert {packet.epoch for packet in host.recorder.packets[25:]} == {2}


def test_packets_of_unannounced_tracks_are_dropped_and_counted() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.tracks([VIDEO])
    for start in (0, 25, 50):
        epoch.put(gop(start), host.clock.now())
    assert {packet.track for packet in host.recorder.packets} == {0}
    assert epoch.lost == 75
    epoch.tracks([SOUND])
    epoch.put(gop(75), host.clock.now())
    assert epoch.lost == 75


def test_units_that_could_not_be_read_count_as_lost() -> None:
    epoch = Host().epoch()
    epoch.drop(2)
    epoch.drop(1)
    assert epoch.lost == 3
    epoch.end()
    with pytest.raises(StaleEpoch):
        epoch.drop(1)


def test_what_is_too_much_to_be_queued_is_counted_as_lost() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.tracks([waiting(VIDEO)])
    for number in range(QUEUE_PACKETS // 50 + 2):
        epoch.put(gop(number * 25), host.clock.now())
    assert epoch.lost == 100
    epoch.tracks([VIDEO, SOUND])
    assert len(host.recorder.packets) == QUEUE_PACKETS


def test_what_was_queued_or_held_when_the_epoch_ended_is_counted_as_lost() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.tracks([waiting(VIDEO)])
    epoch.put(gop(0), host.clock.now())
    epoch.end()
    epoch.end()
    assert epoch.lost == 50
    held = host.epoch()
    held.tracks([VIDEO, SOUND])
    held.put(gop(0)[1:2], host.clock.now())
    held.end()
    assert held.lost == 1


def test_a_discontinuity_is_a_new_epoch_of_the_same_source() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.tracks([VIDEO, SOUND])
    epoch.put(gop(0), host.clock.now())
    host.clock.advance(1.0)
    epoch.discontinuity("the file starts over")
    assert not epoch.on_air
    epoch.put(gop(0), host.clock.now())
    first, second = host.recorder.boundaries
    assert (first.epoch, second.epoch) == (1, 2)
    assert second.reason == "the file starts over"
    assert second.init.tracks == first.init.tracks
    assert [packet.epoch for packet in host.recorder.packets] == [1] * 50 + [2] * 50
    times = [packet.dts for packet in host.recorder.packets if packet.track == 0]
    assert times == [ORIGIN + number * FRAME for number in range(50)]


def test_a_discontinuity_keeps_the_counts() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.tracks([VIDEO, SOUND])
    epoch.put([*gop(0, sound=False)[1:3], *gop(3)], host.clock.now())
    epoch.put(gop(3 + 25 * 60), host.clock.now())
    assert (epoch.lost, epoch.jumps) == (2, 1)
    epoch.discontinuity("again")
    assert (epoch.lost, epoch.jumps) == (2, 1)
    epoch.put(gop(0)[1:2], host.clock.now())
    epoch.discontinuity("and again, with sound still held")
    assert (epoch.lost, epoch.jumps) == (3, 1)


def test_a_discontinuity_before_anything_was_opened_changes_nothing() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.discontinuity("early")
    assert host.epochs == 1


def test_every_method_of_an_ended_epoch_raises() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.tracks([VIDEO, SOUND])
    epoch.put(gop(0), host.clock.now())
    epoch.put(gop(25), host.clock.now())
    epoch.put(gop(50), host.clock.now())
    written = len(host.recorder.items)
    epoch.end()
    with pytest.raises(StaleEpoch):
        epoch.put(gop(75), host.clock.now())
    with pytest.raises(StaleEpoch):
        epoch.tracks([VIDEO])
    with pytest.raises(StaleEpoch):
        epoch.put_ts(b"", host.clock.now())
    with pytest.raises(StaleEpoch):
        epoch.discontinuity("late")
    assert len(host.recorder.items) == written
    assert not epoch.on_air


def test_an_ended_epoch_never_opens_on_its_timer() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.tracks([VIDEO, waiting(SOUND)])
    epoch.put(gop(0), host.clock.now())
    epoch.end()
    host.clock.advance(CONFIG_WAIT_S + 1)
    assert host.recorder.items == []


def test_one_epoch_takes_access_units_or_mpegts_and_not_both() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.tracks([VIDEO])
    with pytest.raises(Unsupported, match="can't take MPEG-TS"):
        epoch.put_ts(bytes(188), host.clock.now())
    epoch = host.epoch()
    epoch.put_ts(bytes(188), host.clock.now())
    with pytest.raises(Unsupported, match="no access units"):
        epoch.put(gop(0), host.clock.now())
    with pytest.raises(Unsupported, match="announce themselves"):
        epoch.tracks([VIDEO])


def test_meters_count_what_arrived_per_track() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.tracks([VIDEO, SOUND])
    epoch.sample(host.clock.now())
    epoch.put(gop(0), host.clock.now())
    host.clock.advance(1.0)
    epoch.sample(host.clock.now())
    assert (epoch.meter.items, epoch.meter.bytes) == (50, 25 * 110)
    assert epoch.tracks_meter[0].bytes == 2500
    assert epoch.meter.rates() == (25 * 110 * 8, 50)


class SlowEpoch(Epoch):
    """An epoch that never takes the short way."""

    def put(self, packets: list[Packet], now: float) -> None:
        self._clock = None
        super().put(packets, now)


@dataclass(frozen=True)
class Step:
    """One batch of one track, or an announcement."""

    track: int
    packets: int
    key: bool
    leading: bool
    jump: int
    wait: int
    """Frames of wall time before it."""
    announce: int
    """0 = nothing; else the number of the new configuration of this track."""
    split: bool
    """The source says that its timestamps start over."""


STEPS = st.lists(
    st.builds(
        Step,
        track=st.integers(0, 2),
        packets=st.integers(0, 4),
        key=st.booleans(),
        leading=st.booleans(),
        jump=st.sampled_from([0, 0, 0, 0, 1, -1, 90_000, -270_000, 1 << 32]),
        wait=st.integers(0, 80),
        announce=st.sampled_from([0, 0, 0, 0, 0, 1, 2]),
        split=st.sampled_from([False] * 9 + [True]),
    ),
    max_size=40,
)
TRACKS = (VIDEO, SOUND, SECOND_SOUND)


def played(kind: type[Epoch], steps: Sequence[Step]) -> tuple[list[Item], tuple[int, ...]]:
    """What an epoch of that kind makes of the steps, and its counts."""
    host = Host()
    epoch = kind(
        EpochHost(host.graph, host.timeline, host.clock, host.number, host.begun.append), "test"
    )
    epoch.tracks([VIDEO, SOUND])
    times = [0, 0, 0]
    for step in steps:
        host.clock.advance(step.wait * 0.04)
        if step.split:
            epoch.discontinuity("split")
        if step.announce:
            config = b"config %d" % step.announce
            epoch.tracks([replace(TRACKS[step.track], config=config)])
        times[step.track] += step.jump
        batch: list[Packet] = []
        for number in range(step.packets):
            dts = times[step.track]
            times[step.track] += FRAME
            flags = Flag.NONE
            kind_ = Kind.AUDIO
            pts = dts
            if step.track == 0:
                kind_ = Kind.KEY if step.key and number == 0 else Kind.P
                pts = dts - 2 * FRAME if step.leading and number == 1 else dts + FRAME
            batch.append(Packet(step.track, pts, dts, kind_, flags, b"%d" % dts))
        epoch.put(batch, host.clock.now())
    timeline = host.timeline
    counts = (
        epoch.lost,
        epoch.jumps,
        timeline.video_end,
        timeline.audio_end,
        timeline.last_dts,
        host.lane.bytes,
        len(host.lane.joins),
    )
    return host.recorder.items, counts


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_the_short_way_of_a_settled_epoch_equals_the_long_one(steps: list[Step]) -> None:
    assert played(Epoch, steps) == played(SlowEpoch, steps)


def test_the_short_way_is_taken_once_every_track_has_started() -> None:
    host = Host()
    epoch = host.epoch()
    epoch.tracks([VIDEO, SOUND])
    epoch.put(gop(0), host.clock.now())
    assert epoch._clock is None
    epoch.put(gop(25), host.clock.now())
    assert epoch._clock is not None
