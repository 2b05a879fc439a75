"""A server of ours with every listener, plain and over TLS."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

from tests.support.certificates import self_signed
from tests.support.peers import HOST
from tests.support.srt import HEAD, SrtServer

if TYPE_CHECKING:
    from pathlib import Path


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
        with urllib.request.urlopen(f"http://{HOST}:{self.port('api')}{path}", timeout=5) as page:
            return page.status, page.read().decode()
