"""Sources and destinations of every kind that is installed, for commands to be tried with.

The kinds are those of the plugins: one that is added later needs a peer here.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.registry import Registry
from tests.support.doors import Doors
from tests.support.media import MediaCache, Recipe
from tests.support.peers import CONFIG, HOST, Streamctl, ffmpeg_publish, stream_toml
from tests.support.ports import udp_port
from tests.support.process import Process, eventually
from tests.support.rtp import ffmpeg_rtp
from tests.support.srt import SENDERS as SRT_SENDERS
from tests.support.udp import SENDERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RECIPE = Recipe(seconds=60, video_kbps=300, gop=25)
TS_RECIPE = Recipe(seconds=60, video_kbps=300, gop=25, container="ts")
SECRET = "zQx-s3cret"
LOCK = (
    f'users = [{{ name = "bob", password = "{SECRET}", read = true }},',
    f'{{ name = "ann", password = "{SECRET}", publish = true }}]',
)
KEYED = f"?user=bob&pass={SECRET}"
ENOUGH_BYTES = 20_000
REGISTRY = Registry()


def forms(capability: str) -> list[str]:
    """The schemes of URLs, with a forced kind where it takes one, that can do something."""
    found = [plugin for plugin in REGISTRY.statuses() if capability in plugin.capabilities]
    return [
        scheme
        for plugin in found
        for scheme in plugin.schemes or (f"{plugin.kind}+http", f"{plugin.kind}+https")
    ]


@dataclass(frozen=True)
class Source:
    """A source for one command."""

    url: str
    feed: Callable[[], Process] | None = None
    """Who sends, once the command listens."""
    port: int = 0
    """Where it does."""


class Origin:
    """What sources come from: servers with a stream on air, and files."""

    def __init__(self, doors: Doors, tls: Streamctl, mp4: Path, ts: Path, folder: Path) -> None:
        self.doors = doors
        self.tls = tls
        self.mp4 = mp4
        self.ts = ts
        self.folder = folder
        self.stack = ExitStack()
        self.count = 0

    def over_http(self, path: str) -> str:
        return f"{self.doors.http(path)}{KEYED}"

    def over_https(self, path: str) -> str:
        return f"https://{HOST}:{self.tls.port('http')}{path}{KEYED}"

    def called(self) -> Source:
        """SRT that waits for a caller."""
        port = udp_port()
        url = f"srt://{HOST}:{port}"
        return Source(
            f"{url}?mode=listener", lambda: SRT_SENDERS[0].start(self.ts, f"{url}?x=y"), port
        )

    def sent(self, name: str, url: str) -> Source:
        """Datagrams."""
        port = udp_port()
        return Source(url.format(port=port), lambda: SENDERS[name](self.ts, HOST, port), port)

    def described(self) -> Source:
        """RTP with a description."""
        self.count += 1
        sdp = self.folder / f"{self.count}.sdp"
        video, audio = udp_port(2), udp_port(2)
        self.stack.enter_context(ffmpeg_rtp(self.mp4, video, audio, sdp=sdp))
        eventually(lambda: sdp.exists() and "config=" in sdp.read_text(), 20, "a description")
        return Source(f"rtp://{HOST}?sdp=file:{sdp}")


INPUTS: dict[str, tuple[Callable[[Origin], Source], ...]] = {
    "file": (lambda o: Source(f"file:{o.mp4}"),),
    "rtmp": (lambda o: Source(o.doors.rtmp("news", KEYED)),),
    "rtmps": (lambda o: Source(o.doors.rtmps(f"live/news{KEYED}")),),
    "rtsp": (lambda o: Source(o.doors.rtsp("news", f"bob:{SECRET}@")),),
    "rtsps": (lambda o: Source(o.doors.rtsps("news", f"bob:{SECRET}@")),),
    "srt": (lambda o: Source(o.doors.srt(f"read:news:bob:{SECRET}")), Origin.called),
    "udp": (
        lambda o: o.sent("ffmpeg", f"udp://{HOST}:{{port}}"),
        lambda o: o.sent("ffmpeg, RTP", "udp://:{port}"),
    ),
    "rtp": (Origin.described,),
    "hls+http": (lambda o: Source(o.over_http("/news/index.m3u8")),),
    "hls+https": (lambda o: Source(o.over_https("/news/index.m3u8")),),
    "http-ts+http": (lambda o: Source(o.over_http("/news.ts")),),
    "http-ts+https": (lambda o: Source(o.over_https("/news/mpegts")),),
    "http-flv+http": (lambda o: Source(o.over_http("/news.flv")),),
    "http-flv+https": (lambda o: Source("http-flv+" + o.over_https("/news/flv")),),
}
"""Sources of each form, in each way that it can be had."""
WITHIN = frozenset({"copy", "mixer"})
"""What takes streams of the server that it runs in."""
TLS = ("rtmps", "rtsps", "hls+https", "http-ts+https", "http-flv+https")


def command(*words: str, trusts: Path | None = None) -> Process:
    """A command, as a user types it."""
    env = {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    if trusts is not None:
        env["SSL_CERT_FILE"] = str(trusts)
    return Process([sys.executable, "-m", "streamctl", *words], env=env)


@contextmanager
def origin_in(folder: Path, media: MediaCache) -> Iterator[Origin]:
    """Everything at work."""
    (folder / "tls").mkdir()
    mp4, ts = media(RECIPE).path, media(TS_RECIPE).path
    targets = "".join(
        stream_toml(f"{way}-{form}", " ".join(LOCK))
        for way in ("command", "config")
        for form in forms("push")
    )
    with (
        Doors(folder, stream_toml("news", " ".join(LOCK)) + targets) as doors,
        ffmpeg_publish(mp4, doors.rtmp("news", f"?user=ann&pass={SECRET}"), loop=True),
    ):
        files = f'tls_cert = "{doors.pair.cert}"\ntls_key = "{doors.pair.key}"\n'
        relay = f'[streams.news]\ninputs = ["{doors.rtmp("news", KEYED)}"]\n{" ".join(LOCK)}\n'
        head = CONFIG.replace("[http]\n", f"[http]\n{files}")
        with Streamctl(folder / "tls", relay, head=head) as tls:
            doors.wait_on_air()
            tls.wait_on_air()
            made = Origin(doors, tls, mp4, ts, folder)
            with made.stack:
                yield made
