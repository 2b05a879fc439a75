"""Upstreams that a server fetches from: HLS, FLV over HTTP and RTSP, as others serve it.

Each begins to serve at the URL that it is given; until then nobody listens there.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.clients import (
    ENHANCED,
    TS,
    current_ffmpeg,
    ffmpeg_version,
    gstreamer_version,
    own_version,
)
from tests.support.process import Process
from tests.support.publishers import FFMPEG, Publisher
from tests.support.rtsp_publishers import GSTREAMER, PARSERS, PAYERS, RTP, pad, where
from tests.support.rtsp_servers import QUEUE, Wanted, server_command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

READY = 3
"""Segments that a playlist lists before anybody may see it: less is refused as too short."""
HLS_SCRIPT = """
ffmpeg=$1 folder=$2 host=$3 port=$4 python=$5; shift 5
"$ffmpeg" "$@" "$folder/index.m3u8" &
until [ "$(grep -c EXTINF "$folder/index.m3u8" 2>/dev/null || echo 0)" -ge {ready} ]; do
  sleep 0.2
done
exec "$python" -m http.server --bind "$host" --directory "$folder" "$port" >/dev/null 2>&1
"""
RELAY = """
[log]
format = "text"
[api]
address = "127.0.0.1:0"
[http]
address = "127.0.0.1:0"
[listeners.rtsp]
address = "{host}:{port}"
[server]
media_roots = ["{root}"]
[streams.x]
inputs = ["{path}"]
"""


class Site(Process):
    """A program with a folder of its own, which goes with it."""

    def __init__(self, argv: Sequence[str], folder: Path) -> None:
        self.folder = folder
        super().__init__(argv, cwd=folder)

    def kill(self) -> None:
        """End it, and leave nothing."""
        super().kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def scratch() -> Path:
    """A new folder."""
    return Path(tempfile.mkdtemp(prefix="upstream-"))


def hls(form: str, *, program: Callable[[], str]) -> Callable[[Path, Sequence[str], str], Process]:
    """ffmpeg that writes a live playlist, and a web server for its folder."""

    def start(path: Path, codecs: Sequence[str], url: str) -> Process:
        host, port = where(url)
        folder = scratch()
        head = ["sh", "-c", HLS_SCRIPT.format(ready=READY), "hls", program(), str(folder)]
        options = [*FFMPEG, "-i", str(path), "-c", "copy", "-sn", "-f", "hls", "-hls_time", "1"]
        options += ["-hls_list_size", "8", "-hls_segment_type", form, "-strict", "experimental"]
        return Site([*head, host, str(port), sys.executable, *options], folder)

    return start


def with_ffmpeg_flv(path: Path, codecs: Sequence[str], url: str) -> Process:
    """ffmpeg that waits for one client."""
    argv = [current_ffmpeg(), *FFMPEG, "-i", str(path), "-c", "copy", "-f", "flv", "-listen", "1"]
    return Process([*argv, url])


def with_gst_rtsp_server(path: Path, codecs: Sequence[str], url: str) -> Process:
    """gst-rtsp-server, which plays the file to whom asks for it."""
    launch = f"( filesrc location={path} ! qtdemux name=d"
    for number, codec in enumerate(codecs):
        launch += f" d.{pad(codec)} ! {QUEUE} ! {PARSERS[codec]} ! {PAYERS[codec]}"
        launch += f" name=pay{number} pt={96 + number}"
    return Process(server_command(Wanted(f"{launch} )"), where(url)[1]))


def with_streamctl(path: Path, codecs: Sequence[str], url: str) -> Process:
    """A second server of ours, which plays the file."""
    host, port = where(url)
    folder = scratch()
    config = folder / "streams.toml"
    config.write_text(RELAY.format(host=host, port=port, root=path.parent, path=path))
    return Site([sys.executable, "-m", "streamctl", "serve", str(config)], folder)


def current_version() -> str:
    """The release of the newer ffmpeg."""
    return ffmpeg_version(current_ffmpeg())


PULLED = (
    Publisher(
        "ffmpeg, HLS with MPEG-TS",
        TS,
        lambda: ffmpeg_version("ffmpeg"),
        hls("mpegts", program=lambda: "ffmpeg"),
        "ts",
        protocol="hls",
    ),
    Publisher(
        "current ffmpeg, HLS with fMP4",
        ENHANCED,
        current_version,
        hls("fmp4", program=current_ffmpeg),
        protocol="hls",
    ),
    Publisher(
        "current ffmpeg, HTTP-FLV",
        ENHANCED,
        current_version,
        with_ffmpeg_flv,
        protocol="http-flv",
    ),
    Publisher(
        "GStreamer RTSP server",
        GSTREAMER,
        lambda: gstreamer_version("rtspclientsink"),
        with_gst_rtsp_server,
        "cut.mp4",
        protocol="rtsp-pull",
    ),
    Publisher("streamctl, RTSP", RTP, own_version, with_streamctl, protocol="rtsp-pull"),
)
