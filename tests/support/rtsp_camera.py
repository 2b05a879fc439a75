"""What a camera of the tests is like: what it says of itself, and what it sends.

Written from RFC 2326, RFC 8866 and RFC 3550 alone, without any code of ours, so that both sides
can't be wrong in the same way.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

SPS = bytes.fromhex("6742c00ad90426c044000003000400000300c83c489920")
"""Baseline profile, 64x64, 25 frames per second."""
PPS = bytes.fromhex("68cb83cb20")
IDR = "6588840cf2628001b939393aebaebaebaebaebaebc"
SLICES = (
    "419a3819e118 419a54067846 419a6033c230 419a8033c230 419aa033c230 419ac033c230 419ae033c230 "
    "419b0033c230 419b2033c230 419b4033c230 419b6033c230 419b8033c230 419ba033c230 419bc033c230 "
    "419be033c230 419a0033c230 419a2033c230 419a4033c230 419a6033c230 419a8033c230 419aa033c230 "
    "419ac02fc230 419ae02fc230 419b002bc230"
)
PICTURES = [bytes.fromhex(text) for text in (IDR, *SLICES.split())]
"""A second of grey, one slice each."""
GOP = len(PICTURES)
VIDEO_TYPE = 96
SSRC = 0x1234_5678
PORT = "{port}"
"""Stands for the server's port in headers and descriptions that a test makes up."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a camera says to a request instead of what it should."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


Script = Callable[["Asked"], Answer | None]
"""Decides on an answer; None = the usual one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    uri: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    connection: int
    """Number of the connection, from 1 on."""


@dataclass(frozen=True, slots=True)
class Camera:
    """How a camera behaves; by default without a fault."""

    sprop: bool = True
    """The description has the parameter sets."""
    in_band: bool = True
    """The stream has them, too."""
    rtpmap: bool = True
    """The description names even what a static payload type says by itself."""
    clock_rate: int = 90_000
    """As declared; the pictures' is 90 kHz whatever this says."""
    audio: bool = False
    """A second track of G.711 A-law, payload type 8."""
    control: str = "relative"
    """``relative``, ``absolute``, ``rooted``, ``star``, ``query`` or ``missing``."""
    content_base: str = "slash"
    """``slash``, ``plain``, ``location``, ``wrong`` or ``absent``."""
    description: str = ""
    """The whole description, instead of one that is made of the above."""
    auth: str = ""
    """``basic``, ``digest``, ``sha256`` or ``both``; empty = everybody is let in."""
    login: tuple[str, str] = ("admin", "s3cret pass")
    nonce_uses: int = 0
    """After so many requests a nonce is stale; 0 = never."""
    transports: frozenset[str] = frozenset({"tcp", "udp"})
    """``tcp``, ``udp``, ``multicast``."""
    channels: int = 0
    """The first interleaved channel that it gives, whatever was asked for."""
    source: str = ""
    """The address that it says that media comes from; it comes from 127.0.0.1 whatever it says."""
    timeout_s: int = 60
    """As announced with the session; 0 = not at all."""
    keep_alive: frozenset[str] = frozenset({"OPTIONS", "GET_PARAMETER"})
    """Methods that prolong a session; others don't, nor does RTCP."""
    public: str = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER"
    reaps: bool = False
    """Sessions end when nothing prolongs them."""
    early: bool = False
    """Media begins before the answer to PLAY."""
    rtp_info: bool = True
    rtcp: bool = True
    """Sender reports come with the media."""
    restart_at: int = 0
    """Before this picture the sequence numbers, the timestamps and the source begin anew."""
    pictures: int = 0
    """After so many it stops; 0 = never."""
    at_end: str = "silence"
    """``silence``, ``close``, ``bye``, ``garbage`` or ``dollars``."""
    tunnel_status: int = 200
    """The answer of HTTP to who would open a tunnel."""
    silent: frozenset[str] = frozenset()
    """Methods that are never answered."""
    script: Script | None = None
    frames_per_s: int = 250
    """How fast the pictures leave; their timestamps are those of 25."""

    def sdp(self, base: str) -> str:
        """The session's description."""
        if self.description:
            return self.description
        whole = "*" if self.control == "star" else ""
        lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=camera", "c=IN IP4 0.0.0.0", "t=0 0"]
        if whole:
            lines.append("a=control:*")
        lines += [f"m=video 0 RTP/AVP {VIDEO_TYPE}"]
        lines += [f"a=rtpmap:{VIDEO_TYPE} H264/{self.clock_rate}"]
        sets = ",".join(base64.b64encode(one).decode() for one in (SPS, PPS))
        fmtp = f"packetization-mode=1;sprop-parameter-sets={sets}"
        lines.append(f"a=fmtp:{VIDEO_TYPE} {fmtp if self.sprop else 'packetization-mode=1'}")
        lines += self._control(base, 0)
        if self.audio:
            lines.append("m=audio 0 RTP/AVP 8")
            lines += ["a=rtpmap:8 PCMA/8000"] if self.rtpmap else []
            lines += self._control(base, 1)
        return "\r\n".join([*lines, ""])

    def _control(self, base: str, number: int) -> list[str]:
        names = {
            "relative": f"trackID={number}",
            "star": f"trackID={number}",
            "absolute": f"{base}/trackID={number}",
            "rooted": f"/cam/trackID={number}",
            "query": f"{base}?track={number}",
        }
        return [f"a=control:{names[self.control]}"] if self.control in names else []

    def base_header(self, base: str) -> dict[str, str]:
        """What the controls are relative to, as the answer to DESCRIBE says it."""
        return {
            "slash": {"Content-Base": f"{base}/"},
            "plain": {"Content-Base": base},
            "location": {"Content-Location": f"{base}/"},
            "wrong": {"Content-Base": "rtsp://192.0.2.1/unreachable/"},
        }.get(self.content_base, {})


