"""Small fragmented files, written box by box."""

from __future__ import annotations

from tests.streamctl.media.fmp4.records import ASC, AVCC

VIDEO_SCALE, SOUND_SCALE = 12_800, 48_000


def box(kind: str, *parts: bytes) -> bytes:
    """A box."""
    body = b"".join(parts)
    return (8 + len(body)).to_bytes(4, "big") + kind.encode("latin-1") + body


def full(kind: str, version: int, flags: int, *parts: bytes) -> bytes:
    """A full box."""
    return box(kind, bytes((version,)), flags.to_bytes(3, "big"), *parts)


def u(value: int, size: int = 4) -> bytes:
    """A number."""
    return (value % (1 << 8 * size)).to_bytes(size, "big")


def descriptor(tag: int, *parts: bytes) -> bytes:
    """An MPEG-4 descriptor with the longest form of its size."""
    body = b"".join(parts)
    return bytes((tag, 0x80, 0x80, 0x80, len(body))) + body


def esds(config: bytes = ASC, kind: int = 0x40, flags: int = 0) -> bytes:
    """The descriptors of AAC."""
    optional = (b"\0\0" if flags & 0x80 else b"") + (b"\x03url" if flags & 0x40 else b"")
    optional += b"\0\0" if flags & 0x20 else b""
    specific = descriptor(5, config) if config else b""
    decoder = descriptor(4, u(kind, 1), bytes(12), specific)
    return full("esds", 0, 0, descriptor(3, b"\0\1", u(flags, 1), optional, decoder))


def picture_entry(kind: str = "avc1", *boxes: bytes, width: int = 320, height: int = 180) -> bytes:
    """A sample entry of pictures."""
    inside = boxes or (box("pasp", bytes(8)), box("avcC", AVCC))
    return box(kind, bytes(24), u(width, 2), u(height, 2), bytes(50), *inside)


def sound_entry(kind: str = "mp4a", *boxes: bytes, version: int = 0) -> bytes:
    """A sample entry of sound."""
    more = bytes({0: 0, 1: 16, 2: 36}[version])
    head = bytes(8) + u(version, 2) + bytes(6) + u(2, 2) + u(16, 2) + bytes(4) + u(48_000 << 16)
    return box(kind, head, more, *(boxes or (esds(),)))


def track(
    number: int,
    scale: int,
    *entries: bytes,
    version: int = 0,
    language: int = 0,
    edits: bytes = b"",
) -> bytes:
    """A track of a movie."""
    times = bytes(16 if version else 8)
    head = full("tkhd", version, 3, times, u(number), bytes(60))
    length = bytes(8 if version else 4)
    media = full("mdhd", version, 0, times, u(scale), length, u(language, 2), bytes(2))
    table = full("stsd", 0, 0, u(len(entries)), *entries)
    information = box("minf", box("stbl", table))
    return box("trak", head, edits, box("mdia", media, information))


def edit_list(*edits: tuple[int, int], version: int = 0) -> bytes:
    """An edit list: duration and time of each."""
    size = 8 if version else 4
    rows = b"".join(u(length, size) + u(time, size) + u(0x10000) for length, time in edits)
    return box("edts", full("elst", version, 0, u(len(edits)), rows))


def extends(number: int, entry: int = 1, duration: int = 0, size: int = 0) -> bytes:
    """What fragments of a track leave out."""
    return full("trex", 0, 0, u(number), u(entry), u(duration), u(size), u(0))


def movie(*tracks: bytes, defaults: bytes = b"", scale: int = 1000) -> bytes:
    """An initialization section."""
    head = full("mvhd", 0, 0, bytes(8), u(scale), bytes(80))
    return box("ftyp", b"iso6") + box("moov", head, *tracks, box("mvex", defaults))


def usual_movie() -> bytes:
    """Pictures and sound."""
    return movie(
        track(1, VIDEO_SCALE, picture_entry()),
        track(2, SOUND_SCALE, sound_entry()),
        defaults=extends(1) + extends(2, duration=1024),
    )


def run(
    *samples: tuple[int, int, int],
    offset: int | None = 0,
    version: int = 1,
    flags: int = 0x700 | 0x800,
) -> bytes:
    """A run of samples: duration, size and composition offset of each."""
    rows = b""
    for duration, size, later in samples:
        rows += u(duration) if flags & 0x100 else b""
        rows += u(size) if flags & 0x200 else b""
        rows += u(0) if flags & 0x400 else b""
        rows += u(later) if flags & 0x800 else b""
    place = b"" if offset is None else u(offset)
    return full("trun", version, flags | (offset is not None), u(len(samples)), place, rows)


def track_fragment(
    number: int, time: int | None, *runs: bytes, flags: int = 0x20000, head: bytes = b""
) -> bytes:
    """A track of a fragment; the time in 64 bits."""
    when = b"" if time is None else full("tfdt", 1, 0, u(time, 8))
    return box("traf", full("tfhd", 0, flags, u(number), head), when, *runs)


def fragment(*tracks: bytes, media: bytes = b"") -> bytes:
    """A fragment and its media."""
    return box("moof", full("mfhd", 0, 0, u(1)), *tracks) + box("mdat", media)


def moof_bytes(*tracks: bytes) -> int:
    """Where media begins in such a fragment."""
    return len(fragment(*tracks))
