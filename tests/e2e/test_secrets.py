"""A secret that stands anywhere, or is said by anybody, is shown nowhere."""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from tests.support.media import MediaCache, Recipe
from tests.support.peers import HOST, connect, ffmpeg, ffmpeg_publish, stream_toml
from tests.support.ports import free_port
from tests.support.process import eventually
from tests.support.srt import HEAD, SENDERS, SrtServer, bare_call

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "srt-live-transmit"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=60, video_kbps=300, gop=25)
TS_RECIPE = Recipe(seconds=60, video_kbps=300, gop=25, container="ts")
MARK = "zQx"
"""Every secret here contains it, and nothing else does."""


class Secrets:
    """Makes secrets, each of its own."""

    def __init__(self) -> None:
        self.count = 0

    def __getitem__(self, place: str) -> str:
        self.count += 1
        return f"{place}{MARK}{self.count:04d}long"


def head(secret: Secrets) -> str:
    """The server's own part of the configuration."""
    text = HEAD.replace('level = "info"', 'level = "debug"')
    tokens = f'tokens = [{{ name = "ops", value = "{secret["token"]}", scope = "control" }}]'
    text = text.replace("[api]", f"[api]\n{tokens}")
    return f'{text}\n[listeners.rtsp]\naddress = "{HOST}:0"\n'


def streams(secret: Secrets) -> str:
    """Streams with a secret wherever one can stand."""
    nowhere = f"{HOST}:{free_port()}"
    users = (
        f'users = [{{ name = "ann", password = "{secret["user"]}", publish = true, read = true }}]'
    )
    keys = (f'publish_key = "{secret["in"]}"', f'read_key = "{secret["out"]}"', users)
    crypt = '[streams.crypt.srt]\npublish_passphrase = "{}"\nread_passphrase = "{}"\n'
    text = stream_toml("locked", *keys)
    text += stream_toml("crypt") + crypt.format(secret["crypt"], secret["crypt"])
    login = f"me:{secret['password']}@{nowhere}"
    urls = {
        "rtmp": f"rtmp://{login}/live/x?key={secret['key']}",
        "rtsp": f"rtsp://{login}/cam?token={secret['token']}",
        "srt": f"srt://{nowhere}?passphrase={secret['phrase']}&streamid=read:x:me:{secret['id']}",
        "ts": f"http://{login}/x.ts?token={secret['token']}",
        "flv": f"http://{login}/x.flv?password={secret['word']}",
        "hls": f"http://{login}/x.m3u8?secret={secret['word']}",
    }
    for name, url in urls.items():
        text += f'[streams.pull-{name}]\n[[streams.pull-{name}.inputs]]\nurl = "{url}"\n'
        if name in {"ts", "flv"}:
            text += f'headers = {{ "X-Key" = "{secret["header"]}" }}\n'
    pushes = (
        f"rtmp://{nowhere}/live2/{secret['key']}",
        f"rtmp://{login}/app/{secret['key']}?auth={secret['query']}",
        f"srt://{nowhere}?streamid=publish:x:me:{secret['id']}&passphrase={secret['phrase']}",
        f"rtsp://{login}/live/{secret['key']}",
        f"rtsp://{secret['user']}@{nowhere}/live/x",
        f"rtmp://{secret['user']}:@{nowhere}/live/x",
    )
    for number, url in enumerate(pushes):
        text += f'[[streams.locked.push]]\nname = "p{number}"\nurl = "{url}"\n'
    return text


def said(server: SrtServer, path: str, *headers: tuple[str, str], method: str = "GET") -> None:
    """A request to the media port, whatever it is answered."""
    connection = http.client.HTTPConnection(HOST, server.port("http"), timeout=20)
    with suppress(http.client.HTTPException, OSError):
        connection.request(method, path, headers=dict(headers))
        connection.getresponse()
    connection.close()


def rtsp(server: SrtServer, text: str) -> None:
    """A request to the RTSP port."""
    with connect(server.port("rtsp")) as peer:
        peer.sendall(text.replace("\n", "\r\n").encode())
        with suppress(OSError):
            peer.settimeout(1)
            peer.recv(4096)


def guess(server: SrtServer, secret: Secrets, mp4: Path, ts: Path) -> None:
    """Everybody says secrets that are wrong, most of them in the wrong place."""
    for code in ("locked", "nowhere", "pull-ts"):
        key, word, other = secret["key"], secret["pass"], secret["any"]
        for url in (
            server.rtmp(code, f"?key={key}"),
            server.rtmp(code, f"?user=ann&pass={word}&token={other}"),
            server.rtmp(code).replace(f"/{code}", f"?key={key}/{code}"),
        ):
            with ffmpeg_publish(mp4, url) as publisher:
                assert publisher.wait(30) != 0
        for stream_id in (
            f"publish:{code}:ann:{word}",
            f"#!::r={code},m=publish,s={key},x={other}",
        ):
            with SENDERS[0].start(ts, server.srt(stream_id)) as sender:
                eventually(lambda: not sender.running(), 30, "a refusal")
        for suffix in ("/index.m3u8", "/mpegts", "/flv", "", "/none", ".ts"):
            path = f"/{code}{suffix}?key={key}&pass={word}&x={other}"
            said(
                server, path, ("User-Agent", "test"), ("Referer", f"http://x/?key={secret['ref']}")
            )
        login = base64.b64encode(f"ann:{word}".encode()).decode()
        said(server, f"/{code}/index.m3u8", ("Authorization", f"Basic {login}"))
        said(server, f"/{code}/index.m3u8", ("Authorization", f"Bearer {other}"))
        rtsp(
            server,
            f"DESCRIBE rtsp://{HOST}/{code}?key={key} RTSP/1.0\nCSeq: 1\n"
            f"Authorization: Basic {login}\n\n",
        )
        argv = ("-re", "-i", str(mp4), "-c", "copy", "-f", "rtsp")
        where = f"rtsp://ann:{word}@{HOST}:{server.port('rtsp')}/{code}?token={other}"
        with ffmpeg(*argv, where) as publisher:
            assert publisher.wait(30) != 0


