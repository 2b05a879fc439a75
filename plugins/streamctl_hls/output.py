"""The HLS side of one stream: answers requests for what the packager made.

A playlist is rendered once per segment, at its first request, and shared. With ``on_demand``
the packager works from the first request until ``pin_s`` after the last one: HLS viewers come
and go between two polls (RFC 8216 6.3.4), so nobody can be seen to leave.

Access control, CORS, conditional requests and byte ranges are the HTTP server's.
"""

from __future__ import annotations

from binascii import crc32
from functools import partial
from typing import TYPE_CHECKING

import anyio

from streamctl.media.packet import Format
from streamctl.sdk.endpoints import Bytes, Wait
from streamctl_hls.packager import Packager
from streamctl_hls.page import HLS_JS, player_page
from streamctl_hls.playlist import (
    CONTENT_TYPE,
    Listing,
    login_in,
    media_playlist,
    multivariant_playlist,
    with_login,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamctl.sdk.context import Context, StreamView, Timer
    from streamctl.sdk.endpoints import Handler, HttpRequest, Reply
    from streamctl_hls.options import HlsOptions
    from streamctl_hls.segment import Segment

SETTLE_S = 3.0
"""What the engine may hold media for, until the tracks of a publisher are known."""
FIRST_MAX_S = 25.0
"""How long a playlist request may wait for a first segment at most: players and proxies give up
on a silent server, and an on-demand packager must not stop under who waits."""
PIN_S = 30.0
"""Least time that an on-demand packager works on after the last request."""
PIN_TARGETS = 3
"""The same in target durations."""
FOLDER = "hls/"
"""Where segments lie, relative to the playlists."""
MEDIA = "main_stream.m3u8"
DVR_MEDIA = "dvr_stream.m3u8"
PLAYLISTS = ("index.m3u8", MEDIA, "dvr.m3u8", DVR_MEDIA)
PLAYLIST_HEADERS = {"Cache-Control": "max-age=1"}
SEGMENT_HEADERS = {"Cache-Control": "max-age=86400, immutable"}
GONE_HEADERS = {"Cache-Control": "no-store", "Retry-After": "2"}
TEXT = "text/plain; charset=utf-8"


class HlsOutput:
    """Implements :class:`streamctl.sdk.endpoints.HttpOutput`."""

    def __init__(self, view: StreamView, options: HlsOptions, ctx: Context) -> None:
        self.view = view
        self.options = options
        self.clock = ctx.clock
        self.packager = Packager(view, options, ctx.clock, self._renew)
        self._ready = anyio.Event()
        self._rendered: dict[str, str] = {}
        self._replies: dict[str, Bytes] = {}
        self._changed = 0.0
        """Unix time since which the playlists are like this."""
        self._last_request = 0.0
        self._pin: Timer | None = None
        self._page = player_page(view.code, view.title, view.generation / 1000)

    @property
    def memory_bytes(self) -> int:
        """Bytes of segments in memory."""
        return self.packager.memory_bytes

    def start(self) -> None:
        """Begin to package, unless it is done on demand."""
        if self.options.start == "always":
            self.packager.attach()

    def stop(self) -> None:
        """Release everything; requests that wait are answered."""
        self._unpin()
        self.packager.close()
        self._forget_playlists()
        self._ready.set()

    def adjust(self, options: HlsOptions) -> None:
        """Take the options that may change under viewers."""
        started = options.start != self.options.start
        self.options = options
        self.packager.adjust(options)
        if started and options.start == "always":
            self._unpin()
            if not self.packager.running:
                self.packager.attach()
        elif started:
            self._touch()

    def forget(self) -> None:
        """Let all segments go, unless a history is kept; the numbers go on."""
        if self.options.history_s:
            return
        self._let_go()
        if self.options.start == "always":
            self.packager.attach()

    def shrink(self, wanted: int) -> int:
        """Free memory by letting the oldest segments go; the bytes gained."""
        return self.packager.shrink(wanted)

    def routes(self) -> Mapping[str, Handler]:
        """Handlers by suffix after the stream's code."""
        return {
            "": lambda _: self._page,
            "/": lambda _: self._page,
            "/hls.js": lambda _: HLS_JS,
            **{f"/{name}": partial(self._playlist, name) for name in PLAYLISTS},
            f"/{FOLDER}*": self._segment,
        }

    def status(self) -> Mapping[str, object]:
        """Measured facts."""
        return self.packager.status()

    def _renew(self) -> None:
        """The packager has new segments."""
        self._forget_playlists()
        if self.packager.target_s:
            self._ready.set()

    def _forget_playlists(self) -> None:
        self._rendered.clear()
        self._replies.clear()
        self._changed = self.clock.wall()

    def _touch(self) -> None:
        """Note a request: an on-demand packager starts, and goes on."""
        if self.options.start == "always":
            return
        self._last_request = self.clock.now()
        if not self.packager.running:
            self.packager.attach()
        if self._pin is None:
            self._pin = self.clock.call_later(self._pin_s(), self._look_at_pin)

    def _pin_s(self) -> float:
        return max(PIN_S, PIN_TARGETS * self.packager.target_s)

    def _look_at_pin(self) -> None:
        left = self._last_request + self._pin_s() - self.clock.now()
        if left > 0:
            self._pin = self.clock.call_later(left, self._look_at_pin)
            return
        self._let_go()

    def _let_go(self) -> None:
        """Stop packaging; who asks waits for the first segment anew."""
        self._unpin()
        self.packager.detach()
        self._forget_playlists()
        self._ready = anyio.Event()

    def _unpin(self) -> None:
        if self._pin is not None:
            self._pin.cancel()
            self._pin = None

    def _playlist(self, name: str, request: HttpRequest) -> Reply:
        refusal = self.view.refusal(Format.MPEGTS)
        if refusal:
            return sentence(refusal, 406)
        self._touch()
        answer = self._answer(name, request)
        if answer is not None:
            return answer
        if not self.packager.running:
            return sentence(f"`{self.view.code}` can't be served as HLS")
        if not self.view.on_air():
            return sentence(f"`{self.view.code}` is not on air yet")
        # By then the segmenter has cut, whatever comes.
        wait_s = min(self.packager.longest_s + SETTLE_S, FIRST_MAX_S)
        return Wait(self._ready, wait_s, partial(self._late, name, request))

    def _late(self, name: str, request: HttpRequest) -> Bytes:
        """The answer after a wait."""
        return self._answer(name, request) or self._why_late()

    def _why_late(self) -> Bytes:
        code = self.view.code
        refusal = self.view.refusal(Format.MPEGTS)
        if refusal:
            return sentence(refusal, 406)
        init = self.view.init(Format.MPEGTS)
        if init is not None and not init.tracks:
            return sentence(f"`{code}` has no track that MPEG-TS can carry", 406)
        if not self.view.on_air():
            return sentence(f"`{code}` is not on air yet")
        return unavailable(f"`{code}` has no complete segment yet: waiting for a keyframe")

    def _answer(self, name: str, request: HttpRequest) -> Bytes | None:
        """The playlist as it is now; None before the first segment."""
        if not self.packager.target_s or not self.packager.window.listed:
            return None
        if login := login_in(request.query):
            return playlist_reply(with_login(self._text(name), login), self._changed)
        reply = self._replies.get(name)
        if reply is None:
            reply = self._replies[name] = playlist_reply(self._text(name), self._changed)
        return reply

    def _text(self, name: str) -> str:
        text = self._rendered.get(name)
        if text is None:
            text = self._rendered[name] = self._render(name)
        return text

    def _render(self, name: str) -> str:
        window = self.packager.window
        if name == MEDIA:
            return self._media(window.listed)
        if name == DVR_MEDIA:
            return self._media(window.dvr())
        return multivariant_playlist(
            self.view.init(Format.MPEGTS),
            peak_bps=window.peak_bps,
            average_bps=window.average_bps,
            uri=DVR_MEDIA if name == "dvr.m3u8" else MEDIA,
        )

    def _media(self, segments: Sequence[Segment]) -> str:
        packager = self.packager
        return media_playlist(
            Listing(segments, packager.target_s, packager.window.independent), FOLDER
        )

    def _segment(self, request: HttpRequest) -> Reply:
        self._touch()
        name = request.path.rpartition("/")[2]
        segment = self.packager.window.get(name)
        if segment is None:
            return sentence(f"no such segment: `{name}`")
        if segment.parts or self.packager.store is None:
            if segment.reply is None:
                segment.reply = segment_reply(segment, segment.parts)
            return segment.reply
        return self.packager.store.reply(segment, partial(segment_reply, segment), unavailable)


def segment_reply(segment: Segment, body: bytes | Sequence[bytes]) -> Bytes:
    """A segment as a response."""
    headers = {**SEGMENT_HEADERS, "ETag": f'"{segment.name}"'}
    complete = segment.wall + segment.duration
    return Bytes(body, content_type="video/mp2t", headers=headers, modified=complete)


def playlist_reply(text: str, changed: float) -> Bytes:
    """A playlist as a response."""
    body = text.encode()
    headers = {**PLAYLIST_HEADERS, "ETag": f'"{crc32(body):08x}"'}
    return Bytes(body, content_type=CONTENT_TYPE, headers=headers, modified=changed)


def sentence(text: str, status: int = 404) -> Bytes:
    """An answer that says why there is nothing."""
    return Bytes(f"{text}\n".encode(), status=status, content_type=TEXT, headers=GONE_HEADERS)


def unavailable(text: str) -> Bytes:
    """The answer for what can't be had now, but soon."""
    return sentence(text, 503)
