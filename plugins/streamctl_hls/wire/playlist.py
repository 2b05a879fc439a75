"""Playlists as values: multivariant ones with their renditions, media playlists with their parts.

Lines are taken apart by the library ``m3u8``; only tags that matter for fetching reach it, so that
an odd date or advertisement can't spoil a playlist. What is fetched when is left to others.

Specification: RFC 8216bis, sections 4 and 6.3.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from m3u8 import parser

from streamctl.errors import RemoteProtocolError
from streamctl_hls.wire.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 4 << 20
"""Of one playlist: a day of two-second segments behind long URLs has half of it."""
MAX_LINES = 200_000
"""The same in lines: a day of two-second segments with a date each."""
MAX_LINE_CHARS = 16_384
"""Keys inside ``data:`` URLs and signed addresses stay below 8192."""
MAX_SEGMENT_S = 3600.0
"""Longest segment that is believed."""
MAX_NUMBER = 1 << 63
"""Sequence numbers have 64 bits (section 4.2)."""
FETCHED = frozenset(
    {
        *("EXT-X-BYTERANGE", "EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE", "EXT-X-DISCONTINUITY"),
        *("EXT-X-KEY", "EXTINF", "EXT-X-STREAM-INF", "EXT-X-MEDIA", "EXT-X-ENDLIST", "EXT-X-MAP"),
        *("EXT-X-SERVER-CONTROL", "EXT-X-PART-INF", "EXT-X-PART", "EXT-X-SKIP"),
        *("EXT-X-PRELOAD-HINT", "EXT-X-GAP", "EXT-X-PLAYLIST-TYPE"),
    }
)
"""Tags that say what is to be fetched."""
RANGE = re.compile(r"(\d{1,18})(?:@(\d{1,18}))?")
IV = re.compile(r"0[xX]([0-9A-Fa-f]{1,32})")
RESOLUTION = re.compile(r"(\d{1,5})x(\d{1,5})")
START = re.compile(r"TIME-OFFSET=([+-]?\d{1,9}(?:\.\d{1,9})?)(?![\d.])")
KEY_FORMAT = re.compile(r'KEYFORMAT="([^"]*)"')
IDENTITY = "identity"
"""Of keys that are fetched as they are (section 4.4.4.4)."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a resource."""

    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Key:
    """How segments are encrypted."""

    method: str
    """``AES-128``, or one that is not supported."""
    url: str
    iv: bytes | None
    """16 bytes; None = the media sequence number."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Something to fetch."""

    url: str
    span: Span | None = None
    """None = all of it."""


@dataclass(frozen=True, slots=True)
class Map:
    """The media initialization section that segments need."""

    at: Resource
    key: Key | None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a segment."""

    at: Resource
    duration_s: float
    independent: bool
    gap: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as listed; the last one of a playlist may have parts only."""

    sequence: int
    at: Resource | None
    """None while only parts of it are there."""
    duration_s: float
    discontinuity: bool
    """Its timestamps, tracks or encoding don't go on from the segment before."""
    gap: bool
    """Its media is missing and must not be fetched."""
    key: Key | None
    map: Map | None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """A list of segments."""

    target_s: float
    sequence: int
    """Number of the first segment."""
    segments: tuple[Segment, ...]
    ended: bool
    """Nothing will follow."""
    blocking: bool = False
    """A request can wait for a segment or part that is not there yet."""
    hold_back_s: float = 0.0
    """Distance from the end at which players begin; 0 = not told."""
    part_target_s: float = 0.0
    part_hold_back_s: float = 0.0
    hint: Resource | None = None
    """The part that comes next, which may be asked for before it is there."""
    start_s: float | None = None
    """Where to begin, from the beginning, or from the end if negative; None = not told."""

    @property
    def end(self) -> int:
        """The number behind the last segment that is whole."""
        segments = self.segments
        partial = bool(segments) and segments[-1].at is None
        return self.sequence + len(segments) - partial


@dataclass(frozen=True, slots=True)
class Variant:
    """One of several encodings of the same content."""

    url: str
    bandwidth: int
    """Bits per second, of its worst moment."""
    width: int = 0
    height: int = 0
    codecs: str = ""
    audio: str = ""
    """The group of its audio renditions; empty = none."""

    @property
    def shown(self) -> str:
        """In a few words."""
        size = f"{self.width}x{self.height}, " if self.height else ""
        return f"{size}{self.bandwidth // 1000} kbps"


@dataclass(frozen=True, slots=True)
class Rendition:
    """Sound apart from the pictures."""

    url: str
    """Empty = it is inside the variant's own segments."""
    group: str
    name: str
    language: str
    default: bool