def babble(server: SrtServer, secret: Secrets) -> None:
    """Requests that are none, with secrets in them."""
    for text in (
        f"DESCRIBE rtsp://ann:{secret['url']}@{HOST}/locked RTSP/1.0\nCSeq: 1\n\n",
        f"DESCRIBE rtsp://{HOST}:x/{{}}?key={secret['url']} RTSP/1.0\nCSeq: 1\n\n",
        f"NONSENSE {secret['url']}\n\n",
        f"DESCRIBE rtsp://{HOST}/locked RTSP/9.0\nAuthorization: {secret['head']}\n\n",
    ):
        rtsp(server, text)
    for stream_id in (
        f"#!:{{r=locked,s={secret['id']}}}",
        f"#!s={secret['id']}",
        f"#!::r=locked,m=publish,t=file,s={secret['id']}",
        f"#!::m=publish,s={secret['id']}",
        f"publish:../x:ann:{secret['id']}",
        f"publish:?key={secret['id']}",
        f"#!::r=..,p={secret['id']}",
    ):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            assert not bare_call(caller, server.port("srt"), stream_id)
    for line in (
        f"GET /locked?key={secret['url']} HTTP/7.7",
        f"GET http://ann:{secret['url']}@x/locked HTTP/1.1",
        f"BREW /locked?key={secret['url']} HTTP/1.1",
    ):
        with connect(server.port("http")) as peer, suppress(OSError):
            peer.sendall(f"{line}\r\nHost: x\r\nAuthorization {secret['head']}\r\n\r\n".encode())
            peer.settimeout(1)
            peer.recv(4096)


def answer(server: SrtServer, path: str, token: str, method: str = "GET", body: str = "") -> str:
    """What the control port says."""
    connection = http.client.HTTPConnection(HOST, server.port("api"), timeout=20)
    headers = {"Authorization": f"Bearer {token}", "Last-Event-ID": "0"}
    ends = "?follow=0" if path.endswith("/events") else ""
    connection.request(method, path + ends, body=body, headers=headers)
    found = connection.getresponse()
    text = f"{found.status} {found.headers}" + found.read().decode()
    connection.close()
    return text


def test_a_secret_is_shown_nowhere(tmp_path: Path, media: MediaCache) -> None:
    secret = Secrets()
    start = head(secret)
    toml = streams(secret)
    [token] = re.findall(r'value = "([^"]+)"', start)
    [key] = re.findall(r'publish_key = "([^"]+)"', toml)
    shown: list[str] = []
    mp4, ts = media(RECIPE).path, media(TS_RECIPE).path
    with SrtServer(tmp_path, toml, head=start) as server, ExitStack() as stack:
        stack.enter_context(ffmpeg_publish(mp4, server.rtmp("locked", f"?key={key}")))
        server.wait_line("locked: on air|locked.*on air", 30)
        guess(server, secret, mp4, ts)
        babble(server, secret)
        bad = {"inputs": [f"rtmp://me:{secret['doc']}@"], "publish_key": [secret["doc"]]}
        for body in (json.dumps(bad), f'{{"read_key": "{secret["doc"]}'):
            refused = answer(server, "/api/v1/streams/more", token, "PUT", body)
            assert refused.startswith("4")
            shown.append(refused)
        for wrong in (
            f'[streams.x]\ninputs = ["publish:"]\npublish_key = {secret["bare"]}\n',
            f'[streams.x]\ninputs = ["publish:"]\nusers = "{secret["list"]}"\n',
            f'[streams.x]\ninputs = ["rtmp://me:{secret["url"]}@/x"]\n',
            f'[streams.x]\ninputs = ["http://me:{secret["url"]}@x/x.ts"]\nmax_viewers = -1\n',
            stream_toml("x", f'[streams.x.srt]\nread_passphrase = ["{secret["srt"]}"]'),
        ):
            lines = len(server.lines)
            server.rewrite(toml + wrong)
            eventually(
                lambda: any("streams.toml" in line for line in server.lines[lines:]),  # noqa: B023
                15,
                "the mistake is told",
            )
        documents = json.loads(answer(server, "/openapi.json", token).partition("\n\n")[2])
        paths = [path for path in documents["paths"] if "{" not in path]
        paths += ["/", "/metrics", "/api/v1/streams/locked", "/api/v1/streams/pull-ts"]
        shown += [answer(server, path, token) for path in paths]
        eventually(lambda: "pull-hls" in server.output, 30, "every input was tried")
    shown.append(server.output)
    assert "***" in "".join(shown)
    found = {line.strip() for text in shown for line in text.splitlines() if MARK in line}
    assert not found, "\n".join(sorted(found))
