"""Runs publications against one server and judges what each player saw."""

from __future__ import annotations

import http.client
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support.judge import judge
from tests.support.peers import HOST
from tests.support.ports import free_port, udp_port
from tests.support.process import eventually
from tests.support.seen import Seen, Wanted
from tests.support.srt import HEAD, SrtServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.interop.matrix import Publication
    from tests.support.media import MediaCache
    from tests.support.players import Player, Watch
    from tests.support.process import Process

WATCH_S = 6.0
"""Enough for several groups of pictures and flashes."""
LIMIT_S = 45.0
"""After this long a player has failed; ten seconds are usual."""
ON_AIR_S = 40.0
"""A server looks for a stream that it can't fetch yet at longer and longer intervals."""
REFUSED_S = 4.0
"""A refused player may try once more before it gives up."""
REFUSED = 400
LISTENER = f"""
[listeners.rtsp]
address = "{HOST}:0"
"""


class Server(SrtServer):
    """A server with all its ports."""

    def __init__(self, folder: Path, streams: str) -> None:
        super().__init__(folder, streams, head=HEAD + LISTENER)

    def ready(self, timeout_s: float = 40.0) -> None:
        """Return once every listener is bound."""
        super().ready(timeout_s)
        self.port("rtsp", timeout_s)

    def door(self, protocol: str, code: str) -> str:
        """Where publishers call."""
        match protocol:
            case "srt":
                return self.srt(f"publish:{code}")
            case "rtsp":
                return f"rtsp://{HOST}:{self.port('rtsp')}/live/{code}"
            case _:
                return self.rtmp(code)


@dataclass(frozen=True)
class Cell:
    """What one player saw of one publication."""

    publication: Publication
    player: Player
    state: str
    """ok, refused (as it should be), failed, or not run."""
    text: str
    """What was seen, or why not."""


def ignore(cell: Cell) -> None:
    """Wait for the end to see a cell."""