@dataclass(frozen=True, slots=True)
class Multivariant:
    """A list of variants."""

    variants: tuple[Variant, ...]
    audio: tuple[Rendition, ...]
    start_s: float | None = None
    """Where to begin in each of them, unless they tell themselves."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What its playlists may import."""


def parse(
    data: bytes, url: str, imported: Mapping[str, str] | None = None
) -> MediaPlaylist | Multivariant:
    """Read a playlist; ``url`` is where it came from in the end.

    The variables that it may import are those of the multivariant playlist which named it.

    Raises:
        RemoteProtocolError: it is none, is damaged, too large, or needs what is not supported.
    """
    text = decoded(data)
    variables = Variables(url, imported)
    tags = Filter()
    try:
        text = variables.expanded(text, longest=MAX_LINE_CHARS, most=MAX_BYTES)
        found = parser.parse(text, custom_tags_parser=tags)
        if found["is_variant"]:
            return multivariant(found, tags, variables.values, url)
        return media_playlist(found, tags, url)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # The library checks little, and says by many exceptions that a value is none.
        raise RemoteProtocolError(f"a damaged playlist: {error}".splitlines()[0][:200]) from None


def decoded(data: bytes) -> str:
    """The text of a playlist.

    Raises:
        RemoteProtocolError: it is none, or too large.
    """
    if len(data) > MAX_BYTES:
        raise RemoteProtocolError(f"a playlist of {len(data)} bytes is too large")
    text = data.decode("utf-8", "replace").removeprefix("\ufeff").lstrip()
    if not text.startswith("#EXTM3U"):
        raise RemoteProtocolError("not a playlist: it does not begin with `#EXTM3U`")
    # Counted as the library counts them: line feeds are not the only ends of lines.
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        raise RemoteProtocolError(f"a playlist of {len(lines)} lines is too large")
    if max(map(len, lines)) > MAX_LINE_CHARS:
        raise RemoteProtocolError("a playlist has a line that is too long")
    return text


class Filter:
    """Keeps tags from the library that say nothing about fetching, and reads some in its place."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        """The library's state behind the last line."""
        self.start_s: float | None = None
        self._map_key: dict[str, str] | None = None
        """The key that initialization sections are encrypted with."""

    def __call__(self, line: str, number: int, data: dict[str, Any], state: dict[str, Any]) -> bool:
        """Whether a tag has been dealt with."""
        name = line[1:].partition(":")[0]
        self.state = state
        if name in {"EXT-X-PART", "EXTINF"}:
            # A last segment of parts alone has neither key nor map of its own in the library.
            place = state.setdefault("segment", {})
            place["its_key"] = state["current_key"]
            place["its_map"] = state["current_segment_map"]
            place["its_map_key"] = self._map_key
        elif name == "EXT-X-MAP":
            self._map_key = state["current_key"]
        elif name == "EXT-X-KEY":
            # The library looks each of them up in a list that has all that came before.
            data["keys"].clear()
            return not applies(line, state["current_key"])
        elif name == "EXT-X-START":
            found = START.search(line)
            self.start_s = float(found.group(1)) if found else None
        return name not in FETCHED


def applies(line: str, before: dict[str, str] | None) -> bool:
    """Whether a key holds from here on: one in another format comes beside one that can be read.

    A key holds until the next in the same format (section 4.4.4.4).
    """
    found = KEY_FORMAT.search(line)
    if found is None or found.group(1) == IDENTITY:
        return True
    return (
        before is None
        or before.get("method") in {None, "NONE"}
        or before.get("keyformat", IDENTITY) != IDENTITY
    )


def multivariant(
    found: dict[str, Any], tags: Filter, variables: Mapping[str, str], base: str
) -> Multivariant:
    """The value of a multivariant playlist."""
    variants = []
    for each in found["playlists"]:
        told = each["stream_info"]
        size = RESOLUTION.match(str(told.get("resolution", "")))
        variants.append(
            Variant(
                urljoin(base, each["uri"]),
                limited(int(told.get("bandwidth", 0))),
                int(size.group(1)) if size else 0,
                int(size.group(2)) if size else 0,
                str(told.get("codecs", "")),
                str(told.get("audio", "")),
            )
        )
    if not variants:
        raise ValueError("it names no variant")
    audio = [
        Rendition(
            urljoin(base, each["uri"]) if each.get("uri") else "",
            str(each.get("group_id", "")),
            str(each.get("name", "")),
            str(each.get("language", "")),
            each.get("default") == "YES",
        )
        for each in found["media"]
        if each.get("type") == "AUDIO"
    ]
    return Multivariant(tuple(variants), tuple(audio), tags.start_s, variables)


