"""The media memory of all streams together, kept below its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.engine import causes as cause

if TYPE_CHECKING:
    from collections.abc import Collection

    from streamctl.engine.stream import Stream


def held(stream: Stream) -> int:
    """Bytes that the lanes of a stream hold."""
    return sum(lane.bytes for lane in stream.graph.lanes())


def enforce(streams: Collection[Stream], *, limit: int, stream_limit: int) -> int:
    """Evict the oldest groups of pictures until every limit holds; the bytes gained.

    Streams that hold most give first. A stream that can't give enough, because its newest group
    alone is too large, gets a cause.
    """
    gained = 0
    for stream in streams:
        gained += shrink(stream, stream_limit)
    total = sum(held(stream) for stream in streams)
    for stream in sorted(streams, key=held, reverse=True):
        if total <= limit:
            break
        freed = shrink(stream, max(0, held(stream) - (total - limit)))
        total -= freed
        gained += freed
    for stream in streams:
        size = held(stream)
        if size > stream_limit or total > limit:
            text = f"{size} bytes held; {stream_limit} allowed, {limit} in all streams"
            stream.causes.set(cause.OUT_OF_MEMORY, text)
        else:
            stream.causes.clear(cause.OUT_OF_MEMORY)
    return gained


def shrink(stream: Stream, limit: int) -> int:
    """Evict from one stream's lanes, the largest first; the bytes gained."""
    gained = 0
    size = held(stream)
    while size - gained > limit:
        lanes = sorted(stream.graph.lanes(), key=lambda lane: lane.bytes, reverse=True)
        freed = next((freed for lane in lanes if (freed := lane.evict_oldest())), 0)
        if not freed:
            break
        gained += freed
    return gained
