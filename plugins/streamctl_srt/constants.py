"""Numbers of libsrt's interface (``srt.h``, ``access_control.h``), the same since 1.4.4."""

from __future__ import annotations

import enum

INVALID_SOCKET = -1
MAX_STREAM_ID_BYTES = 512
MIN_PASSPHRASE = 10
MAX_PASSPHRASE = 79
MAX_PAYLOAD_BYTES = 1456
"""What one UDP datagram of 1500 bytes carries."""


class Option(enum.IntEnum):
    """``SRT_SOCKOPT``."""

    SNDSYN = 1
    RCVSYN = 2
    FC = 4
    SNDBUF = 5
    RCVBUF = 6
    UDP_SNDBUF = 8
    UDP_RCVBUF = 9
    MAXBW = 16
    INPUTBW = 24
    OHEADBW = 25
    PASSPHRASE = 26
    PBKEYLEN = 27
    IPTTL = 29
    IPTOS = 30
    TLPKTDROP = 31
    NAKREPORT = 33
    PEERVERSION = 35
    CONNTIMEO = 36
    RCVKMSTATE = 41
    LOSSMAXTTL = 42
    RCVLATENCY = 43
    PEERLATENCY = 44
    MINVERSION = 45
    STREAMID = 46
    PAYLOADSIZE = 49
    ENFORCEDENCRYPTION = 53
    IPV6ONLY = 54
    PEERIDLETIMEO = 55
    PACKETFILTER = 60


class Event(enum.IntFlag):
    """``SRT_EPOLL_OPT``."""

    IN = 0x1
    OUT = 0x4
    ERR = 0x8


EPOLL_ENABLE_EMPTY = 1


class State(enum.IntEnum):
    """``SRT_SOCKSTATUS``."""

    INIT = 1
    OPENED = 2
    LISTENING = 3
    CONNECTING = 4
    CONNECTED = 5
    BROKEN = 6
    CLOSING = 7
    CLOSED = 8
    NONEXIST = 9


class ErrorCode(enum.IntEnum):
    """The values of ``srt_getlasterror`` that mean something to us."""

    SEND_BUFFER_FULL = 6001
    NOTHING_TO_READ = 6002


class LogLevel(enum.IntEnum):
    """Levels of libsrt's own log: those of syslog."""

    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    DEBUG = 7


LOG_BARE = 0xF
"""Log lines without time, thread, severity and line end."""


class KeyState(enum.IntEnum):
    """``SRT_KM_STATE``: what became of the encryption of one direction."""

    UNSECURED = 0
    SECURING = 1
    SECURED = 2
    NO_SECRET = 3
    BAD_SECRET = 4
