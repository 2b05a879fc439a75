"""What was dropped on this machine."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from streamctl.testing.clock import FakeClock
from streamctl.testing.gate import BareContext
from streamctl_rtp.losses import LOOK_S, Losses

if TYPE_CHECKING:
    import pytest

    from streamctl.net.udp import Receiver


class Counted:
    """The counters of a receiver."""

    buffer_bytes = 1000

    def __init__(self) -> None:
        self.datagrams = self.kernel_drops = self.overruns = 0


def test_losses_are_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    losses = Losses("rtp", BareContext(clock))
    assert losses.measure() == {}
    ports = [Counted(), Counted()]
    losses.watch([cast("Receiver", port) for port in ports], 1000)
    ports[0].kernel_drops, ports[1].overruns, ports[1].datagrams = 3, 4, 50
    assert losses.measure() == {"datagrams": 50, "kernel_drops": 3, "overruns": 4}
    losses.look(clock.now())
    assert caplog.messages == []
    clock.advance(LOOK_S)
    losses.look(clock.now())
    losses.look(clock.now())
    clock.advance(LOOK_S)
    losses.look(clock.now())
    assert caplog.messages == ["rtp: 7 datagrams dropped on this machine: 3 by the kernel, 4 by us"]


def test_a_buffer_that_is_too_small_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    Losses("rtp", BareContext()).watch([cast("Receiver", Counted())], 2000)
    assert "net.core.rmem_max" in caplog.text
