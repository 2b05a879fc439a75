"""What is shown of an SRT connection's own counters and measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl_srt.constants import KeyState, Option

if TYPE_CHECKING:
    from streamctl_srt.endpoint import Endpoint
    from streamctl_srt.structs import Perf

MBPS_KBPS = 1000


def receiving(endpoint: Endpoint) -> dict[str, object]:
    """Of a connection that media comes by; empty when it is gone."""
    perf = endpoint.measure()
    if perf is None:
        return {}
    return {
        **common(endpoint, perf),
        "latency_ms": perf.msRcvTsbPdDelay,
        "buffer_ms": perf.msRcvBuf,
        "packets": perf.pktRecvUniqueTotal,
        "lost": perf.pktRcvLossTotal,
        "retransmitted": perf.pktRecvTotal - perf.pktRecvUniqueTotal,
        "dropped": perf.pktRcvDropTotal,
        "undecrypted": perf.pktRcvUndecryptTotal,
    }


def sending(endpoint: Endpoint) -> dict[str, object]:
    """Of a connection that media goes by; empty when it is gone."""
    perf = endpoint.measure()
    if perf is None:
        return {}
    return {
        **common(endpoint, perf),
        "latency_ms": perf.msSndTsbPdDelay,
        "buffer_ms": perf.msSndBuf,
        "packets": perf.pktSentUniqueTotal,
        "lost": perf.pktSndLossTotal,
        "retransmitted": perf.pktRetransTotal,
        "dropped": perf.pktSndDropTotal,
    }


def common(endpoint: Endpoint, perf: Perf) -> dict[str, object]:
    """What both directions have."""
    return {
        "rtt_ms": round(perf.msRTT, 1),
        "bandwidth_kbps": round(perf.mbpsBandwidth * MBPS_KBPS),
        "encrypted": endpoint.number_of(Option.RCVKMSTATE) & 0xFFFFFFFF == KeyState.SECURED,
        "peer_version": peer_version(endpoint),
    }


def peer_version(endpoint: Endpoint) -> str:
    """The peer's version of SRT as people write it; empty = not known."""
    number = endpoint.number_of(Option.PEERVERSION) & 0xFFFFFFFF
    return f"{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}" if number else ""
