"""Records between the server and an avworker child, both directions, without I/O.

::

    record   = type (1 byte)  length (4 bytes, big endian)  payload
    parent → child   JOB                                     first
    child → parent   HELLO  HEARTBEAT*  then by job
                     demux:  OPENED (TRACKS | PACKETS)* END
                     probe:  REPORT
                     mux:    WRITE* END
                     or at any point FAILED
    parent → child   mux:    (TRACKS | PACKETS)* END

Payloads are JSON, except PACKETS: a count, then all packet heads, then all packet bytes; and
WRITE: an offset in the file, then bytes.
HELLO carries the version, because an upgrade of the package may put another child beside a
server that still runs the old code. The child handles hostile media, so the parent trusts
nothing: whatever does not parse is a :class:`~streamctl.errors.RemoteProtocolError`.
"""

from __future__ import annotations

import enum
import json
import struct
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from streamctl.errors import LocalProtocolError, RemoteProtocolError
from streamctl.media.packet import Codec, Kind, Packet, Track

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = 2
HEADER = struct.Struct(">BI")
COUNT = struct.Struct(">H")
OFFSET = struct.Struct(">Q")
PACKET = struct.Struct(">HqqIBBI")
MAX_RECORD_BYTES = 32 << 20
"""An intra-coded 8K access unit stays below 16 MiB; anything beyond is a broken child."""
MAX_PACKETS = 64
"""Packets of one record: enough to amortise a wake-up, little enough to stay interactive."""
MAX_TRACKS = 64
KINDS = tuple(Kind)


class RecordType(enum.IntEnum):
    """The first byte of a record."""

    HELLO = 1
    JOB = 2
    OPENED = 3
    TRACKS = 4
    PACKETS = 5
    HEARTBEAT = 6
    END = 7
    FAILED = 8
    REPORT = 9
    WRITE = 10


@dataclass(frozen=True, slots=True)
class Record:
    """One record."""

    type: RecordType
    payload: bytes = b""

    def serialize(self) -> bytes:
        """The bytes for the wire.

        Raises:
            LocalProtocolError: the payload is above the limit.
        """
        if len(self.payload) > MAX_RECORD_BYTES:
            raise LocalProtocolError(f"record too large: `{len(self.payload)}` bytes")
        return HEADER.pack(self.type, len(self.payload)) + self.payload


class RecordReader:
    """Cuts a byte stream into records."""

    def __init__(self) -> None:
        self.buffer = bytearray()

    def receive_data(self, data: bytes) -> list[Record]:
        """The records completed by these bytes.

        Raises:
            RemoteProtocolError: an unknown type or a length above the limit.
        """
        buffer = self.buffer
        buffer += data
        records: list[Record] = []
        at = 0
        while len(buffer) - at >= HEADER.size:
            number, length = HEADER.unpack_from(buffer, at)
            if length > MAX_RECORD_BYTES:
                raise RemoteProtocolError(f"record too large: `{length}` bytes")
            start = at + HEADER.size
            if len(buffer) - start < length:
                break
            at = start + length
            records.append(Record(record_type(number), bytes(memoryview(buffer)[start:at])))
        del buffer[:at]
        return records

    def receive_eof(self) -> None:
        """Check that the stream ended between records.

        Raises:
            RemoteProtocolError: it ended within one.
        """
        if self.buffer:
            raise RemoteProtocolError("connection ended within a record")


def record_type(number: int) -> RecordType:
    """The type of that number.

    Raises:
        RemoteProtocolError: there is none.
    """
    try:
        return RecordType(number)
    except ValueError:
        raise RemoteProtocolError(f"unknown record type: `{number}`") from None


@dataclass(frozen=True, slots=True)
class DemuxJob:
    """Demux a local file."""

    path: str
    loop: bool = False
    start_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ProbeJob:
    """Read a source and report."""

    target: str
    """Absolute path of a file, or a URL."""
    shown: str
    """The target without secrets, for the report and errors."""
    network: bool
    duration_s: float
    """Media time to read; 0 = all of it."""
    timeout_s: float
    """Longest wait for the source, and for the whole probe."""


@dataclass(frozen=True, slots=True)
class MuxJob:
    """Make a file of packets that the parent sends."""

    format: str
    """Name of one of libav's muxers."""


Job = DemuxJob | ProbeJob | MuxJob
JOBS: dict[str, type[DemuxJob] | type[ProbeJob] | type[MuxJob]] = {
    "demux": DemuxJob,
    "probe": ProbeJob,
    "mux": MuxJob,
}


@dataclass(frozen=True, slots=True)
class Opened:
    """The source is open and its tracks are known."""

    tracks: tuple[Track, ...]
    duration_s: float = 0.0
    format: str = ""
    notes: tuple[str, ...] = field(default_factory=tuple)
    """What was left out, and why."""


class FailureKind(enum.StrEnum):
    """Which branch of the error tree a failure belongs to."""

    MEDIA = "media"
    CONNECTION = "connection"


@dataclass(frozen=True, slots=True)
class Failure:
    """The job ended without success."""

    kind: FailureKind
    message: str
    hint: str = ""


def hello() -> Record:
    """The child's first record."""
    return Record(RecordType.HELLO, dump({"version": VERSION}))


def check_hello(record: Record) -> None:
    """Check the child's first record.

    Raises:
        RemoteProtocolError: not a HELLO of this version.
    """
    version = load(record.payload).get("version") if record.type is RecordType.HELLO else None
    if version != VERSION:
        raise RemoteProtocolError(
            "the media process speaks another version",
            hint="streamctl was upgraded while it ran: restart it",
        )


def job_record(job: Job) -> Record:
    """A job, for the child."""
    name = next(name for name, kind in JOBS.items() if isinstance(job, kind))
    return Record(RecordType.JOB, dump({"job": name, "arguments": asdict(job)}))