class Matrix:
    """One server with a stream for each publication."""

    def __init__(
        self, folder: Path, cache: MediaCache, publications: Sequence[Publication]
    ) -> None:
        self.folder, self.cache = folder, cache
        self.codes = {f"p{number}": one for number, one in enumerate(publications)}
        self.wanted: dict[str, Wanted] = {}
        self.doors = {code: door(one.publisher.protocol) for code, one in self.codes.items()}
        """Where publishers send to, or are fetched from, if they don't call the server."""
        self.ears = {
            code: {
                player: f"udp://{HOST}:{udp_port()}"
                for player in one.players
                if player.output == "udp"
            }
            for code, one in self.codes.items()
        }
        """Where players of UDP listen."""
        self.streams = "".join(map(self.stream, self.codes))

    def stream(self, code: str) -> str:
        """The table of a stream."""
        publisher, url = self.codes[code].publisher, self.doors[code] or "publish:"
        if publisher.protocol == "rtp":
            url = url.replace("rtp:", "udp:")
        text = f"[streams.{code}]\n[streams.{code}.hls]\nsegment_s = 1\n"
        text += f'[[streams.{code}.inputs]]\nurl = "{url}"\n'
        if publisher.describe is not None:
            text += f'sdp = "file:{code}.sdp"\n'
        for number, url in enumerate(self.ears[code].values()):
            text += f'[[streams.{code}.push]]\nname = "{number}"\nurl = "{url}"\n'
        return text

    def run(self, *, at_once: int, report: Callable[[Cell], None] = ignore) -> list[Cell]:
        """All cells, some publications at a time.

        Footage comes one at a time: it has more to decode, and players keep to the clock.
        """
        for code, one in self.codes.items():
            self.prepare(code, one)
        footage = [code for code, one in self.codes.items() if one.medium.recipe is None]
        generated = [code for code in self.codes if code not in footage]
        cells: list[Cell] = []
        with Server(self.folder, self.streams) as server:
            for codes, threads in ((generated, at_once), (footage, 1)):
                with ThreadPoolExecutor(threads) as workers:
                    for found in workers.map(lambda code: self.publish(server, code), codes):
                        cells += found
                        for cell in found:
                            report(cell)
            assert server.running(), server.describe()
            assert "Traceback" not in server.output, server.describe()
        return cells

    def prepare(self, code: str, publication: Publication) -> None:
        """Make the file, and see what a perfect player would see of it."""
        publisher, medium = publication.publisher, publication.medium
        path = medium.file(self.cache, publisher.container)
        if publisher.describe is not None and publisher.version():
            sdp = self.folder / f"{code}.sdp"
            publisher.describe(path, medium.codecs, self.doors[code], sdp)
        if medium.name in self.wanted:
            return
        wanted = Wanted(medium.codecs, WATCH_S, medium.fps, medium.recipe)
        if medium.recipe is not None and wanted.video and wanted.audio:
            wanted = replace(wanted, offset_ms=judge(path).offset_ms)
        if medium.recipe is None:
            wanted = replace(wanted, original=judge(path))
        self.wanted[medium.name] = wanted

    def publish(self, server: Server, code: str) -> list[Cell]:
        """Publish once, and let everybody watch."""
        publication = self.codes[code]
        cells = []
        players = []
        for player in publication.players:
            if player.version():
                players.append(player)
            else:
                cells.append(
                    Cell(publication, player, "not run", f"{player.name} is not installed")
                )
        publisher, medium = publication.publisher, publication.medium
        if not publisher.version():
            reason = f"{publisher.name} is not installed"
            return cells + [Cell(publication, one, "not run", reason) for one in players]
        path = medium.file(self.cache, publisher.container)
        target = self.doors[code]
        if not target:
            target = server.door(publisher.protocol, code)
        with publisher.start(path, medium.codecs, target) as process:
            try:
                server.wait_on_air(code, ON_AIR_S)
                # Where a busy machine holds a publisher up, a stream may begin with its sound.
                eventually(lambda: carries(server, code, medium.codecs), ON_AIR_S, "all tracks")
            except AssertionError as error:
                reason = f"not on air: {complaint(process) or error}"
                return cells + [Cell(publication, one, "failed", reason) for one in players]
            return cells + self.watch(server, code, players)

    def watch(self, server: Server, code: str, players: Sequence[Player]) -> list[Cell]:
        """All players of a publication, at the same time."""
        publication = self.codes[code]
        medium = publication.medium
        urls = addresses(server, code)
        if medium.recipe is None and "hls" in urls and medium.carried("hls"):
            # Footage may have longer groups of pictures than players wait for a first segment.
            with suppress(AssertionError):
                eventually(lambda: not refusal(urls["hls"]), LIMIT_S, "a playlist")
        watches: list[tuple[Player, Watch]] = []
        cells = []
        for number, player in enumerate(players):
            folder = self.folder / code / str(number)
            folder.mkdir(parents=True)
            wanted = replace(self.wanted[medium.name], codecs=medium.carried(player.output))
            try:
                url = self.ears[code].get(player) or urls[player.output]
                watches.append((player, player.watch(url, folder, wanted)))
            except (AssertionError, LookupError, OSError) as error:
                cells.append(Cell(publication, player, "failed", f"did not start: {error}"))
        served = [watch for player, watch in watches if medium.carried(player.output)]
        wait_for(served, LIMIT_S)
        wait_for([watch for _, watch in watches], REFUSED_S)
        for player, watch in watches:
            if medium.carried(player.output):
                cells.append(weigh_seen(publication, player, watch.stop()))
            else:
                # A player may be slow to come, and to be refused.
                reason = why(server, code, player.output, urls)
                cells.append(weigh_refusal(publication, player, watch.stop(), reason))
        return cells


