"""MPEG-TS over UDP: programs of others that send it, and what a port gets."""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from tests.support.clients import current_ffmpeg
from tests.support.peers import HOST, gst
from tests.support.process import Process
from tests.support.tools import tool
from tests.support.ts import CLOCK_HZ, PCR_WRAP
from tests.support.ts_compare import pcrs

if TYPE_CHECKING:
    from collections.abc import Callable

DATAGRAM = 7 * 188
QUIET = ("-hide_banner", "-nostdin", "-loglevel", "warning")


def listens(port: int) -> bool:
    """Whether a program receives at a UDP port: who joins later begins amid pictures."""
    tables = [Path(f"/proc/net/{name}").read_text() for name in ("udp", "udp6")]
    return any(f":{port:04X} " in table for table in tables)


def input_toml(url: str, *lines: str) -> str:
    return "\n".join(["[streams.news]", "[[streams.news.inputs]]", f'url = "{url}"', *lines, ""])


def push_toml(url: str, *lines: str) -> str:
    return "\n".join(["[[streams.news.push]]", 'name = "air"', f'url = "{url}"', *lines, ""])


def with_ffmpeg(program: Callable[[], str], form: str, query: str) -> Callable[..., Process]:
    def start(path: Path, host: str, port: int) -> Process:
        scheme = "rtp" if form == "rtp_mpegts" else "udp"
        url = f"{scheme}://{host}:{port}{query}"
        return Process([program(), *QUIET, "-re", "-i", str(path), "-c", "copy", "-f", form, url])

    return start


def with_gstreamer(*payload: str) -> Callable[..., Process]:
    def start(path: Path, host: str, port: int) -> Process:
        tool("gst-launch-1.0")
        pay = "".join(f"! {element} " for element in payload)
        pipeline = (
            f"filesrc location={path} ! tsparse set-timestamps=true alignment=7 "
            f"! identity sync=true {pay}! udpsink host={host} port={port} sync=false"
        )
        return gst(*pipeline.split())

    return start


SENDERS = {
    "ffmpeg": with_ffmpeg(lambda: "ffmpeg", "mpegts", "?pkt_size=1316"),
    "ffmpeg, cut anywhere": with_ffmpeg(lambda: "ffmpeg", "mpegts", ""),
    "ffmpeg, RTP": with_ffmpeg(lambda: "ffmpeg", "rtp_mpegts", ""),
    "current ffmpeg": with_ffmpeg(current_ffmpeg, "mpegts", "?pkt_size=1316"),
    "current ffmpeg, RTP": with_ffmpeg(current_ffmpeg, "rtp_mpegts", ""),
    "GStreamer": with_gstreamer(),
    "GStreamer, RTP": with_gstreamer("rtpmp2tpay"),
}


def replay(data: bytes, port: int, seconds: float | None = None) -> None:
    """Send a capture to a port, byte by byte as it is: evenly, or else by its own clock."""
    marks = [(0, 0.0), (len(data), seconds)] if seconds is not None else clock_marks(data)
    places, times = np.array(marks).T
    starts = range(0, len(data), DATAGRAM)
    due = np.interp(np.array(starts), places, times).tolist()
    began = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect((HOST, port))
        for at, when in zip(starts, due, strict=True):
            wait_s = began + when - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            sender.send(data[at : at + DATAGRAM])


def clock_marks(data: bytes) -> list[tuple[int, float]]:
    """Where a capture has clock references, and the seconds from the first one."""
    marks: list[tuple[int, float]] = []
    now, clock = 0.0, None
    for at, pid, value in pcrs(data):
        if clock is None:
            clock = pid, value
        if pid == clock[0]:
            step = (value - clock[1]) % PCR_WRAP / CLOCK_HZ
            now += step if step < 1.0 else 0.0
            clock = pid, value
            marks.append((at, now))
    return marks


class UdpRecorder:
    """Keeps what comes to a port, without headers of RTP."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind((HOST, 0))
        self.socket.settimeout(0.2)
        self.port: int = self.socket.getsockname()[1]
        self.data = bytearray()
        self.stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self) -> None:
        while not self.stopping:
            with suppress(TimeoutError):
                datagram = self.socket.recv(65_536)
                self.data += datagram if datagram[0] == 0x47 else datagram[12:]

    def stop(self) -> bytes:
        self.stopping = True
        self.thread.join(5)
        self.socket.close()
        return bytes(self.data)


if __name__ == "__main__":
    replay(Path(sys.argv[1]).read_bytes(), int(sys.argv[2]))
