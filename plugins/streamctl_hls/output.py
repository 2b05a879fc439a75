"""The HLS side of one stream: feeds the segmenter, keeps the window, answers requests.

A playlist is rendered once per segment, at its first request, and shared. With ``on_demand``
the packager works from the first request until ``pin_s`` after the last one: HLS viewers come
and go between two polls (RFC 8216 6.3.4), so nobody can be seen to leave.

Access control, CORS, conditional requests and byte ranges are the HTTP server's.
"""

from __future__ import annotations

from binascii import crc32
from typing import TYPE_CHECKING

import anyio

from streamctl.errors import Unsupported
from streamctl.media.packet import Format
from streamctl.sdk.endpoints import Bytes, Wait
from streamctl_hls.page import HLS_JS, player_page
from streamctl_hls.playlist import (
    CONTENT_TYPE,
    media_playlist,
    multivariant_playlist,
    segment_number,
    with_key,
)
from streamctl_hls.segmenter import Segmenter
from streamctl_hls.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamctl.media.packet import Item
    from streamctl.sdk.context import Context, StreamView, Timer
    from streamctl.sdk.endpoints import Handler, HttpRequest, Reply
    from streamctl.sdk.lane import Attachment
    from streamctl_hls.options import HlsOptions

FIRST_SEGMENT_S = 10.0
"""How long a playlist request may wait for the first segment."""
PIN_S = 30.0
"""Least time that an on-demand packager works on after the last request."""
PIN_TARGETS = 3
"""The same in target durations."""
SEQUENCE_EPOCH = 1_700_000_000
"""Unix time from which sequence numbers count. Media sequences start at the seconds since then:
with at most one segment a second they never go back over a restart, and they fit in 32 bits."""
DISCONTINUITY_STEP_S = 600
"""Discontinuity sequences start at this coarser age, for the same reason. They have to stay
small: hls.js uses them as indices of arrays that it copies, and stands still at 10^8."""
FOLDER = "hls/"
"""Where segments lie, relative to the playlists."""
MEDIA_PLAYLIST = "main_stream.m3u8"
PLAYLIST_HEADERS = {"Cache-Control": "max-age=1"}
SEGMENT_HEADERS = {"Cache-Control": "max-age=86400, immutable"}
GONE_HEADERS = {"Cache-Control": "no-store", "Retry-After": "2"}


