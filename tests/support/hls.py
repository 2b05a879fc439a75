"""A small HLS client that keeps everything it saw, and the playlist rules of RFC 8216.

It follows a media playlist like a player would, fetching each new segment once, and
:func:`faults` then compares the playlists with one another and with the segments.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from statistics import median
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin
from urllib.request import urlopen

from tests.support.judge import judge

EXTINF_SLACK_S = 0.05
"""How far a segment's media may be from its EXTINF: one frame at 25 fps and rounding."""
PICTURES = frozenset({"h264", "hevc"})
FETCH_S = 12.0
"""Longer than a server may block a first playlist request."""


@dataclass(frozen=True)
class Segment:
    """One segment as listed."""

    sequence: int
    uri: str
    duration_s: float
    discontinuity: bool
    program_time: float | None


@dataclass
class Playlist:
    """One fetched media playlist."""

    text: str
    target_s: int = 0
    sequence: int = 0
    discontinuity_sequence: int = 0
    ended: bool = False
    segments: list[Segment] = field(default_factory=list)


def parse(text: str) -> Playlist:
    """Read a media playlist."""
    playlist = Playlist(text)
    duration, discontinuity, program = 0.0, False, None
    for line in text.splitlines():
        name, _, value = line.partition(":")
        match name:
            case "#EXT-X-TARGETDURATION":
                playlist.target_s = int(value)
            case "#EXT-X-MEDIA-SEQUENCE":
                playlist.sequence = int(value)
            case "#EXT-X-DISCONTINUITY-SEQUENCE":
                playlist.discontinuity_sequence = int(value)
            case "#EXTINF":
                duration = float(value.partition(",")[0])
            case "#EXT-X-DISCONTINUITY":
                discontinuity = True
            case "#EXT-X-PROGRAM-DATE-TIME":
                program = datetime.fromisoformat(value).timestamp()
            case "#EXT-X-ENDLIST":
                playlist.ended = True
            case _:
                pass
        if line and not line.startswith("#"):
            number = playlist.sequence + len(playlist.segments)
            playlist.segments.append(Segment(number, line, duration, discontinuity, program))
            duration, discontinuity, program = 0.0, False, None
    return playlist


@dataclass
class HlsRecording:
    """Everything that a client of one stream saw."""

    master: str = ""
    media_url: str = ""
    playlists: list[Playlist] = field(default_factory=list)
    bodies: dict[int, bytes] = field(default_factory=dict)
    """Segments by media sequence number."""
    listed: dict[int, Segment] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def media(self) -> bytes:
        """The segments in order, joined."""
        return b"".join(self.bodies[number] for number in sorted(self.bodies))


class HlsClient:
    """Watches one stream in a thread until stopped."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.recording = HlsRecording()
        self.stopping = threading.Event()
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self) -> HlsClient:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> HlsRecording:
        """End, and hand over what was seen."""
        self.stopping.set()
        self.thread.join(FETCH_S + 3)
        return self.recording

    def wait_for_segments(self, count: int, timeout_s: float) -> bool:
        """Whether that many segments arrived in time."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.recording.bodies) >= count, timeout_s)

    def run(self) -> None:
        """Follow the playlist."""
        recording = self.recording
        while not self.stopping.is_set() and not recording.media_url:
            self.open()
            self.stopping.wait(0.2)
        while not self.stopping.is_set():
            self.poll()
            self.stopping.wait(0.4)

    def open(self) -> None:
        """Fetch the multivariant playlist and choose its first variant."""
        body = self.fetch(self.url)
        if body is None:
            return
        self.recording.errors.clear()
        self.recording.master = body.decode()
        uris = [line for line in body.decode().splitlines() if line and line[0] != "#"]
        is_media = "#EXT-X-TARGETDURATION" in self.recording.master
        self.recording.media_url = self.url if is_media else urljoin(self.url, uris[0])

    def poll(self) -> None:
        """Fetch the media playlist, then what is new in it."""
        body = self.fetch(self.recording.media_url)
        if body is None:
            return
        playlist = parse(body.decode())
        self.recording.playlists.append(playlist)
        for segment in playlist.segments:
            if segment.sequence in self.recording.listed:
                continue
            media = self.fetch(urljoin(self.recording.media_url, segment.uri))
            self.recording.listed[segment.sequence] = segment
            with self.changed:
                self.recording.bodies[segment.sequence] = media or b""
                self.changed.notify_all()

    def fetch(self, url: str) -> bytes | None:
        """The body of a URL; failures are remembered."""
        try:
            with urlopen(url, timeout=FETCH_S) as answer:
                body: bytes = answer.read()
        except HTTPError as error:
            self.recording.errors.append(f"{time.monotonic():.1f} {error.code} {url}")
        except (URLError, OSError) as error:
            self.recording.errors.append(f"{time.monotonic():.1f} {error} {url}")
        else:
            return body
        return None


