"""Memory layouts that libsrt shares with its callers, and socket addresses in both directions."""

from __future__ import annotations

import ctypes
import ipaddress
import sys
from ctypes import (
    POINTER,
    Structure,
    c_char_p,
    c_double,
    c_int,
    c_int64,
    c_ubyte,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.sdk.endpoints import Address

AF_INET = 2
AF_INET6 = 30 if sys.platform == "darwin" else 10


class EpollEvent(Structure):
    """``SRT_EPOLL_EVENT``."""

    _fields_: ClassVar[Sequence[Any]] = [("socket", c_int), ("events", c_int)]


class Sockaddr(Structure):
    """``struct sockaddr_in`` and ``struct sockaddr_in6``, as Linux has them."""

    _fields_: ClassVar[Sequence[Any]] = [
        ("family", c_uint16),
        ("port", c_ubyte * 2),
        ("address4", c_ubyte * 4),
        ("address6", c_ubyte * 16),
        ("scope", c_uint32),
        ("spare", c_ubyte * 100),
    ]
    SIZE4 = 16
    SIZE6 = 28


def to_sockaddr(address: Address) -> tuple[Sockaddr, int]:
    """The structure of a numeric address, and how much of it counts.

    Raises:
        ValueError: the host is no IP address.
    """
    host, port = address
    ip = ipaddress.ip_address(host)
    found = Sockaddr()
    found.port[:] = port.to_bytes(2)
    if isinstance(ip, ipaddress.IPv6Address):
        found.family = AF_INET6
        found.address6[:] = ip.packed
        found.scope = scope_id(ip.scope_id or "")
        return found, Sockaddr.SIZE6
    found.family = AF_INET
    found.address4[:] = ip.packed
    return found, Sockaddr.SIZE4


def scope_id(text: str) -> int:
    """The number of the interface in an address; 0 = the address says none."""
    return int(text) if text.isdigit() else 0


def from_sockaddr(found: Sockaddr) -> Address:
    """Host and port; an IPv4 peer of an IPv6 socket is one of IPv4."""
    port = int.from_bytes(bytes(found.port))
    if found.family != AF_INET6:
        return str(ipaddress.IPv4Address(bytes(found.address4))), port
    ip = ipaddress.IPv6Address(bytes(found.address6))
    return str(ip.ipv4_mapped or ip), port


class Perf(Structure):
    """``CBytePerfMon``: what a connection has counted and measured."""

    _fields_: ClassVar[Sequence[Any]] = [
        ("msTimeStamp", c_int64),
        ("pktSentTotal", c_int64),
        ("pktRecvTotal", c_int64),
        ("pktSndLossTotal", c_int),
        ("pktRcvLossTotal", c_int),
        ("pktRetransTotal", c_int),
        ("pktSentACKTotal", c_int),
        ("pktRecvACKTotal", c_int),
        ("pktSentNAKTotal", c_int),
        ("pktRecvNAKTotal", c_int),
        ("usSndDurationTotal", c_int64),
        ("pktSndDropTotal", c_int),
        ("pktRcvDropTotal", c_int),
        ("pktRcvUndecryptTotal", c_int),
        ("byteSentTotal", c_uint64),
        ("byteRecvTotal", c_uint64),
        ("byteRcvLossTotal", c_uint64),
        ("byteRetransTotal", c_uint64),
        ("byteSndDropTotal", c_uint64),
        ("byteRcvDropTotal", c_uint64),
        ("byteRcvUndecryptTotal", c_uint64),
        ("pktSent", c_int64),
        ("pktRecv", c_int64),
        ("pktSndLoss", c_int),
        ("pktRcvLoss", c_int),
        ("pktRetrans", c_int),
        ("pktRcvRetrans", c_int),
        ("pktSentACK", c_int),
        ("pktRecvACK", c_int),
        ("pktSentNAK", c_int),
        ("pktRecvNAK", c_int),
        ("mbpsSendRate", c_double),
        ("mbpsRecvRate", c_double),
        ("usSndDuration", c_int64),
        ("pktReorderDistance", c_int),
        ("pktRcvAvgBelatedTime", c_double),
        ("pktRcvBelated", c_int64),
        ("pktSndDrop", c_int),
        ("pktRcvDrop", c_int),
        ("pktRcvUndecrypt", c_int),
        ("byteSent", c_uint64),
        ("byteRecv", c_uint64),
        ("byteRcvLoss", c_uint64),
        ("byteRetrans", c_uint64),
        ("byteSndDrop", c_uint64),
        ("byteRcvDrop", c_uint64),
        ("byteRcvUndecrypt", c_uint64),
        ("usPktSndPeriod", c_double),
        ("pktFlowWindow", c_int),
        ("pktCongestionWindow", c_int),
        ("pktFlightSize", c_int),
        ("msRTT", c_double),
        ("mbpsBandwidth", c_double),
        ("byteAvailSndBuf", c_int),
        ("byteAvailRcvBuf", c_int),
        ("mbpsMaxBW", c_double),
        ("byteMSS", c_int),
        ("pktSndBuf", c_int),
        ("byteSndBuf", c_int),
        ("msSndBuf", c_int),
        ("msSndTsbPdDelay", c_int),
        ("pktRcvBuf", c_int),
        ("byteRcvBuf", c_int),
        ("msRcvBuf", c_int),
        ("msRcvTsbPdDelay", c_int),
        ("pktSndFilterExtraTotal", c_int),
        ("pktRcvFilterExtraTotal", c_int),
        ("pktRcvFilterSupplyTotal", c_int),
        ("pktRcvFilterLossTotal", c_int),
        ("pktSndFilterExtra", c_int),
        ("pktRcvFilterExtra", c_int),
        ("pktRcvFilterSupply", c_int),
        ("pktRcvFilterLoss", c_int),
        ("pktReorderTolerance", c_int),
        ("pktSentUniqueTotal", c_int64),
        ("pktRecvUniqueTotal", c_int64),
        ("byteSentUniqueTotal", c_uint64),
        ("byteRecvUniqueTotal", c_uint64),
        ("pktSentUnique", c_int64),
        ("pktRecvUnique", c_int64),
        ("byteSentUnique", c_uint64),
        ("byteRecvUnique", c_uint64),
    ]


ListenCallback = ctypes.CFUNCTYPE(c_int, c_void_p, c_int, c_int, POINTER(Sockaddr), c_char_p)
"""``srt_listen_callback_fn``; 0 accepts."""
LogHandler = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_char_p, c_int, c_char_p, c_char_p)
"""``SRT_LOG_HANDLER_FN``."""
