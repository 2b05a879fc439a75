"""A server of low-latency HLS: parts of fragmented MP4 that ffmpeg made, listed as time goes by."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from tests.support.peers import HOST, ffmpeg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PART_S = 0.4
PARTS = 5
"""Parts of a segment."""
LISTED = 6
"""Segments in a playlist."""
HEAD = f"""#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:{round(PART_S * PARTS)}
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={3 * PART_S}
#EXT-X-PART-INF:PART-TARGET={PART_S}
"""


class LowLatency(ThreadingHTTPServer):
    """Serves a folder of parts."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started = time.monotonic() - LISTED * PARTS * PART_S
        self.asked: list[str] = []
        super().__init__((HOST, 0), Handler)

    @property
    def parts(self) -> int:
        """How many parts are there by now."""
        return int((time.monotonic() - self.started) / PART_S)

    def url(self) -> str:
        """The URL of the playlist."""
        return f"http://{HOST}:{self.server_address[1]}/live.m3u8"

    def playlist(self) -> str:
        """The playlist as it is now."""
        parts = self.parts
        last, growing = divmod(parts, PARTS)
        first = max(0, last - LISTED)
        lines = [f"{HEAD}#EXT-X-MEDIA-SEQUENCE:{first}", '#EXT-X-MAP:URI="init.mp4"']
        for number in range(first, last + 1):
            count = PARTS if number < last else growing
            if number > last - 3:
                lines += [self.part(number * PARTS + index) for index in range(count)]
            if number < last:
                lines += [f"#EXTINF:{PARTS * PART_S},", f"s{number}.m4s"]
        lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="p{parts}.m4s"')
        return "\n".join([*lines, ""])

    def part(self, number: int) -> str:
        """The tag of a part."""
        return f'#EXT-X-PART:DURATION={PART_S},URI="p{number}.m4s",INDEPENDENT=YES'

    def wait(self, part: int) -> None:
        """Wait until a part is there."""
        time.sleep(max(0.0, self.started + (part + 1) * PART_S - time.monotonic()))


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, LowLatency)
        server.asked.append(self.path)
        parts = urlsplit(self.path)
        name = parts.path.strip("/")
        if name.endswith(".m3u8"):
            query = parse_qs(parts.query)
            if "_HLS_msn" in query:
                wanted = int(query["_HLS_msn"][0]) * PARTS + int(query.get("_HLS_part", ["0"])[0])
                server.wait(wanted)
            self.send(server.playlist().encode())
        elif name == "init.mp4":
            self.send((server.folder / name).read_bytes())
        elif found := re.fullmatch(r"([ps])(\d+)\.m4s", name):
            number = int(found.group(2))
            whole = found.group(1) == "s"
            numbers = range(number * PARTS, (number + 1) * PARTS) if whole else (number,)
            server.wait(numbers[-1])
            self.send(b"".join((server.folder / f"p{n}.m4s").read_bytes() for n in numbers))

    def send(self, body: bytes) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None: ...


@contextmanager
def low_latency(media: Path, folder: Path) -> Iterator[LowLatency]:
    """A server of a file whose pictures are random-access points every :data:`PART_S`."""
    folder.mkdir()
    with ffmpeg(
        *("-i", str(media), "-c", "copy", "-f", "hls", "-hls_time", str(PART_S)),
        *("-hls_list_size", "0", "-hls_segment_type", "fmp4", "-hls_fmp4_init_filename"),
        *("init.mp4", "-hls_segment_filename", str(folder / "p%d.m4s"), str(folder / "x.m3u8")),
    ) as making:
        assert making.wait() == 0
    with LowLatency(folder) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
