"""A camera as a server, in threads of the test: RTSP 1.0 without any code of ours.

What it is like is :class:`~tests.support.rtsp_camera.Camera`'s matter. It takes pushes, too, and
keeps what it was sent. Specifications: RFC 2326, RFC 7616 (logins); the tunnel through HTTP is
Apple's, as cameras have it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import socket
import ssl
import struct
import threading
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from tests.support.peers import HOST
from tests.support.ports import free_port
from tests.support.rtsp_camera import PORT, Answer, Asked, Camera, Film
from tests.support.rtsp_transport import Decoded, UdpPair

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.certificates import Pair
    from tests.support.rtsp_transport import Kept, Reading

REALM = "camera"
PATIENCE = 4
LOOK_S = 0.1
"""How long a machine that stands still can make a wait seem at most."""
GROUP = "239.255.99.7"
PHRASES = {200: "OK", 301: "Moved Permanently", 302: "Moved Temporarily", 401: "Unauthorized"}
PHRASES |= {404: "Not Found", 454: "Session Not Found", 461: "Unsupported Transport"}
FIELD = re.compile(r'(\w+)="?([^",]*)"?')


class CameraServer:
    """One camera on a free port of 127.0.0.1."""

    def __init__(self, camera: Camera | None = None, *, tls: Pair | None = None) -> None:
        self.camera = camera or Camera()
        self.asked: list[Asked] = []
        """Every request, of all connections."""
        self.reports: list[bytes] = []
        """RTCP that clients sent."""
        self.recorded: dict[int, list[bytes]] = defaultdict(list)
        """RTP that clients pushed, by track."""
        self.announced = ""
        """The description of the last push."""
        self.connections = 0
        self.open: set[Talk] = set()
        self.tunnels: dict[str, Talk] = {}
        self.tls: ssl.SSLContext | None = None
        if tls is not None:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(tls.cert, tls.key)
        self.listening = socket.create_server((HOST, 0))
        self.port: int = self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        for talk in list(self.open):
            talk.close()
        self.thread.join(5)

    def url(self, path: str = "cam", login: str = "") -> str:
        """Where it is."""
        scheme = "rtsps" if self.tls else "rtsp"
        return f"{scheme}://{f'{login}@' if login else ''}{HOST}:{self.port}/{path}"

    def methods(self) -> list[str]:
        """The methods that were asked for, in order."""
        return [one.method for one in self.asked]

    def requests(self, method: str) -> list[Asked]:
        """The requests of one method."""
        return [one for one in self.asked if one.method == method]

    def accept(self) -> None:
        """Take connections until closed."""
        with suppress(OSError):
            while True:
                connection, _ = self.listening.accept()
                self.connections += 1
                talk = Talk(self, connection, self.connections)
                self.open.add(talk)
                threading.Thread(target=talk.run, daemon=True).start()


class Talk:
    """One connection of a client."""

    def __init__(self, server: CameraServer, connection: socket.socket, number: int) -> None:
        self.server = server
        self.camera = server.camera
        self.connection = connection
        self.number = number
        self.sending = threading.Lock()
        self.ended = threading.Event()
        self.base = ""
        self.session = ""
        self.nonce, self.uses = "", 0
        self.prolonged = threading.Event()
        self.film = Film(self.camera)
        self.channels: dict[int, int] = {}
        """Interleaved channels of RTP by track."""
        self.sockets: dict[int, UdpPair] = {}
        self.order: list[str] = []
        """Controls in the order of their SETUP."""
        self.output = self
        """Where answers go: another connection in a tunnel."""

    def close(self) -> None:
        """Cut the connection."""
        self.ended.set()
        self.prolonged.set()
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()
        for pair in self.sockets.values():
            pair.close()

    def write(self, data: bytes) -> None:
        """Send whole messages; of several threads one at a time."""
        with self.sending, suppress(OSError):
            self.output.connection.sendall(data)

    def run(self) -> None:
        """Serve the connection until its end."""
        with suppress(OSError):
            if self.server.tls is not None:
                self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.connection.makefile("rb") as reading:
                self.listen(reading)
        self.close()
        self.server.open.discard(self)

    def listen(self, reading: Reading) -> None:
        """Read messages until the client has no more."""
        while first := reading.read(1):
            if first == b"$":
                channel, size = struct.unpack(">BH", reading.read(3))
                self.take_frame(channel, reading.read(size))
                continue
            line = (first + reading.readline()).decode("latin-1").strip()
            if not line:
                continue
            headers: dict[str, str] = {}
            while text := reading.readline().decode("latin-1").strip():
                name, _, value = text.partition(":")
                headers[name.strip().lower()] = value.strip()
            method, uri, version = (*line.split(" "), "", "")[:3]
            if version.startswith("HTTP/"):
                self.tunnel(method, headers, reading)
                return
            body = reading.read(int(headers.get("content-length", 0)))
            if method.startswith("RTSP/"):
                continue
            asked = Asked(method, uri, headers, body, self.number)
            self.server.asked.append(asked)
            self.serve(asked)

    def tunnel(self, method: str, headers: Mapping[str, str], reading: Reading) -> None:
        """Be one half of a tunnel."""
        cookie = headers.get("x-sessioncookie", "")
        if method == "GET":
            self.server.tunnels[cookie] = self
            kind = "Content-Type: application/x-rtsp-tunnelled"
            status = self.camera.tunnel_status
            self.write(f"HTTP/1.0 {status} X\r\nConnection: close\r\n{kind}\r\n\r\n".encode())
            while reading.read(1):
                continue
        else:
            self.output = self.server.tunnels[cookie]
            self.listen(Decoded(reading))

    def take_frame(self, channel: int, data: bytes) -> None:
        """Keep what a client sent between the messages."""
        for track, rtp in self.channels.items():
            if channel == rtp:
                self.server.recorded[track].append(data)
            elif channel == rtp + 1:
                self.server.reports.append(data)

    def serve(self, asked: Asked) -> None:
        """Answer a request, and do what it asks for."""
        camera = self.camera
        if asked.method in camera.keep_alive:
            self.prolonged.set()
        if asked.method in camera.silent:
            return
        answer = camera.script(asked) if camera.script else None
        if answer is None:
            answer = self.refusal(asked) or self.usual(asked)
        playing = asked.method == "PLAY" and answer.status == 200
        if playing and camera.early:
            self.send_picture(0)
        self.answer(asked, answer)
        if playing:
            self.play_soon(1 if camera.early else 0)
        if asked.method == "TEARDOWN":
            self.ended.set()

    def answer(self, asked: Asked, answer: Answer) -> None:
        """Send an answer."""
        port = str(self.server.port)
        body = answer.body.replace(PORT, port).encode()
        lines = [f"RTSP/1.0 {answer.status} {PHRASES.get(answer.status, 'Whatever')}"]
        lines.append(f"CSeq: {asked.headers.get('cseq', '')}")
        for name, value in answer.headers.items():
            lines += [f"{name}: {one.replace(PORT, port)}" for one in value.split("\n")]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def usual(self, asked: Asked) -> Answer:
        """What a request is answered by a camera without a script."""
        match asked.method:
            case "OPTIONS":
                return Answer(200, {"Public": self.camera.public})
            case "DESCRIBE":
                self.base = asked.uri.rstrip("/")
                headers = {"Content-Type": "application/sdp"}
                headers |= self.camera.base_header(self.base)
                return Answer(200, headers, self.camera.sdp(self.base))
            case "ANNOUNCE":
                self.server.announced = asked.body.decode()
                return Answer(200)
            case "SETUP":
                return self.set_up(asked)
            case _:
                return self.in_session(asked)

    def in_session(self, asked: Asked) -> Answer:
        """The answer to what needs a session."""
        named = asked.headers.get("session", "").partition(";")[0]
        if named != self.session and (named or asked.method != "GET_PARAMETER"):
            return Answer(454)
        headers = {"Session": self.session}
        if asked.method == "PLAY" and self.camera.rtp_info:
            tracks = zip(self.order, self.film.tracks, strict=False)
            first = [f"url={uri};seq={track.sequence}" for uri, track in tracks]
            headers["RTP-Info"] = ",".join(first)
        return Answer(200, headers)

    def set_up(self, asked: Asked) -> Answer:
        """Agree on the transport of one track."""
        camera, wanted = self.camera, asked.headers.get("transport", "").split(",")[0]
        kind = "tcp" if "/TCP" in wanted else "multicast" if "multicast" in wanted else "udp"
        if kind not in camera.transports:
            return Answer(461)
        track = len(self.order)
        found = re.search(r"(\d+)$", asked.uri)
        if found is not None and "=" in asked.uri:
            track = int(found[1])
        self.order.append(asked.uri)
        self.session = self.session or secrets.token_hex(4)
        timeout = f";timeout={camera.timeout_s}" if camera.timeout_s else ""
        if kind == "tcp":
            given = re.search(r"interleaved=(\d+)", wanted)
            channel = int(given[1]) if given else 0
            if camera.channels:
                channel = camera.channels + 2 * track
            self.channels[track] = channel
            transport = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
        elif kind == "multicast":
            port = free_port() & ~1
            self.sockets[track] = UdpPair((port, port + 1), self.kept(track), GROUP)
            transport = f"RTP/AVP;multicast;destination={GROUP};port={port}-{port + 1};ttl=1"
        else:
            ports = re.search(r"client_port=(\d+)-(\d+)", wanted)
            assert ports is not None, wanted
            pair = self.sockets[track] = UdpPair((int(ports[1]), int(ports[2])), self.kept(track))
            transport = f"RTP/AVP;unicast;client_port={ports[1]}-{ports[2]};{pair.transport}"
            if camera.source:
                transport += f";source={camera.source}"
        return Answer(200, {"Session": self.session + timeout, "Transport": transport})

    def kept(self, track: int) -> Kept:
        """Where RTP and RTCP of a client are kept."""
        return self.server.recorded[track].append, self.server.reports.append

    def refusal(self, asked: Asked) -> Answer | None:
        """What a client without the right login gets."""
        kind, (user, password) = self.camera.auth, self.camera.login
        if not kind or asked.method == "OPTIONS":
            return None
        said = asked.headers.get("authorization", "")
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        if kind == "basic" and said == f"Basic {pair}":
            return None
        stale = False
        if said.startswith("Digest "):
            fields = dict(FIELD.findall(said))
            if fields.get("response") == self.expected(asked, fields, kind == "sha256"):
                self.uses += 1
                stale = bool(self.camera.nonce_uses) and self.uses > self.camera.nonce_uses
                if not stale:
                    return None
        return Answer(401, {"WWW-Authenticate": "\n".join(self.challenges(stale))})

    def challenges(self, stale: bool) -> list[str]:
        """The ways to log in."""
        kind = self.camera.auth
        self.nonce, self.uses = secrets.token_hex(8), 0
        found = []
        if kind in {"basic", "both"}:
            found.append(f'Basic realm="{REALM}"')
        if kind in {"digest", "sha256", "both"}:
            more = ", stale=true" if stale else ""
            more += ", algorithm=SHA-256" if kind == "sha256" else ""
            found.append(f'Digest realm="{REALM}", nonce="{self.nonce}"{more}')
        return found

    def expected(self, asked: Asked, fields: Mapping[str, str], sha256: bool) -> str:
        """The right answer to the challenge (RFC 2069's form: without ``qop``)."""
        user, password = self.camera.login
        if fields.get("nonce") != self.nonce or fields.get("uri") != asked.uri:
            return "another"

        def digest(text: str) -> str:
            data = text.encode()
            return (hashlib.sha256(data) if sha256 else hashlib.md5(data)).hexdigest()

        first = digest(f"{user}:{REALM}:{password}")
        return digest(f"{first}:{self.nonce}:{digest(f'{asked.method}:{asked.uri}')}")

    def play_soon(self, number: int = 0) -> None:
        """Begin to send pictures."""
        threading.Thread(target=self.play, args=(number,), daemon=True).start()

    def play(self, number: int) -> None:
        """Send pictures until something ends it."""
        camera = self.camera
        if camera.reaps:
            threading.Thread(target=self.reap, daemon=True).start()
        while not self.ended.wait(1 / camera.frames_per_s):
            if camera.pictures and number >= camera.pictures:
                break
            self.send_picture(number)
            number += 1
        self.finish()

    def send_picture(self, number: int) -> None:
        """Send a picture and what belongs to it."""
        for track, control, data in self.film.picture(number):
            self.send(track, control, data)

    def send(self, track: int, control: bool, data: bytes) -> None:
        """Send one packet the way that its track was set up."""
        if track in self.channels:
            channel = self.channels[track] + control
            self.write(struct.pack(">cBH", b"$", channel, len(data)) + data)
        elif track in self.sockets:
            self.sockets[track].send(control, data)

    def finish(self) -> None:
        """End as the camera does."""
        match self.camera.at_end:
            case "close":
                self.close()
            case "bye":
                for at, track in enumerate(self.film.tracks):
                    self.send(at, True, track.goodbye())
            case "garbage":
                self.write(b"\x00\x01garbage" * 20_000)
            case "dollars":
                while not self.ended.is_set():
                    self.write(b"$" * 65_536)
            case _:
                return

    def reap(self) -> None:
        """End the session when nothing prolongs it; machines of tests stall at times."""
        looks = round(PATIENCE * self.camera.timeout_s / LOOK_S)
        while any(self.prolonged.wait(LOOK_S) for _ in range(looks)):
            self.prolonged.clear()
        self.close()
