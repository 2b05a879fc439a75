"""The load tools measure what they claim to."""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.bench import ts_load
from tests.bench.ts_load import DATAGRAM, RTP_HEADER, Target, UdpSender, pace, with_rtp
from tests.support.peers import HOST
from tests.support.ports import free_port
from tests.support.process import Process
from tests.support.tools import tool
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NUMBERED = b"".join(number.to_bytes(2) * (DATAGRAM // 2) for number in range(300))


@pytest.fixture
def ear() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        one.bind((HOST, 0))
        one.settimeout(PATIENCE_S)
        yield one


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("127.0.0.1:5000", Target("127.0.0.1", 5000)),
        ("127.0.0.1:5000/news", Target("127.0.0.1", 5000, "news")),
        ("127.0.0.1:5000/news*50", Target("127.0.0.1", 5000, "news", 50)),
    ],
)
def test_targets_are_written_shortly(text: str, wanted: Target) -> None:
    assert Target.parse(text) == wanted


def test_one_call_makes_many_datagrams(ear: socket.socket) -> None:
    sender = UdpSender(Target(*ear.getsockname()), memoryview(NUMBERED), DATAGRAM)
    sender.send(0, 100)
    for number in range(100):
        assert ear.recv(2000) == number.to_bytes(2) * (DATAGRAM // 2)
    assert sender.refused == 0
    sender.socket.close()


def test_rtp_headers_count() -> None:
    data = with_rtp(NUMBERED, 1000)
    assert len(data) == 300 * (DATAGRAM + RTP_HEADER)
    for number in (0, 299):
        head = data[number * (DATAGRAM + RTP_HEADER) :][:RTP_HEADER]
        first, kind, sequence, stamp, _ = struct.unpack(">BBHII", head)
        assert (first, kind, sequence) == (0x80, 33, number)
        assert stamp == number * DATAGRAM * 8 * 90 // 1000


class Counting:
    """A sender that remembers what it was asked for."""

    def __init__(self) -> None:
        self.refused = 0
        self.numbers: list[int] = []

    def send(self, begin: int, end: int) -> None:
        self.numbers += range(begin, end)

    def dropped(self) -> int:
        return 0


class Moments:
    """A clock that goes on while it is slept by, and now and then for a while in between."""

    def __init__(self, *stalls: float) -> None:
        self.now = 0.0
        self.stalls = list(stalls)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds + (self.stalls.pop() if self.stalls else 0.0)


@pytest.mark.parametrize("stalls", [[], [0.03]], ids=["in time", "held up"])
def test_everybody_gets_everything_in_order_at_the_rate(
    monkeypatch: pytest.MonkeyPatch, stalls: list[float]
) -> None:
    clock = Moments(*stalls)
    monkeypatch.setattr(ts_load, "time", clock)
    senders = [Counting() for _ in range(7)]
    worst = pace(senders, 1000, 100)
    assert all(each.numbers == list(range(100)) for each in senders)
    assert clock.now == pytest.approx(0.1, abs=0.01)
    assert worst == pytest.approx(sum(stalls), abs=0.002)


@pytest.mark.e2e
@pytest.mark.needs("srt-live-transmit")
def test_what_is_sent_over_srt_arrives_whole(tmp_path: Path, ear: socket.socket) -> None:
    media = tmp_path / "numbered.ts"
    data = NUMBERED[: DATAGRAM * 300]
    media.write_bytes(data)
    port = free_port()
    received = bytearray()

    def listen() -> None:
        while len(received) < len(data):
            received.extend(ear.recv(2000))

    host, ear_port = ear.getsockname()
    source = f"srt://:{port}?mode=listener"
    with Process([tool("srt-live-transmit"), "-q", source, f"udp://{host}:{ear_port}"]):
        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        argv = [sys.executable, ts_load.__file__, "send", "srt", str(media), "3000", "5"]
        with Process([*argv, f"{HOST}:{port}"]) as load:
            report = json.loads(load.wait_line(r"^\{", 15).string)
            assert report["refused"] == 0
            assert report["datagrams"] == 300
            thread.join(5)
    assert bytes(received) == data
