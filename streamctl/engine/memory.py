"""The media memory of all streams together, kept below its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.engine import causes as cause
from streamctl.sdk.endpoints import MediaHolder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from streamctl.engine.stream import Stream


def held(stream: Stream) -> int:
    """Bytes that the lanes of a stream, its inputs and its outputs hold."""
    lanes = sum(lane.bytes for lane in stream.graph.lanes()) + stream.inputs.held_bytes
    return lanes + sum(holder.memory_bytes for holder in holders(stream))


def holders(stream: Stream) -> list[MediaHolder]:
    """The outputs that hold media beside the lanes."""
    return [output for output in stream.outputs.values() if isinstance(output, MediaHolder)]


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


def spare(streams: Iterable[Stream], limit: int) -> int:
    """What the limit leaves beside the media that the streams hold; negative above it."""
    return limit - sum(map(held, streams))


def shrink(stream: Stream, limit: int) -> int:
    """Evict from one stream's outputs, then its lanes, the largest first; the bytes gained.

    What outputs can spare is older than anything in the lanes.
    """
    gained = 0
    size = held(stream)
    for holder in holders(stream):
        if size - gained > limit:
            gained += holder.shrink(size - gained - limit)
    while size - gained > limit:
        lanes = sorted(stream.graph.lanes(), key=lambda lane: lane.bytes, reverse=True)
        freed = next((freed for lane in lanes if (freed := lane.evict_oldest())), 0)
        if not freed:
            break
        gained += freed
    return gained
