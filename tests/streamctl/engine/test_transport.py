from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streamctl.media.packet import Format
from tests.streamctl.engine.ts_world import DATAGRAM, ODD, Keeper, World
from tests.support.broadcast import broadcast, variants
from tests.support.ts import inspect
from tests.support.ts_compare import compare

if TYPE_CHECKING:
    from tests.support.media import MediaCache

CAPTURES = variants(2.5)
REAL = Path(os.environ.get("STREAMCTL_TEST_MEDIA", "/nowhere"))


def passed(data: bytes, size: int = DATAGRAM) -> Keeper:
    """What an epoch makes of these bytes."""
    world = World()
    keeper = Keeper()
    world.graph.attach(Format.MPEGTS, keeper)
    epoch = world.epoch()
    world.send(epoch, data, size)
    epoch.end()
    return keeper


@pytest.mark.parametrize("name", CAPTURES)
@pytest.mark.parametrize("size", [DATAGRAM, ODD, 40 * 188])
def test_every_pid_passes_with_nothing_changed_but_its_times(
    media: MediaCache, name: str, size: int
) -> None:
    capture = broadcast(media, CAPTURES[name])
    keeper = passed(capture.data, size)
    pids = capture.programs[0].pids
    found = compare(capture.data, keeper.data, pids)
    assert found.faults == []
    assert set(found.matched) == set(pids)
    report = inspect(keeper.data)
    assert report.continuity_errors == []
    assert report.worst_psi_s < 0.5
    assert set(report.pids) >= {0, 0x1000, *pids}
