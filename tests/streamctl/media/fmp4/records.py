"""Configurations and access units as an encoder made them."""

from __future__ import annotations

AVCC = bytes.fromhex(
    "01640014ffe1001967640014acd941419f9e1000000300100000030320f142996001000468eebcb0fdf8f800"
)
"""H.264 High 2.0, 320x180, 25 fps."""
IDR = bytes.fromhex("0000000465888400")
SLICE = bytes.fromhex("00000004419a2000")
ASC = bytes.fromhex("119056e500")
"""AAC-LC, 48 kHz, stereo."""
FRAME = bytes.fromhex("211004608c1c")