def carries(server: Server, code: str, codecs: Sequence[str]) -> bool:
    """Whether a stream has every track of what is published."""
    tracks = server.stream(code)["media"]["tracks"]
    return {track["codec"] for track in tracks}.issuperset(codecs)


def wait_for(watches: Sequence[Watch], timeout_s: float) -> None:
    """Return when everybody has seen enough, or after a time.

    Everybody is asked each time: some players have to be looked at while they play.
    """

    def enough() -> bool:
        answers = [watch.enough() for watch in watches]
        return all(answers)

    with suppress(AssertionError):
        eventually(enough, timeout_s)


def weigh_seen(publication: Publication, player: Player, seen: Seen) -> Cell:
    """The result where a player should play."""
    if not seen.faults:
        return Cell(publication, player, "ok", seen.summary)
    said = [] if seen.summary else [line.strip() for line in seen.output.splitlines()[-1:]]
    return Cell(publication, player, "failed", "; ".join([*seen.faults, *said]))


def weigh_refusal(publication: Publication, player: Player, seen: Seen, reason: str) -> Cell:
    """The result where the server should refuse the player."""
    if seen.summary:
        return Cell(publication, player, "failed", f"not refused: {seen.summary}")
    state = "refused" if reason else "failed"
    return Cell(publication, player, state, reason or "refused without a reason")


def door(protocol: str) -> str:
    """Where a publisher of a protocol sends to, or waits; empty where it calls the server."""
    match protocol:
        case "udp" | "rtp":
            return f"{protocol}://{HOST}:{udp_port()}"
        case "tracks":
            return f"rtp://{HOST}:{udp_port(2)}"
        case "http-ts":
            return f"http://{HOST}:{free_port()}/live.ts"
        case "http-flv":
            return f"http://{HOST}:{free_port()}/live.flv"
        case "hls":
            return f"http://{HOST}:{free_port()}/index.m3u8"
        case "rtsp-pull":
            return f"rtsp://{HOST}:{free_port()}/x"
        case _:
            return ""


def addresses(server: Server, code: str) -> dict[str, str]:
    """The URL of each output of a stream."""
    found = {"srt": server.srt(f"read:{code}")}
    for output in server.stream(code)["outputs"]:
        parts = urlsplit(output["url"])
        if parts.scheme not in ("http", "rtmp", "rtsp"):
            continue
        port = server.port(parts.scheme)
        found[output["kind"]] = f"{parts.scheme}://{HOST}:{port}{parts.path}"
    return found | {"rtsp udp": found["rtsp"]}


def why(server: Server, code: str, output: str, urls: dict[str, str]) -> str:
    """Why an output refuses its viewers; nothing when it does not.

    SRT and UDP have no words for it: the server's log and the stream's status do.
    """
    match output:
        case "srt":
            words = refusal(urls["http-ts"]).partition(": ")[2]
            line = re.compile(rf"srt \S+: {re.escape(words)}")
            with suppress(AssertionError):
                eventually(lambda: words and line.search(server.output), LIMIT_S)
                return words
            return ""
        case "udp":
            said: str = server.stream(code)["media"]["notes"].get("mpegts", "")
            return said
        case _:
            return refusal(urls[output])


def refusal(url: str) -> str:
    """Why an output over HTTP or RTSP refuses its viewers; nothing when it does not."""
    parts = urlsplit(url)
    if parts.scheme == "rtsp":
        return rtsp_refusal(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        if answer.status < REFUSED:
            return ""
        return f"{answer.status}: {answer.read().decode().strip()}"
    finally:
        connection.close()


def rtsp_refusal(url: str) -> str:
    """The same for RTSP, whose reason stands behind the status."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), 10) as connection:
        connection.sendall(f"DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            _, status, reason = answer.readline().decode().strip().split(" ", 2)
    return f"{status}: {reason}" if int(status) >= REFUSED else ""


def complaint(process: Process) -> str:
    """The last thing that a program said."""
    lines = [line for line in process.output.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
