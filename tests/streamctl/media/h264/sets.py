"""Parameter sets of real encoders, and access units built from bits."""

from __future__ import annotations

SPS_720P = bytes.fromhex("6764001facd9405005bb016a020202800001f480007530078c18cb")
SPS_854 = bytes.fromhex("6764001eacd940d83de6f011000003000100000300300f162d96")
SPS_MAIN = bytes.fromhex("674d400cecc1827cfe0220000003002000000641e2853340")
SPS_BASELINE = bytes.fromhex("2742e01ea9181687b600d418041adb0ad7bdf010")
PPS = bytes.fromhex("68ebecb22c")


def bits_of(value: int) -> str:
    """An unsigned Exp-Golomb code."""
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code


def payload(bits: str) -> bytes:
    """Bits, the stop bit and its alignment."""
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def sps_of_fields() -> bytes:
    """720x576 at Main profile, in frames or fields, numbered and ordered by four bits."""
    numbers = "".join(map(bits_of, (0, 0, 0, 0, 1))) + "0" + bits_of(44) + bits_of(17)
    return b"\x67\x4d\x40\x1e" + payload(numbers + "00100")


SPS_FIELDS = sps_of_fields()


def slice_of(slice_type: int, *, first_mb: int = 0, kind: int = 1, ref: int = 2) -> bytes:
    """A slice whose header says this; the rest is noise."""
    head = payload(bits_of(first_mb) + bits_of(slice_type))
    return bytes((ref << 5 | kind,)) + head + b"\x5a" * 30


def sei(*messages: tuple[int, bytes]) -> bytes:
    """An SEI NAL unit."""
    out = b"\x06"
    for kind, body in messages:
        out += b"\xff" * (kind // 255) + bytes((kind % 255,))
        out += b"\xff" * (len(body) // 255) + bytes((len(body) % 255,)) + body
    return out + b"\x80"


def recovery_point(frames: int) -> tuple[int, bytes]:
    """A recovery point message."""
    return 6, payload(bits_of(frames) + "1000")