class HlsOutput:
    """Implements :class:`streamctl.sdk.endpoints.HttpOutput` and a lane reader."""

    def __init__(self, view: StreamView, options: HlsOptions, ctx: Context) -> None:
        self.view = view
        self.options = options
        self.clock = ctx.clock
        self.generation = view.generation
        age = max(0, int(ctx.clock.wall()) - SEQUENCE_EPOCH)
        self.segmenter = Segmenter(options.segment_s, first_number=age)
        self.window = Window(options.window, discontinuity_sequence=age // DISCONTINUITY_STEP_S)
        self._attachment: Attachment | None = None
        self._ready = anyio.Event()
        self._rendered: dict[str, str] = {}
        self._replies: dict[str, Bytes] = {}
        self._last_request = 0.0
        self._pin: Timer | None = None
        self._page = player_page(view.code, view.title)

    def start(self) -> None:
        """Begin to package, unless it is done on demand."""
        if self.options.start == "always":
            self._attach()

    def stop(self) -> None:
        """Release everything; requests that wait are answered."""
        self._detach()
        self._ready.set()

    def feed(self, items: Sequence[Item]) -> None:
        """Take the items of one write of the ``mpegts`` lane."""
        segments = self.segmenter.feed(items, self.clock.wall())
        if segments:
            self.window.add(segments, self.segmenter.target_s)
            self._rendered.clear()
            self._replies.clear()
            if self.segmenter.target_s:
                self._ready.set()

    def routes(self) -> Mapping[str, Handler]:
        """Handlers by suffix after the stream's code."""
        return {
            "": lambda _: self._page,
            "/": lambda _: self._page,
            "/hls.js": lambda _: HLS_JS,
            "/index.m3u8": lambda request: self._playlist("index", request),
            f"/{MEDIA_PLAYLIST}": lambda request: self._playlist("media", request),
            f"/{FOLDER}*": self._segment,
        }

    def status(self) -> Mapping[str, object]:
        """Measured facts."""
        window, grown = self.window, self.segmenter.open
        last = window.listed[-1].duration if window.listed else 0.0
        return {
            "segments": len(window.listed),
            "window_s": round(window.duration, 3),
            "target_duration": self.segmenter.target_s,
            "discontinuities": window.discontinuities,
            "bytes": window.bytes + (grown.size if grown is not None else 0),
            "last_segment_s": round(last, 3),
            "forced_cuts": self.segmenter.forced_cuts,
        }

    def _attach(self) -> None:
        try:
            self._attachment = self.view.attach(Format.MPEGTS, self)
        except Unsupported as error:
            self.view.note("hls", error.message)

    def _detach(self) -> None:
        if self._pin is not None:
            self._pin.cancel()
            self._pin = None
        if self._attachment is not None:
            self._attachment.detach()
            self._attachment = None
        self.segmenter.discard()
        self.window.clear()
        self._rendered.clear()
        self._replies.clear()

    def _touch(self) -> None:
        """Note a request: an on-demand packager starts, and goes on."""
        if self.options.start == "always":
            return
        self._last_request = self.clock.now()
        if self._attachment is None:
            self._attach()
        if self._pin is None:
            self._pin = self.clock.call_later(self._pin_s(), self._look_at_pin)

    def _pin_s(self) -> float:
        return max(PIN_S, PIN_TARGETS * self.segmenter.target_s)

    def _look_at_pin(self) -> None:
        left = self._last_request + self._pin_s() - self.clock.now()
        if left > 0:
            self._pin = self.clock.call_later(left, self._look_at_pin)
            return
        self._detach()
        self._ready = anyio.Event()

    def _playlist(self, name: str, request: HttpRequest) -> Reply:
        self._touch()
        answer = self._answer(name, request)
        if answer is not None:
            return answer
        if self._attachment is None:
            return gone(f"`{self.view.code}` can't be served as HLS")
        if not self.view.on_air():
            return gone(f"`{self.view.code}` is not on air yet")
        return Wait(
            self._ready,
            FIRST_SEGMENT_S,
            lambda: self._answer(name, request) or gone(self._why_late()),
        )

    def _why_late(self) -> str:
        init = self.view.init(Format.MPEGTS)
        if init is not None and not init.tracks:
            return f"`{self.view.code}` has no track that MPEG-TS can carry"
        return f"`{self.view.code}` has no complete segment yet: waiting for a keyframe"

    def _answer(self, name: str, request: HttpRequest) -> Bytes | None:
        """The playlist as it is now; None before the first segment."""
        if not self.segmenter.target_s or not self.window.listed:
            return None
        if key := request.query.get("key", ""):
            return playlist_reply(with_key(self._text(name), key))
        reply = self._replies.get(name)
        if reply is None:
            reply = self._replies[name] = playlist_reply(self._text(name))
        return reply

    def _text(self, name: str) -> str:
        text = self._rendered.get(name)
        if text is None:
            text = self._rendered[name] = RENDER[name](self)
        return text

    def media_playlist(self) -> str:
        """The media playlist as text."""
        return media_playlist(
            self.window,
            target_s=self.segmenter.target_s,
            independent=not self.segmenter.forced_cuts,
            generation=self.generation,
            folder=FOLDER,
        )

    def multivariant_playlist(self) -> str:
        """The multivariant playlist as text."""
        return multivariant_playlist(
            self.view.init(Format.MPEGTS),
            peak_bps=self.window.peak_bps,
            average_bps=self.window.average_bps,
            uri=MEDIA_PLAYLIST,
        )

    def _segment(self, request: HttpRequest) -> Reply:
        self._touch()
        name = request.path.rpartition("/")[2]
        number = segment_number(name, self.generation)
        segment = self.window.get(number) if number is not None else None
        if segment is None:
            return gone(f"no such segment: `{name}`")
        headers = {**SEGMENT_HEADERS, "ETag": f'"{name}"'}
        return Bytes(segment.parts, content_type="video/mp2t", headers=headers)


RENDER: Mapping[str, Callable[[HlsOutput], str]] = {
    "index": HlsOutput.multivariant_playlist,
    "media": HlsOutput.media_playlist,
}


def playlist_reply(text: str) -> Bytes:
    """A playlist as a response."""
    body = text.encode()
    headers = {**PLAYLIST_HEADERS, "ETag": f'"{crc32(body):08x}"'}
    return Bytes(body, content_type=CONTENT_TYPE, headers=headers)


def gone(text: str) -> Bytes:
    """A 404 that says why."""
    return Bytes(
        f"{text}\n".encode(),
        status=404,
        content_type="text/plain; charset=utf-8",
        headers=GONE_HEADERS,
    )
