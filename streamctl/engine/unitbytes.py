"""The bytes of a unit that begins in a run of packets: where its times stand, and moving them.

A unit is a PES packet or a section; its head may be spread over several packets. Which units are
moved, and by how much, is the passage's decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.mpegts.packet import PACKET_BYTES
from streamctl.media.mpegts.restamp import (
    HEAD_BYTES,
    Spans,
    Stamps,
    gather,
    move_stamp,
    moved_cue,
    payload_spans,
    payload_start,
    read_stamps,
    scatter,
)

if TYPE_CHECKING:
    from streamctl.engine.routing import Run

HEAD_PACKETS = 64
"""Packets of a unit that are looked at for its times; the longest cue fills 23."""
CUE_BYTES = 4098
"""The longest section, with room for the pointer in front (SCTE 35 §9.6.1)."""


def unit_rows(run: Run, row: int, pid: int) -> tuple[list[int], bool]:
    """Where the packets of a unit stand, and whether no more of it will come.

    One that comes twice, as any may (ISO/IEC 13818-1 §2.4.3.3), is taken once and passed on once:
    both would have to be moved alike.
    """
    packets = [row * PACKET_BYTES]
    for other in run.rows_of(pid, row + 1):
        at, last = other * PACKET_BYTES, packets[-1]
        if run.data[at : at + PACKET_BYTES] == run.data[last : last + PACKET_BYTES]:
            run.repeats.add(other)
            continue
        if run.data[at + 1] & 0x40 or len(packets) == HEAD_PACKETS:
            return packets, True
        packets.append(at)
    return packets, False


def head_spans(run: Run, row: int, pid: int, *, hasty: bool) -> Spans | None:
    """Where the head of a PES packet stands; None if more bytes have to come.

    ``hasty`` takes what there is.
    """
    at = row * PACKET_BYTES
    start = payload_start(run.data, at)
    if at + PACKET_BYTES - start >= HEAD_BYTES:
        return [(start, start + HEAD_BYTES)]
    rows, ended = unit_rows(run, row, pid)
    spans = payload_spans(run.data, rows, HEAD_BYTES)
    whole = sum(end - first for first, end in spans) == HEAD_BYTES
    return spans if whole or ended or hasty else None


def stamps_at(run: Run, spans: Spans) -> Stamps | None:
    """The times in the head of a PES packet."""
    if len(spans) == 1:
        start, end = spans[0]
        return read_stamps(run.data[start:end])
    return read_stamps(gather(run.data, spans))


def move_stamps(run: Run, spans: Spans, stamps: Stamps, offset: int) -> None:
    """Move the times in the head of a PES packet."""
    if len(spans) == 1:
        start = spans[0][0]
        move_stamp(run.data, start + 9, offset)
        if stamps.has_dts:
            move_stamp(run.data, start + 14, offset)
        return
    head = gather(run.data, spans)
    move_stamp(head, 9, offset)
    if stamps.has_dts:
        move_stamp(head, 14, offset)
    scatter(run.data, spans, head)


def move_cue(run: Run, row: int, pid: int, offset: int, *, hasty: bool) -> bool:
    """Move the time of the splice cue that begins in a row; False if more bytes have to come."""
    rows, ended = unit_rows(run, row, pid)
    spans = payload_spans(run.data, rows, CUE_BYTES)
    data = gather(run.data, spans)
    begin = data[0] + 1 if data else 0
    if len(data) < begin + 3:
        return ended or hasty
    end = begin + 3 + ((data[begin + 1] & 15) << 8 | data[begin + 2])
    if len(data) < end:
        return ended or hasty
    moved = moved_cue(bytes(data[begin:end]), offset)
    if moved is not None:
        data[begin:end] = moved
        scatter(run.data, spans, data)
    return True
