"""AAC in LATM, as European broadcast sends it: raw frames and their configuration.

Specification: ISO/IEC 14496-3 §1.7.2 (LOAS, audio sync stream), §1.7.3 (LATM). One program of one
layer is read, which is all that is on air.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamctl.errors import RemoteProtocolError
from streamctl.media.aac import (
    PS,
    SBR,
    SYNC_EXTENSION,
    SYNC_EXTENSION_PS,
    read_object_type,
    read_rate,
)
from streamctl.media.bits import BitReader

MARK_BITS = 11
SYNC = 0x2B7
"""The first 11 bits of a frame, which its length of 13 bits follows."""
HEADER_BYTES = 3

VARIABLE, FIXED = 0, 1
"""``frameLengthType``: the length stands before the frame, or in the configuration."""
FIXED_BYTES = 20
"""What a fixed length counts from."""
MAX_FRAME_BYTES = 0xFFFF
"""Of a raw frame: 48 channels have half of it. Lengths are told in steps of 255."""
MAX_OTHER_STEPS = 4
"""The length of other data has 32 bits, and is told by eight of them at a time."""


@dataclass(frozen=True, slots=True)
class StreamMuxConfig:
    """How the frames of a stream are laid out, and what they hold."""

    config: bytes
    """The AudioSpecificConfig."""
    frames: int
    """Raw frames in each element."""
    fixed_bytes: int
    """Of a raw frame; 0 = each tells its own."""


def loas_size(data: bytes, at: int) -> int:
    """The length of the frame at a place, with its header.

    Raises:
        RemoteProtocolError: no frame begins there.
    """
    head = int.from_bytes(data[at : at + HEADER_BYTES], "big")
    if head >> 13 != SYNC or not head & 0x1FFF:
        raise RemoteProtocolError("a LATM frame does not begin with its sync word")
    return HEADER_BYTES + (head & 0x1FFF)


class LatmReader:
    """Reads the frames of one stream, most of which have no configuration of their own."""

    def __init__(self, mux: StreamMuxConfig | None = None, *, in_band: bool = True) -> None:
        self.mux = mux
        self.in_band = in_band
        """Elements may bring a configuration (``muxConfigPresent``)."""

    def read(self, frame: bytes) -> list[bytes]:
        """The raw frames in a LOAS frame; none before the first configuration.

        Raises:
            RemoteProtocolError: cut off, or of a layout that is not supported.
        """
        return self.element(frame[HEADER_BYTES:])

    def element(self, data: bytes) -> list[bytes]:
        """The raw frames in an ``AudioMuxElement``; none before the first configuration.

        Raises:
            RemoteProtocolError: cut off, or of a layout that is not supported.
        """
        reader = BitReader(data)
        if self.in_band and not reader.flag():  # useSameStreamMux
            self.mux = read_mux_config(reader)
        mux = self.mux
        if mux is None:
            return []
        found = []
        for _ in range(mux.frames):
            size = mux.fixed_bytes or read_payload_length(reader)
            found.append(reader.bits(8 * size).to_bytes(size, "big"))
        return found


def read_payload_length(reader: BitReader) -> int:
    """Bytes of a raw frame, as a run of 255 and a last byte.

    Raises:
        RemoteProtocolError: cut off, or more than any frame has.
    """
    size = 0
    while (byte := reader.bits(8)) == 0xFF:
        size += byte
        if size > MAX_FRAME_BYTES:
            raise RemoteProtocolError(f"a LATM frame of more than {MAX_FRAME_BYTES} bytes")
    return size + byte


def read_mux_config(reader: BitReader) -> StreamMuxConfig:
    """The configuration of a stream (``StreamMuxConfig``).

    Raises:
        RemoteProtocolError: cut off, or of a layout that is not supported.
    """
    version = reader.bits(1)
    if version and reader.flag():
        raise RemoteProtocolError("LATM of a future version is not supported")
    if version:
        read_value(reader)  # taraBufferFullness
    same_time, frames = reader.flag(), reader.bits(6) + 1
    programs, layers = reader.bits(4) + 1, reader.bits(3) + 1
    if not same_time or programs > 1 or layers > 1:
        raise RemoteProtocolError("LATM with several programs or layers is not supported")
    config = read_config(reader, read_value(reader) if version else 0)
    kind = reader.bits(3)
    if kind == VARIABLE:
        reader.bits(8)  # latmBufferFullness
    elif kind != FIXED:
        raise RemoteProtocolError(f"LATM frames of length type `{kind}` are not supported")
    fixed = FIXED_BYTES + reader.bits(9) if kind == FIXED else 0
    if reader.flag():
        skip_other_length(reader, version)
    if reader.flag():
        reader.bits(8)  # crcCheckSum
    return StreamMuxConfig(config, frames, fixed)


def read_config(reader: BitReader, size: int) -> bytes:
    """An AudioSpecificConfig of ``size`` bits; 0 = it tells itself where it ends."""
    value, start = reader.value, reader.left
    if size:
        reader.bits(size)
    else:
        kind = read_object_type(reader)
        read_rate(reader)
        reader.bits(4)  # channelConfiguration
        if kind in {SBR, PS}:
            read_rate(reader)
            read_object_type(reader)
        reader.bits(1)  # frameLengthFlag
        if reader.flag():
            reader.bits(14)  # coreCoderDelay
        reader.bits(1)  # extensionFlag
        if kind not in {SBR, PS}:
            skip_sync_extension(reader)
    count = start - reader.left
    bits = value >> reader.left & ((1 << count) - 1)
    fill = -count % 8
    return (bits << fill).to_bytes((count + fill) // 8, "big")


def skip_sync_extension(reader: BitReader) -> None:
    """Pass over a signal of SBR and PS behind the core's configuration.

    What stands there otherwise never looks like it: its mark begins with a reserved
    ``frameLengthType``.
    """
    if not follows(reader, SYNC_EXTENSION):
        return
    reader.bits(MARK_BITS)
    if read_object_type(reader) != SBR or not reader.flag():
        return
    read_rate(reader)
    if follows(reader, SYNC_EXTENSION_PS):
        reader.bits(MARK_BITS + 1)


def follows(reader: BitReader, mark: int) -> bool:
    """Whether these 11 bits come next."""
    left = reader.left - MARK_BITS
    return left >= 0 and reader.value >> left & ((1 << MARK_BITS) - 1) == mark


def read_value(reader: BitReader) -> int:
    """A number of one to four bytes (``LatmGetValue``)."""
    return reader.bits(8 * (reader.bits(2) + 1))


def skip_other_length(reader: BitReader, version: int) -> None:
    """Pass over the length of data that stands behind the sound, which is left."""
    if version:
        read_value(reader)
        return
    for _ in range(MAX_OTHER_STEPS):
        more = reader.flag()
        reader.bits(8)
        if not more:
            return
    raise RemoteProtocolError("the length of other data in LATM has no end")
