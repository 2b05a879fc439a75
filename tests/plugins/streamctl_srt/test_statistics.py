from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from streamctl_srt import statistics
from streamctl_srt.constants import Option
from streamctl_srt.structs import Perf

if TYPE_CHECKING:
    from streamctl_srt.endpoint import Endpoint


class Scripted:
    def __init__(self, perf: Perf | None) -> None:
        self.perf = perf

    def measure(self) -> Perf | None:
        return self.perf

    def number_of(self, option: Option) -> int:
        return {Option.RCVKMSTATE: 2, Option.PEERVERSION: 0x010501}[option]


def perf(**values: float) -> Endpoint:
    found = Perf()
    for name, value in values.items():
        setattr(found, name, value)
    return cast("Endpoint", Scripted(found))


def test_what_comes_in_is_told_in_the_words_of_the_status() -> None:
    found = statistics.receiving(
        perf(
            msRTT=12.34,
            mbpsBandwidth=95.5,
            msRcvTsbPdDelay=120,
            pktRecvTotal=110,
            pktRecvUniqueTotal=100,
            pktRcvLossTotal=12,
            pktRcvDropTotal=2,
        )
    )
    assert found["rtt_ms"] == 12.3
    assert found["bandwidth_kbps"] == 95_500
    assert (found["packets"], found["lost"]) == (100, 12)
    assert (found["retransmitted"], found["dropped"]) == (10, 2)
    assert (found["encrypted"], found["peer_version"]) == (True, "1.5.1")


def test_what_goes_out_too() -> None:
    found = statistics.sending(
        perf(pktSentUniqueTotal=7, pktRetransTotal=3, pktSndDropTotal=1, msSndTsbPdDelay=250)
    )
    assert (found["packets"], found["retransmitted"]) == (7, 3)
    assert (found["dropped"], found["latency_ms"]) == (1, 250)


@pytest.mark.parametrize("look", [statistics.receiving, statistics.sending])
def test_of_a_connection_that_is_gone_nothing_is_known(look: object) -> None:
    assert look(cast("Endpoint", Scripted(None))) == {}  # type: ignore[operator]