def media_playlist(found: dict[str, Any], tags: Filter, base: str) -> MediaPlaylist:
    """The value of a media playlist."""
    if "targetduration" not in found:
        raise ValueError("it has neither variants nor a target duration")
    control, parts = found.get("server_control", {}), found["part_inf"]
    first = limited(found["media_sequence"])
    skipped = limited(int(found["skip"].get("skipped_segments", 0)))
    reader = SegmentReader(base)
    tables = list(found["segments"])
    segments = [reader.segment(table, first + skipped + i) for i, table in enumerate(tables)]
    if segments and segments[-1].at is None and not segments[-1].parts:
        segments.pop()
    elif segments and segments[-1].at is None and tags.state.get("discontinuity"):
        segments[-1] = reader.segment({**tables[-1], "discontinuity": True}, segments[-1].sequence)
    return MediaPlaylist(
        duration(found["targetduration"]),
        first + skipped,
        tuple(segments),
        bool(found["is_endlist"]),
        control.get("can_block_reload") == "YES",
        duration(control.get("hold_back", 0.0)),
        duration(parts.get("part_target", 0.0)),
        duration(control.get("part_hold_back", 0.0)),
        hinted(found.get("preload_hint", {}), base),
        tags.start_s,
    )


def hinted(table: dict[str, Any], base: str) -> Resource | None:
    """The part that is to come, if it is a resource of its own."""
    whole = "byterange_start" not in table and "byterange_length" not in table
    known = table.get("type") == "PART" and table.get("uri") and whole
    return Resource(urljoin(base, table["uri"])) if known else None


class SegmentReader:
    """Makes segments of the library's tables; byte ranges may go on from one to the next."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._ends: dict[str, int] = {}
        """Where the last range ended, by resource."""
        self._maps: dict[tuple[str, str, int], Map] = {}
        self._keys: dict[int, Key | None] = {}

    def segment(self, table: dict[str, Any], sequence: int) -> Segment:
        """A segment."""
        key = self.key(table.get("its_key"))
        uri = table.get("uri")
        return Segment(
            sequence,
            self.resource(uri, table.get("byterange")) if uri else None,
            duration(table.get("duration", 0.0)),
            bool(table.get("discontinuity")),
            bool(table.get("gap_tag")),
            key,
            self.map(table.get("its_map"), self.key(table.get("its_map_key"))),
            tuple(map(self.part, table.get("parts", ()))),
        )

    def part(self, table: dict[str, Any]) -> Part:
        """A part of a segment."""
        return Part(
            self.resource(table["uri"], table.get("byterange")),
            duration(table["duration"]),
            table.get("independent") == "YES",
            table.get("gap") == "YES",
        )

    def key(self, table: dict[str, Any] | None) -> Key | None:
        """How a segment is encrypted; None = it is not.

        Raises:
            ValueError: an initialization vector that is none.
        """
        if not table or table.get("method") == "NONE":
            return None
        known = self._keys.get(id(table))
        if known is None:
            iv = table.get("iv")
            vector = IV.fullmatch(iv) if iv else None
            if iv and vector is None:
                raise ValueError("an initialization vector that is none")
            method = str(table.get("method", ""))
            if table.get("keyformat", IDENTITY) != IDENTITY:
                method = f"{method} of {table['keyformat']}"
            known = Key(
                method,
                urljoin(self.base, table.get("uri", "")),
                int(vector.group(1), 16).to_bytes(16, "big") if vector else None,
            )
            self._keys[id(table)] = known
        return known

    def map(self, table: dict[str, Any] | None, key: Key | None) -> Map | None:
        """The initialization section of a segment."""
        if not table:
            return None
        name = str(table["uri"]), str(table.get("byterange", "")), id(key)
        if name not in self._maps:
            span = table.get("byterange")
            resource = self.resource(table["uri"], span if not span or "@" in span else f"{span}@0")
            self._maps[name] = Map(resource, key)
        return self._maps[name]

    def resource(self, uri: str, span: str | None) -> Resource:
        """What a URI leads to.

        Raises:
            ValueError: a range that is none.
        """
        url = urljoin(self.base, uri)
        if not span:
            return Resource(url)
        found = RANGE.fullmatch(span.strip().strip('"'))
        if found is None:
            raise ValueError("a byte range that is none")
        length = int(found.group(1))
        start = int(found.group(2)) if found.group(2) else self._ends.get(url, 0)
        self._ends[url] = start + length
        return Resource(url, Span(start, length))


def duration(value: float) -> float:
    """A duration that is one.

    Raises:
        ValueError: it is none.
    """
    if not math.isfinite(value) or not 0 <= value <= MAX_SEGMENT_S:
        raise ValueError(f"a duration of {value} s")
    return float(value)


def limited(number: int | None) -> int:
    """A sequence number or size that is one.

    Raises:
        ValueError: it is none.
    """
    if number is None or not 0 <= number < MAX_NUMBER:
        raise ValueError("a number out of bounds")
    return number
