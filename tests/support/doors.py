"""A server of ours with every listener, plain and over TLS."""

from __future__ import annotations

import signal
import subprocess
import urllib.request
from typing import TYPE_CHECKING

from tests.support.certificates import self_signed
from tests.support.peers import HOST, ffmpeg
from tests.support.process import Process, eventually
from tests.support.srt import HEAD, SrtServer
from tests.support.tools import tool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENOUGH_BYTES = 40_000
RTSP_OUT = ("-c", "copy", "-f", "rtsp", "-rtsp_transport", "tcp")
COPY = ("-map", "0:v", "-c", "copy", "-flush_packets", "1", "-f", "mpegts", "-y")


class Doors(SrtServer):
    """A server with every door that viewers and publishers of TCP and SRT come through."""

    def __init__(self, folder: Path, streams: str, *, limits: str = "", rtmp: str = "") -> None:
        self.pair = self_signed(folder)
        files = f'tls_cert = "{self.pair.cert}"\ntls_key = "{self.pair.key}"\n'
        plain = "[listeners.rtmp]\n"
        head = HEAD.replace(plain, f"{plain}{rtmp}\n")
        head += f'\n[listeners.rtsp]\naddress = "{HOST}:0"\n'
        for name in ("rtmps", "rtsps"):
            head += f'[listeners.{name}]\naddress = "{HOST}:0"\n{files}'
        super().__init__(folder, streams, head=f"{head}\n[limits]\n{limits}\n")

    def rtsp(self, path: str, login: str = "") -> str:
        """The RTSP URL of a path."""
        return f"rtsp://{login}{HOST}:{self.port('rtsp')}/{path}"

    def rtsps(self, path: str, login: str = "") -> str:
        """The RTSPS URL of a path."""
        return f"rtsps://{login}{HOST}:{self.port('rtsps')}/{path}"

    def rtmps(self, path: str) -> str:
        """The RTMPS URL of a path."""
        return f"rtmps://{HOST}:{self.port('rtmps')}/{path}"

    def page(self, path: str) -> tuple[int, str]:
        """Status and text of a page of the control port."""
        with urllib.request.urlopen(f"http://{HOST}:{self.port('api')}{path}", timeout=20) as page:
            return page.status, page.read().decode()


def rtsp_publish(path: Path, url: str) -> Process:
    """FFmpeg publishes a file over RTSP."""
    return ffmpeg("-re", "-i", str(path), *RTSP_OUT, url)


def curl(url: str, *options: str) -> tuple[int, bytes]:
    """Status and headers of what curl gets; it does not wait for the end, as there may be none."""
    argv = [tool("curl"), "-sS", "-m", "20", "-o", "/dev/null", "-D", "-", *options, url]
    head = b""
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            head += line
            if not line.strip():
                break
        process.kill()
    return int(head.split()[1]), head


def recorded(start: Callable[[Path], Process], out: Path) -> bool:
    """Whether a player gets media, or is sent away."""

    def enough() -> bool:
        return out.exists() and out.stat().st_size > ENOUGH_BYTES

    with start(out) as player:
        try:
            eventually(lambda: not player.running() or enough(), 30, "media, or the end")
        except AssertionError as error:
            raise AssertionError(f"{error}; {player.describe()}") from None
        got = enough()
        player.stop(signal.SIGINT, 3)
    return got


def copied(url: str, *options: str) -> Callable[[Path], Process]:
    """FFmpeg copies what a URL plays."""
    return lambda out: ffmpeg(*options, "-i", url, *COPY, str(out))