def faults(recording: HlsRecording) -> list[str]:
    """What the playlists and segments break."""
    found = list(recording.errors)
    if not recording.playlists:
        return [*found, "no media playlist"]
    for playlist in recording.playlists:
        found += playlist_faults(playlist)
    for before, after in pairwise(recording.playlists):
        found += change_faults(before, after)
    found += segment_faults(recording)
    return sorted(set(found))


def playlist_faults(playlist: Playlist) -> list[str]:
    """Rules inside one playlist (RFC 8216, 4.3)."""
    found = []
    if not playlist.text.startswith("#EXTM3U\n"):
        found.append("no #EXTM3U first")
    if playlist.ended:
        found.append("a live playlist has #EXT-X-ENDLIST")
    found += [
        f"{segment.uri}: EXTINF {segment.duration_s} > {playlist.target_s}"
        for segment in playlist.segments
        if round(segment.duration_s) > playlist.target_s
    ]
    for before, after in pairwise(playlist.segments):
        times = before.program_time, after.program_time
        if None in times or after.discontinuity:
            continue
        drift = (after.program_time or 0) - (before.program_time or 0) - before.duration_s
        if abs(drift) > EXTINF_SLACK_S:
            found.append(f"{after.uri}: PROGRAM-DATE-TIME is {drift:+.3f} s off")
    return found


def change_faults(before: Playlist, after: Playlist) -> list[str]:
    """Rules between one playlist and the next (RFC 8216, 6.2.1 and 6.2.2)."""
    found = []
    if after.target_s != before.target_s:
        found.append(f"TARGETDURATION changed from {before.target_s} to {after.target_s}")
    if after.sequence < before.sequence:
        found.append(f"MEDIA-SEQUENCE went from {before.sequence} to {after.sequence}")
    known = {segment.sequence: segment for segment in before.segments}
    for segment in after.segments:
        old = known.get(segment.sequence)
        if old is not None and (old.uri, old.duration_s) != (segment.uri, segment.duration_s):
            found.append(f"segment {segment.sequence} changed: {old.uri} to {segment.uri}")
    gone = [s for s in before.segments if s.sequence < after.sequence]
    tags = sum(segment.discontinuity for segment in gone)
    passed = after.discontinuity_sequence - before.discontinuity_sequence
    if len(gone) == after.sequence - before.sequence and passed != tags:
        found.append(f"DISCONTINUITY-SEQUENCE rose by {passed}, {tags} tags left the playlist")
    return found


def segment_faults(recording: HlsRecording) -> list[str]:
    """Each segment must decode alone, start with a key frame and last as long as it says."""
    found = []
    numbers = sorted(recording.bodies)
    uris = [recording.listed[number].uri for number in numbers]
    if len(set(uris)) != len(uris):
        found.append("a segment name was used twice")
    for number in numbers:
        segment, verdict = recording.listed[number], judge(recording.bodies[number])
        if verdict.decode_errors:
            found.append(f"{segment.uri}: {verdict.decode_errors[0]}")
        pictures = not PICTURES.isdisjoint(verdict.codecs)
        if pictures and not verdict.starts_with_key:
            found.append(f"{segment.uri}: starts without a key frame")
        lasts = [verdict.video_s]
        after = recording.listed.get(number + 1)
        if pictures and after is not None and after.discontinuity:
            # Its last picture may be one that was to be shown behind others, which never came.
            steps = [later - at for at, later in pairwise(verdict.times)]
            lasts.append(verdict.frames * median(steps) if steps else 0.0)
        if pictures and min(abs(s - segment.duration_s) for s in lasts) > EXTINF_SLACK_S:
            found.append(f"{segment.uri}: EXTINF {segment.duration_s}, media {verdict.video_s:.3f}")
    return found
