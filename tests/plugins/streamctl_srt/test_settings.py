from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streamctl_srt.constants import Option
from streamctl_srt.options import ListenerOptions
from streamctl_srt.settings import BUFFER_BYTES, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping


def set_by(settings: Settings) -> Mapping[Option, Any]:
    return dict(settings.options())


def test_a_listener_has_no_passphrase_of_its_own() -> None:
    assert Settings.of(ListenerOptions(latency_ms=50)).latency_ms == 50
    assert Option.PASSPHRASE not in set_by(Settings.of(ListenerOptions()))


def test_by_default_datagrams_carry_seven_packets_and_wait_for_lost_ones_120_ms() -> None:
    found = set_by(Settings.of(ListenerOptions()))
    assert found[Option.PAYLOADSIZE] == 7 * 188
    assert found[Option.RCVLATENCY] == 120


def test_both_directions_get_the_latency() -> None:
    found = set_by(Settings(latency_ms=250))
    assert (found[Option.RCVLATENCY], found[Option.PEERLATENCY]) == (250, 250)
    assert (found[Option.RCVSYN], found[Option.SNDSYN]) == (0, 0)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), {Option.MAXBW: -1}),
        (Settings(max_bandwidth_kbps=8000), {Option.MAXBW: 1_000_000}),
        (
            Settings(input_bandwidth_kbps=8000, overhead_pct=10),
            {Option.MAXBW: 0, Option.INPUTBW: 1_000_000, Option.OHEADBW: 10},
        ),
    ],
)
def test_bandwidth_is_bytes_per_second(settings: Settings, expected: dict[Option, int]) -> None:
    found = set_by(settings)
    names = (Option.MAXBW, Option.INPUTBW, Option.OHEADBW)
    assert {name: found[name] for name in names if name in found} == expected


def test_long_latencies_get_room_for_what_is_under_way() -> None:
    short, long = Settings(), Settings(latency_ms=4000)
    assert short.buffer_bytes == BUFFER_BYTES
    assert long.buffer_bytes == 2 * 4 * 12_500_000
    found = set_by(long)
    assert found[Option.FC] * 1456 >= found[Option.RCVBUF]


@pytest.mark.parametrize(("key_length", "size"), [(0, None), (128, 16), (192, 24), (256, 32)])
def test_keys_have_their_length(key_length: int, size: int | None) -> None:
    assert set_by(Settings(key_length=key_length)).get(Option.PBKEYLEN) == size
