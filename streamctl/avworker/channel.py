"""The child's end of the socketpair: blocking sends, and a heartbeat beside them.

A send blocks while the parent does not read, which is all the flow control there is: the
heartbeat then waits behind it, and the parent judges silence only while it listens.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streamctl.avworker.wire import Job, Record, RecordReader, RecordType, parse_job

if TYPE_CHECKING:
    from collections.abc import Iterator

HEARTBEAT_S = 1.0
READ_BYTES = 65_536


class ParentGone(Exception):
    """The parent has closed the channel: nobody wants the result."""


class Channel:
    """The only way out of the child."""

    def __init__(self, descriptor: int) -> None:
        self.sock = socket.socket(fileno=descriptor)
        self.sock.setblocking(True)
        self.lock = threading.Lock()
        self.reader = RecordReader()
        self.records: deque[Record] = deque()

    def send(self, record: Record) -> None:
        """Send a record, waiting for the parent to make room.

        Raises:
            ParentGone: there is no parent any more.
        """
        data = record.serialize()
        try:
            with self.lock:
                self.sock.sendall(data)
        except OSError:
            raise ParentGone from None

    def receive_job(self) -> Job:
        """The parent's first record.

        Raises:
            ParentGone: the parent closed instead.
            RemoteProtocolError: it sent something else.
        """
        return parse_job(self.receive())

    def receive(self) -> Record:
        """The parent's next record.

        Raises:
            ParentGone: there is no parent any more.
            RemoteProtocolError: it sent something else.
        """
        while not self.records:
            try:
                data = self.sock.recv(READ_BYTES)
            except OSError:
                data = b""
            if not data:
                raise ParentGone
            self.records.extend(self.reader.receive_data(data))
        return self.records.popleft()

    @contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Tell the parent every second that this process still runs."""
        stop = threading.Event()
        thread = threading.Thread(target=self._beat, args=(stop,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()

    def _beat(self, stop: threading.Event) -> None:
        while not stop.wait(HEARTBEAT_S):
            try:
                self.send(Record(RecordType.HEARTBEAT))
            except ParentGone:
                return
