"""HLS as other programs make and serve it: ffmpeg writes it live, nginx hands it out."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.peers import HOST, accepts, ffmpeg
from tests.support.ports import free_port
from tests.support.process import Process, eventually
from tests.support.tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 256; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/tmp; proxy_temp_path {folder}/tmp; fastcgi_temp_path {folder}/tmp;
  uwsgi_temp_path {folder}/tmp; scgi_temp_path {folder}/tmp;
  types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; video/mp4 mp4 m4s; }}
  gzip on; gzip_types application/vnd.apple.mpegurl; gzip_min_length 1;
  server {{
    listen {host}:{port};
    root {folder}/www;
    location /moved/ {{ rewrite ^/moved/(.*)$ /$1 redirect; }}
    location /closed/ {{ return 403; }}
    location /circle/ {{ rewrite ^/circle/(.*)$ /circle/x$1 redirect; }}
  }}
}}
"""


class Origin:
    """A running nginx and the folder that it serves."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.www = folder / "www"
        self.port = port

    def url(self, path: str) -> str:
        """The URL of a file."""
        return f"http://{HOST}:{self.port}/{path}"

    def log(self) -> str:
        """What was asked for."""
        return (self.folder / "access.log").read_text()


@contextmanager
def origin(folder: Path) -> Iterator[Origin]:
    """An nginx that serves a folder."""
    (folder / "www").mkdir(parents=True, exist_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, host=HOST, port=port))
    with Process([tool("nginx"), "-p", str(folder), "-c", str(config)]):
        eventually(lambda: accepts(port), 5, "nginx listens")
        yield Origin(folder, port)


KEY = b"0123456789abcdef"
FORMS: dict[str, tuple[str, ...]] = {
    "ts": (),
    "fmp4": ("-hls_segment_type", "fmp4"),
    "aes": ("-hls_key_info_file", "{folder}/key.txt"),
    "byte-ranges": ("-hls_flags", "single_file"),
    "fmp4-byte-ranges": ("-hls_segment_type", "fmp4", "-hls_flags", "single_file"),
}
"""What ffmpeg is asked for."""


def live(media: Path, site: Origin, name: str, *options: str, segment_s: float = 2.0) -> Process:
    """ffmpeg that writes a file as a live playlist, in the time that it plays."""
    folder = site.www / name
    folder.mkdir(exist_ok=True)
    (folder / "key").write_bytes(KEY)
    (folder / "key.txt").write_text(f"key\n{folder / 'key'}\n")
    more = [option.format(folder=folder) for option in options]
    return ffmpeg(
        *("-re", "-i", str(media), "-c", "copy", "-f", "hls", "-hls_time", str(segment_s)),
        *("-hls_list_size", "8", *more, str(folder / "index.m3u8")),
    )


def live_groups(
    media: Path, site: Origin, name: str, kind: str = "mpegts", segment_s: float = 2.0
) -> Process:
    """The same with two variants, and sound in a playlist of its own."""
    folder = site.www / name
    folder.mkdir(exist_ok=True)
    return ffmpeg(
        *("-re", "-i", str(media), "-map", "0:v", "-map", "0:v", "-map", "0:a", "-c", "copy"),
        *("-f", "hls", "-hls_time", str(segment_s), "-hls_list_size", "8"),
        *("-hls_segment_type", kind),
        *("-b:v:0", "1000k", "-b:v:1", "500k", "-b:a", "96k"),
        "-var_stream_map",
        "v:0,agroup:s,name:high v:1,agroup:s,name:low a:0,agroup:s,language:eng,default:yes,name:s",
        *("-master_pl_name", "index.m3u8", str(folder / "%v.m3u8")),
    )


def vod(media: Path, site: Origin, name: str, *options: str) -> None:
    """A file as a playlist that has an end."""
    folder = site.www / name
    folder.mkdir(exist_ok=True)
    with ffmpeg(
        *("-i", str(media), "-c", "copy", "-f", "hls", "-hls_time", "2", "-hls_list_size", "0"),
        *("-hls_playlist_type", "vod", *options, str(folder / "index.m3u8")),
    ) as writing:
        assert writing.wait() == 0


def segmented(media: Path, site: Origin, name: str, segment_s: float = 2.0) -> None:
    """The same as another muxer of ffmpeg makes it: counters begin anew in each segment."""
    folder = site.www / name
    folder.mkdir(exist_ok=True)
    with ffmpeg(
        *("-i", str(media), "-c", "copy", "-f", "segment", "-segment_time", str(segment_s)),
        *("-segment_format", "mpegts", "-segment_list", str(folder / "index.m3u8")),
        str(folder / "s%d.ts"),
    ) as writing:
        assert writing.wait() == 0


def segments(site: Origin, path: str) -> int:
    """How many segments a playlist lists by now."""
    file = site.www / path
    return file.read_text().count("#EXTINF") if file.exists() else 0
