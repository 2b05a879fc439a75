"""SRT publishers and players of others, and a server of ours with an SRT port."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from struct import pack
from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.support.clients import current_ffmpeg
from tests.support.peers import CONFIG, HOST, Streamctl
from tests.support.ports import udp_port
from tests.support.process import Process
from tests.support.tools import tool
from tests.support.udp import replay

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
FFMPEG = ("-hide_banner", "-nostdin", "-loglevel", "warning")
CONCLUSION = 0xFFFFFFFF
HEAD = f"""{CONFIG}
[listeners.srt]
address = "{HOST}:0"
"""


class SrtServer(Streamctl):
    """A server with an SRT port."""

    def __init__(self, folder: Path, streams: str, *, head: str = HEAD) -> None:
        super().__init__(folder, streams, head=head)

    def ready(self, timeout_s: float = 40.0) -> None:
        """Return once every listener is bound."""
        super().ready(timeout_s)
        self.port("srt", timeout_s)

    def srt(self, stream_id: str, *more: str) -> str:
        """The URL with a stream id."""
        query = "&".join([f"streamid={quote(stream_id, safe=':/')}", *more])
        return f"srt://{HOST}:{self.port('srt')}?{query}"


def bare_call(caller: socket.socket, port: int, stream_id: str) -> bool:
    """Shake hands by datagrams of our own and say nothing more; whether that was accepted.

    Two datagrams are all it takes: induction, and conclusion with the cookie.
    """
    caller.connect((HOST, port))
    caller.settimeout(15)
    caller.send(handshake(4, 2, 1, 0))
    cookie = int.from_bytes(caller.recv(1500)[44:48], "big")
    text = stream_id.encode()
    text += bytes(-len(text) % 4)
    words = b"".join(text[at : at + 4][::-1] for at in range(0, len(text), 4))
    version = pack(">HHIII", 1, 3, 0x010500, 0xBF, 120 << 16 | 120)
    name = pack(">HH", 5, len(words) // 4) + words
    caller.send(handshake(5, 5, CONCLUSION, cookie) + version + name)
    return int.from_bytes(caller.recv(1500)[36:40], "big") == CONCLUSION


def handshake(version: int, extension: int, kind: int, cookie: int) -> bytes:
    """A handshake packet (draft-sharabayko-srt §3.2.1)."""
    head = pack(">IIII", 0x80000000, 0, 0, 0)
    body = pack(">IHHIIIIII", version, 0, extension, 1000, 1500, 8192, kind, 77, cookie)
    return head + body + bytes((1, 0, 0, 127)) + bytes(12)


@dataclass(frozen=True)
class Program:
    """A program that sends, or receives, a transport stream over SRT."""

    name: str
    start: Callable[[Path, str], Process]
    """With a file and a URL."""


def ffmpeg_sends(program: Callable[[], str]) -> Callable[[Path, str], Process]:
    """Sending with one of the installed versions of ffmpeg."""

    def start(path: Path, url: str) -> Process:
        copy = ("-re", "-i", str(path), "-map", "0", "-c", "copy", "-f", "mpegts")
        return Process([program(), *FFMPEG, *copy, f"{url}&pkt_size=1316"])

    return start


def ffmpeg_receives(program: Callable[[], str]) -> Callable[[Path, str], Process]:
    """Receiving with one of the installed versions of ffmpeg."""

    def start(path: Path, url: str) -> Process:
        copy = ("-map", "0", "-c", "copy", "-flush_packets", "1", "-y", str(path))
        return Process([program(), *FFMPEG, "-i", url, *copy])

    return start


def gstreamer(pipeline: str) -> Callable[[Path, str], Process]:
    """A pipeline with ``{path}``, ``{where}`` and ``{options}``, the keys of the URL."""

    def start(path: Path, url: str) -> Process:
        where, _, query = url.partition("?")
        # The element does not decode what stands in a URL.
        from urllib.parse import parse_qsl

        options = " ".join(f'{name}="{value}"' for name, value in parse_qsl(query))
        text = pipeline.format(path=path, where=where, options=options)
        return Process(["sh", "-c", f"exec gst-launch-1.0 -q -e {text}"])

    return start


def transmit_sends(path: Path, url: str) -> Process:
    """``srt-live-transmit``, fed over UDP at the clock of the capture."""
    port = udp_port()
    transmit = f"srt-live-transmit -a:no -q udp://{HOST}:{port} '{url}'"
    feed = f"{sys.executable} -m {replay.__module__} {path} {port}"
    end = "trap 'trap - INT TERM; kill 0' INT TERM"
    return Process(["sh", "-c", f"{end}; {transmit} & {feed} & wait"], cwd=ROOT)


def transmit_receives(path: Path, url: str) -> Process:
    """``srt-live-transmit`` into a file."""
    command = f"exec srt-live-transmit -a:no -q '{url}' file://con > {path}"
    return Process(["sh", "-c", command])


SENDERS = (
    Program("ffmpeg", ffmpeg_sends(lambda: tool("ffmpeg"))),
    Program("current ffmpeg", ffmpeg_sends(current_ffmpeg)),
    Program(
        "GStreamer srtsink",
        gstreamer(
            "filesrc location={path} ! tsparse set-timestamps=true ! "
            "srtsink uri={where} {options} sync=true"
        ),
    ),
    Program("srt-live-transmit", transmit_sends),
)
RECEIVERS = (
    Program("ffmpeg", ffmpeg_receives(lambda: tool("ffmpeg"))),
    Program("current ffmpeg", ffmpeg_receives(current_ffmpeg)),
    Program(
        "GStreamer srtsrc",
        gstreamer("srtsrc uri={where} {options} ! filesink location={path} buffer-mode=2"),
    ),
    Program("srt-live-transmit", transmit_receives),
)
