"""Bit streams: fields and Exp-Golomb codes, most significant bit first.

Exp-Golomb codes are those of ITU-T H.264 and H.265 §9.
"""

from __future__ import annotations

from streamctl.errors import RemoteProtocolError

MAX_EXP_GOLOMB_ZEROS = 31
"""Leading zeros of an Exp-Golomb code: every syntax element of the codecs fits in 32 bits."""


class BitReader:
    """Reads the fields of a payload whose emulation prevention has been undone."""

    __slots__ = ("left", "value")

    def __init__(self, data: bytes) -> None:
        self.value = int.from_bytes(data, "big")
        self.left = len(data) * 8

    def bits(self, count: int) -> int:
        """The next ``count`` bits as an unsigned number.

        Raises:
            RemoteProtocolError: fewer bits are left.
        """
        left = self.left - count
        if left < 0:
            raise RemoteProtocolError("a bit stream ends in the middle of a field")
        self.left = left
        return (self.value >> left) & ((1 << count) - 1)

    def flag(self) -> bool:
        """The next bit.

        Raises:
            RemoteProtocolError: no bit is left.
        """
        return self.bits(1) == 1

    def ue(self) -> int:
        """The next unsigned Exp-Golomb code (§9.1).

        Raises:
            RemoteProtocolError: cut off, or longer than any syntax element.
        """
        zeros = self.left - (self.value & ((1 << self.left) - 1)).bit_length()
        if zeros > MAX_EXP_GOLOMB_ZEROS:
            raise RemoteProtocolError("an Exp-Golomb code is longer than 63 bits")
        return self.bits(2 * zeros + 1) - 1

    def se(self) -> int:
        """The next signed Exp-Golomb code (§9.1.1).

        Raises:
            RemoteProtocolError: cut off, or longer than any syntax element.
        """
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


class BitWriter:
    """Collects fields, most significant bit first."""

    __slots__ = ("count", "value")

    def __init__(self) -> None:
        self.value = 0
        self.count = 0

    def bits(self, value: int, count: int) -> None:
        """Append ``count`` bits."""
        self.value = self.value << count | value
        self.count += count

    def data(self) -> bytes:
        """Everything so far, filled with zeros to a whole byte."""
        fill = -self.count % 8
        return (self.value << fill).to_bytes((self.count + fill) // 8, "big")