class Track:
    """One track of RTP that a camera sends."""

    def __init__(self, payload_type: int, ssrc: int, clock_rate: int) -> None:
        self.payload_type = payload_type
        self.ssrc = ssrc
        self.clock_rate = clock_rate
        self.sequence = 65_500
        self.timestamp = 0xFFFF_0000
        self.packets = self.octets = 0

    def rtp(self, payload: bytes, *, marker: bool) -> bytes:
        """The next packet."""
        first = 0x80, self.payload_type | (0x80 if marker else 0)
        head = struct.pack(">BBHII", *first, self.sequence, self.timestamp, self.ssrc)
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.packets += 1
        self.octets += len(payload)
        return head + payload

    def report(self, seconds: float) -> bytes:
        """A sender report with a name (RFC 3550 section 6.4.1)."""
        ntp = int((3_900_000_000 + seconds) * 2**32)
        numbers = self.ssrc, ntp, self.timestamp, self.packets, self.octets
        name = struct.pack(">IBB", self.ssrc, 1, 3) + b"cam" + bytes(3)
        return (
            struct.pack(">BBHIQIII", 0x80, 200, 6, *numbers)
            + struct.pack(">BBH", 0x81, 202, len(name) // 4)
            + name
        )

    def goodbye(self) -> bytes:
        """The end of the source (RFC 3550 section 6.6)."""
        return self.report(0) + struct.pack(">BBHI", 0x81, 203, 1, self.ssrc)

    def restart(self) -> None:
        """Begin anew, as after a restart of the camera."""
        self.sequence, self.timestamp, self.ssrc = 7, 1000, self.ssrc + 1


class Film:
    """The media of one viewer: (track, control, datagram) in order, without an end."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.tracks = [Track(VIDEO_TYPE, SSRC, 90_000)]
        if camera.audio:
            self.tracks.append(Track(8, SSRC + 100, 8000))

    def picture(self, number: int) -> list[tuple[int, bool, bytes]]:
        """A picture with its sound; reports stand before the first one and then once a GOP."""
        if number and number == self.camera.restart_at:
            for track in self.tracks:
                track.restart()
        found = []
        if number % GOP == 0 and self.camera.rtcp:
            found += [(at, True, t.report(number / 25)) for at, t in enumerate(self.tracks)]
        video = self.tracks[0]
        if number % GOP == 0 and self.camera.in_band:
            found += [(0, False, video.rtp(one, marker=False)) for one in (SPS, PPS)]
        found.append((0, False, video.rtp(PICTURES[number % GOP], marker=True)))
        for track in self.tracks[1:]:
            found.append((1, False, track.rtp(b"\xd5" * 320, marker=False)))
        for track in self.tracks:
            track.timestamp = (track.timestamp + track.clock_rate // 25) & 0xFFFF_FFFF
        return found
