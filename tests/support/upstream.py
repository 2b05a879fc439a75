"""Other people's RTMP servers, started again on the port that they had."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.peers import HOST, accepts, nginx_rtmp
from tests.support.ports import free_port
from tests.support.process import Process, eventually
from tests.support.tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterator

NODE_MODULES = "STREAMCTL_NODE_MODULES"
"""The environment variable that names a folder with the packages of Node.js that tests can use."""
NODE_MEDIA_SERVER = """
const NMS = require('node-media-server');
new NMS({
  bind: '%(host)s', notify: {url: ''}, store: {path: '%(folder)s/data', maxHistory: 10},
  auth: {play: false, publish: false, secret: '', jwt: {secret: 'x'.repeat(32), expiresIn: '1h',
    refreshExpiresIn: '1h', algorithm: 'HS256', users: []}},
  rtmp: {port: %(port)d}, http: {port: %(http)d}, webadmin: {enable: false},
  record: {auto: false, path: '%(folder)s'},
}).run();
"""


class Nginx:
    """nginx with its RTMP module; may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.process, self.port = nginx_rtmp(folder)

    def url(self, name: str = "copy") -> str:
        """The URL of a stream."""
        return f"rtmp://{HOST}:{self.port}/live/{name}"

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        self.process.kill()

    def start(self) -> None:
        """Start it again on its port."""
        argv = [tool("nginx"), "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]
        self.process = Process(argv)
        eventually(lambda: accepts(self.port), 20, "nginx listens again")


@contextmanager
def nginx(folder: Path) -> Iterator[Nginx]:
    """A running nginx."""
    server = Nginx(folder)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def node_media_server(folder: Path) -> Iterator[int]:
    """The port of a node-media-server; the test is skipped where it is not installed."""
    modules = os.environ.get(NODE_MODULES, "")
    node = shutil.which("node")
    if node is None or not (Path(modules) / "node-media-server").is_dir() or not modules:
        pytest.skip(f"{NODE_MODULES} names no folder with node-media-server")
    folder.mkdir(exist_ok=True)
    port = free_port()
    script = folder / "server.js"
    values = {"host": HOST, "port": port, "http": free_port(), "folder": folder}
    script.write_text(NODE_MEDIA_SERVER % values)
    with Process([node, str(script)], env={"NODE_PATH": modules}, cwd=folder):
        eventually(lambda: accepts(port), 30, "node-media-server listens")
        yield port


def media_time(path: Path) -> float:
    """Seconds of media in a file that may still be written; 0 while it can't be read."""
    found = subprocess.run(
        [
            *(tool("ffprobe"), "-v", "error", "-select_streams", "v", "-show_entries"),
            *("packet=pts_time", "-of", "csv=p=0", str(path)),
        ],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    times = [float(word.strip(",")) for word in found if word.strip(",") not in ("", "N/A")]
    return max(times) - min(times) if times else 0.0
