from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from streamctl.avworker import channel as channel_module
from streamctl.avworker.channel import Channel, ParentGone
from streamctl.avworker.wire import DemuxJob, Record, RecordReader, RecordType, job_record
from streamctl.errors import RemoteProtocolError
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pair() -> Iterator[tuple[Channel, socket.socket]]:
    parent, child = socket.socketpair()
    with parent:
        channel = Channel(child.detach())
        with channel.sock:
            yield channel, parent


def receive(parent: socket.socket, count: int) -> list[Record]:
    reader, records = RecordReader(), list[Record]()
    parent.settimeout(PATIENCE_S)
    while len(records) < count:
        records += reader.receive_data(parent.recv(65_536))
    return records


def test_records_arrive(pair: tuple[Channel, socket.socket]) -> None:
    channel, parent = pair
    channel.send(Record(RecordType.END))
    assert receive(parent, 1) == [Record(RecordType.END)]


def test_the_job_is_read_in_pieces(pair: tuple[Channel, socket.socket]) -> None:
    channel, parent = pair
    data = job_record(DemuxJob("/a.mp4")).serialize()
    parent.sendall(data[:9])
    later = threading.Timer(0.05, parent.sendall, [data[9:]])
    later.start()
    assert channel.receive_job() == DemuxJob("/a.mp4")
    later.join()


def test_a_wrong_job_is_refused(pair: tuple[Channel, socket.socket]) -> None:
    channel, parent = pair
    parent.sendall(Record(RecordType.JOB, b"{}").serialize())
    with pytest.raises(RemoteProtocolError):
        channel.receive_job()


def test_a_parent_that_closed_is_gone(pair: tuple[Channel, socket.socket]) -> None:
    channel, parent = pair
    parent.close()
    with pytest.raises(ParentGone):
        channel.receive_job()
    with pytest.raises(ParentGone):
        channel.send(Record(RecordType.END))


def test_the_heart_beats_while_the_job_runs(
    pair: tuple[Channel, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_module, "HEARTBEAT_S", 0.01)
    channel, parent = pair
    with channel.heartbeat():
        assert {record.type for record in receive(parent, 3)} == {RecordType.HEARTBEAT}
    channel.send(Record(RecordType.END))
    while receive(parent, 1)[-1].type is not RecordType.END:
        pass


def test_the_heart_stops_when_the_parent_is_gone(
    pair: tuple[Channel, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_module, "HEARTBEAT_S", 0.01)
    channel, parent = pair
    parent.close()
    before = threading.active_count()
    with channel.heartbeat():
        deadline = time.monotonic() + PATIENCE_S
        while threading.active_count() > before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert threading.active_count() == before
