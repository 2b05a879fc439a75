"""The media port over TLS: curl, both FFmpegs, a browser, and certificates that are renewed."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import Browser
from tests.support.certificates import presented, self_signed
from tests.support.clients import current_ffmpeg
from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import CONFIG, HOST, Streamctl, ffmpeg_publish, stream_toml
from tests.support.process import Process, eventually
from tests.support.tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "curl", "openssl"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=60, video_kbps=1500, gop=25, bframes=2)
HTTP = f'[http]\naddress = "{HOST}:0"\n'


class Secure(Streamctl):
    """A server whose media port speaks TLS."""

    def __init__(self, folder: Path) -> None:
        self.pair = self_signed(folder)
        keys = f'tls_cert = "{self.pair.cert}"\ntls_key = "{self.pair.key}"\n'
        super().__init__(folder, stream_toml(), head=CONFIG.replace(HTTP, HTTP + keys))

    def https(self, path: str) -> str:
        """A URL on the media port."""
        return f"https://{HOST}:{self.port('http')}{path}"

    def presented(self) -> bytes:
        """The certificate that the next client sees."""
        return presented(self.port("http"))


def curl(*arguments: str) -> str:
    argv = [tool("curl"), "-s", "--max-time", "10", *arguments]
    done = subprocess.run(argv, capture_output=True, check=False, timeout=20)
    return done.stdout.decode("latin-1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Iterator[Secure]:
    folder = tmp_path_factory.mktemp("https")
    with (
        Secure(folder) as running,
        ffmpeg_publish(media(RECIPE).path, running.rtmp(), loop=True),
    ):
        running.wait_on_air()
        yield running


def test_addresses_are_told_with_their_scheme(server: Secure) -> None:
    urls = [row["url"] for row in server.stream()["outputs"]]
    assert f"https://HOST:{server.port('http')}/news.flv" in urls
    assert not [url for url in urls if url.startswith("http://")]


def test_curl_trusts_the_certificate_and_keeps_its_connection(server: Secure) -> None:
    trust = ["--cacert", str(server.pair.cert)]
    playlist = server.https("/news/main_stream.m3u8")
    eventually(lambda: "#EXTINF" in curl(*trust, playlist), 40, "a segment")
    uri = re.findall(r"^[^#\n]+$", curl(*trust, playlist), re.MULTILINE)[-1]
    told = ["-o", "/dev/null", "-w", "%{http_code} %{num_connects} %{size_download}\n"]
    segment = [server.https(f"/news/{uri}"), *told]
    lines = curl(*trust, *segment, *segment, *segment).split()
    assert (lines[0::3], lines[1::3]) == (["200"] * 3, ["1", "0", "0"])
    assert len(set(lines[2::3])) == 1
    assert int(lines[2]) > 50_000
    assert curl(playlist) == "", "a stranger's certificate is not trusted"


def test_who_forgets_the_s_is_told(server: Secure) -> None:
    assert "write `https://` in the address" in curl(server.http("/news"))


@pytest.mark.parametrize("path", ["/news/index.m3u8", "/news/mpegts", "/news.flv"])
@pytest.mark.parametrize("program", ["ffmpeg", "current ffmpeg"])
def test_ffmpeg_plays_everything(server: Secure, tmp_path: Path, program: str, path: str) -> None:
    executable = tool("ffmpeg") if program == "ffmpeg" else current_ffmpeg() or tool("ffmpeg")
    copy = tmp_path / "copy.mkv"
    # The option does not reach what a playlist names, the variable not every TLS library.
    trust = ["-tls_verify", "1", "-ca_file", str(server.pair.cert)] if program == "ffmpeg" else []
    argv = [executable, "-v", "warning", "-nostdin", *trust, "-i", server.https(path)]
    environ = {"SSL_CERT_FILE": str(server.pair.cert)}
    with Process([*argv, "-t", "4", "-c", "copy", str(copy)], env=environ) as player:
        assert player.wait(40) == 0, player.describe()
    verdict = judge(copy)
    assert (verdict.decode_errors, verdict.missing) == ([], 0)
    assert verdict.frames > 80


def test_a_browser_plays_hls(server: Secure) -> None:
    with Browser() as browser:
        browser.call("Security.setIgnoreCertificateErrors", ignore=True)
        browser.open(server.https("/news"))
        eventually(lambda: browser.playing().frames > 75, 30, "3 s on the screen")
        playing = browser.playing()
    assert (playing.errors, playing.audio_bytes > 0) == ([], True)


def test_a_renewed_certificate_is_presented_to_the_next_client(
    tmp_path: Path, media: MediaCache
) -> None:
    with (
        Secure(tmp_path) as server,
        ffmpeg_publish(media(RECIPE).path, server.rtmp()),
    ):
        server.wait_on_air()
        old = server.pair.shown
        trusted = tmp_path / "old.pem"
        shutil.copy(server.pair.cert, trusted)
        assert server.presented() == server.pair.shown
        watching = [tool("curl"), "-sN", "--cacert", str(trusted), server.https("/news/mpegts")]
        copy = tmp_path / "watched.ts"
        with Process([*watching, "-o", str(copy)]) as viewer:
            eventually(lambda: copy.exists() and copy.stat().st_size > 10_000, 30, "media")
            self_signed(tmp_path)
            assert server.pair.shown != old
            eventually(lambda: server.presented() == server.pair.shown, 30, "the new one")
            size = copy.stat().st_size
            eventually(lambda: copy.stat().st_size > size + 50_000, 30, "more media")
            assert viewer.running(), "who is connected notices nothing"