def parse_job(record: Record) -> Job:
    """The job of a record.

    Raises:
        RemoteProtocolError: not a known job.
    """
    values = load(record.payload)
    try:
        return JOBS[values["job"]](**values["arguments"])
    except (KeyError, TypeError):
        raise RemoteProtocolError("unknown job") from None


def opened_record(opened: Opened) -> Record:
    """OPENED with its tracks."""
    values = asdict(opened) | {"tracks": [track_values(track) for track in opened.tracks]}
    return Record(RecordType.OPENED, dump(values))


def parse_opened(record: Record) -> Opened:
    """The content of OPENED.

    Raises:
        RemoteProtocolError: malformed.
    """
    values = load(record.payload)
    try:
        return Opened(
            tracks=parse_tracks(values["tracks"]),
            duration_s=float(values["duration_s"]),
            format=str(values["format"]),
            notes=tuple(str(note) for note in values["notes"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RemoteProtocolError(f"malformed OPENED: {error!r}") from None


def tracks_record(tracks: Sequence[Track]) -> Record:
    """TRACKS: the track set from the next packet on."""
    return Record(RecordType.TRACKS, dump({"tracks": [track_values(track) for track in tracks]}))


def parse_tracks_record(record: Record) -> tuple[Track, ...]:
    """The content of TRACKS.

    Raises:
        RemoteProtocolError: malformed.
    """
    try:
        return parse_tracks(load(record.payload)["tracks"])
    except (KeyError, TypeError, ValueError) as error:
        raise RemoteProtocolError(f"malformed TRACKS: {error!r}") from None


def failed_record(failure: Failure) -> Record:
    """FAILED with its reason."""
    return Record(RecordType.FAILED, dump(asdict(failure)))


def parse_failed(record: Record) -> Failure:
    """The content of FAILED.

    Raises:
        RemoteProtocolError: malformed.
    """
    values = load(record.payload)
    try:
        return Failure(
            FailureKind(values["kind"]), str(values["message"]), str(values.get("hint", ""))
        )
    except (KeyError, ValueError) as error:
        raise RemoteProtocolError(f"malformed FAILED: {error!r}") from None


def packets_record(packets: Sequence[Packet]) -> Record:
    """PACKETS with at most :data:`MAX_PACKETS` access units."""
    parts = [COUNT.pack(len(packets))]
    parts += [
        PACKET.pack(p.track, p.pts, p.dts, p.dur, p.kind, p.flags, len(p.data)) for p in packets
    ]
    parts += [p.data for p in packets]
    return Record(RecordType.PACKETS, b"".join(parts))


def parse_packets(record: Record) -> list[Packet]:
    """The access units of PACKETS.

    Raises:
        RemoteProtocolError: malformed.
    """
    payload = record.payload
    if len(payload) < COUNT.size:
        raise RemoteProtocolError("PACKETS without a count")
    (count,) = COUNT.unpack_from(payload)
    at = COUNT.size + count * PACKET.size
    if count > MAX_PACKETS or len(payload) < at:
        raise RemoteProtocolError(f"PACKETS with a wrong count: `{count}`")
    packets: list[Packet] = []
    heads = memoryview(payload)[COUNT.size : at]
    for track, pts, dts, dur, kind, flags, size in PACKET.iter_unpack(heads):
        if kind >= len(KINDS) or at + size > len(payload):
            raise RemoteProtocolError("PACKETS with a malformed head")
        data = payload[at : at + size]
        packets.append(Packet(track, pts, dts, KINDS[kind], flags, data, dur))
        at += size
    if at != len(payload):
        raise RemoteProtocolError("PACKETS with bytes behind the last packet")
    return packets


def write_record(offset: int, data: bytes) -> Record:
    """WRITE: bytes and where they stand in the file."""
    return Record(RecordType.WRITE, OFFSET.pack(offset) + data)


def parse_write(record: Record) -> tuple[int, bytes]:
    """Offset and bytes of WRITE.

    Raises:
        RemoteProtocolError: malformed.
    """
    if len(record.payload) < OFFSET.size:
        raise RemoteProtocolError("WRITE without an offset")
    (offset,) = OFFSET.unpack_from(record.payload)
    return offset, record.payload[OFFSET.size :]


def track_values(track: Track) -> dict[str, Any]:
    """A track as JSON values."""
    values = asdict(track)
    values["config"] = None if track.config is None else track.config.hex()
    return values


def parse_tracks(values: Any) -> tuple[Track, ...]:
    """Tracks from JSON values; raises what a wrong type raises."""
    if not isinstance(values, list) or len(values) > MAX_TRACKS:
        raise ValueError("not a list of tracks")
    return tuple(parse_track(each) for each in values)


def parse_track(values: Any) -> Track:
    """A track from JSON values; raises what a wrong type raises."""
    config = values["config"]
    return Track(
        id=int(values["id"]),
        codec=Codec(values["codec"]),
        config=None if config is None else bytes.fromhex(config),
        width=int(values["width"]),
        height=int(values["height"]),
        fps=float(values["fps"]),
        sample_rate=int(values["sample_rate"]),
        channels=int(values["channels"]),
        language=str(values["language"]),
        bitrate=int(values["bitrate"]),
    )


def dump(values: dict[str, Any]) -> bytes:
    """JSON bytes."""
    return json.dumps(values, separators=(",", ":")).encode()


def load(payload: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        RemoteProtocolError: not one.
    """
    try:
        values = json.loads(payload)
    except (ValueError, RecursionError):
        raise RemoteProtocolError("payload is not JSON") from None
    if not isinstance(values, dict):
        raise RemoteProtocolError("payload is not a JSON object")
    return values
