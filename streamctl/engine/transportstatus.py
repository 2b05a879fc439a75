"""Describes what is found in an input of MPEG-TS, as a status document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.engine.extract import TsExtractor
from streamctl.media.mpegts.demux import UNREAD
from streamctl.media.mpegts.streams import stream_kind, stream_language
from streamctl.media.packet import TIMESCALE
from streamctl.schema import ElementaryStatus, TransportStatus

if TYPE_CHECKING:
    from streamctl.engine.graph import Graph
    from streamctl.engine.transport import Transport


def transport_status(graph: Graph, transport: Transport) -> TransportStatus:
    """What is found in the input of a stream."""
    index, aligner = transport.index, transport.aligner
    continuity, cadence = index.continuity, index.cadence
    extractor = running_extractor(graph)
    return TransportStatus(
        program=index.program.number if index.program else 0,
        name=index.programs.name,
        reason=index.programs.reason,
        scrambled=transport.sealed,
        packets=index.packets,
        lost_packets=continuity.lost_packets,
        loss_pct=round(transport.loss.percent, 3),
        repeated_packets=continuity.repeated,
        damaged_packets=continuity.damaged,
        skipped_bytes=aligner.skipped_bytes,
        resyncs=aligner.resyncs,
        fps=cadence.fps,
        gop_s=round(cadence.gop_ticks / TIMESCALE, 3),
        gop_frames=cadence.gop_pictures,
        clock_jumps=index.clock.jumps,
        clock_gaps=index.clock.gaps,
        untimed_units=index.untimed,
        faults=dict(extractor.faults) if extractor is not None else {},
        streams=elementary(transport, extractor),
    )


def running_extractor(graph: Graph) -> TsExtractor | None:
    """What takes the input apart, if anything does."""
    converter = graph.packets.converter
    return converter if graph.packets.running and isinstance(converter, TsExtractor) else None


def elementary(transport: Transport, extractor: TsExtractor | None) -> list[ElementaryStatus]:
    """The streams of the program."""
    index = transport.index
    if index.program is None:
        return []
    continuity = index.continuity
    packets = continuity.packets
    strands = transport.passage.plan.by_pid if transport.passage is not None else {}
    found = []
    for stream in index.program.map.streams:
        kind, pid = stream_kind(stream), stream.pid
        left_out = "" if kind.codec is not None else UNREAD
        strand = strands.get(pid)
        if strand is not None and extractor is not None:
            left_out = extractor.left_out.get(strand.slot.writer.pid, left_out)
        found.append(
            ElementaryStatus(
                pid=pid,
                kind=kind.title,
                language=stream_language(stream),
                packets=packets.get(pid, 0),
                lost_packets=continuity.lost.get(pid, 0),
                scrambled_packets=continuity.scrambled.get(pid, 0),
                left_out=left_out,
            )
        )
    return found
