"""Generated captures of broadcast: what a cable head-end sends, in seconds and without a licence.

Picture and sound come from :mod:`tests.support.media`, encoded once, taken apart by libav and put
together by :mod:`tests.support.ts_build`; the private PIDs are made here: teletext (EN 300 472),
DVB subtitles (EN 300 743), splice cues (SCTE 35), KLV (MISB ST 1402) and timed ID3.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import av

from tests.support.media import Recipe
from tests.support.ts_build import (
    SECOND,
    WRAP,
    Component,
    Program,
    Unit,
    descriptor,
    multiplex,
    pes,
    with_crc,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.media import MediaCache

STREAM_TYPES = {
    "h264": 0x1B,
    "hevc": 0x24,
    "mpeg2video": 0x02,
    "aac": 0x0F,
    "mp2": 0x03,
    "ac3": 0x81,
}
VIDEO_ID, AUDIO_ID, PRIVATE_ID = 0xE0, 0xC0, 0xBD
LEAD, DATA_LEAD = SECOND * 6 // 10, SECOND * 3 // 10
"""How long before its decoding time a unit is sent."""
BEFORE_WRAP = WRAP - 2 * SECOND
"""A start from which the 33 bits of a capture end in its third second."""
TELETEXT_HEADER = 36
"""EN 300 472, 4.2: with it a whole number of packets is filled."""
FAR_CUES = 40
"""Descriptors of a cue whose section spans three packets."""


@dataclass(frozen=True)
class Broadcast:
    """What a capture contains."""

    seconds: float = 4.0
    video: str = "h264"
    """h264, hevc, mpeg2video, or nothing for radio."""
    audio: str = "aac"
    languages: tuple[str, ...] = ("eng", "spa")
    private: bool = True
    """Teletext, subtitles, cues, KLV and ID3."""
    own_pcr: bool = True
    """Whether the clock has a PID of its own; else it is in the picture's, or in the sound's."""
    programs: int = 1
    start: int = 10 * SECOND
    """The clock at the first packet."""
    kbps: int = 0
    """A constant rate, filled up with null packets; 0 = as it comes."""
    repeat: int = 1
    """Times that picture and sound are played, as one timeline."""
    sound_late_s: float = 0.5
    """How long after its picture the sound is sent, as encoders of broadcast do it."""
    frames_per_pes: int = 3
    """Sound units in one PES packet."""
    video_kbps: int = 0
    """0 = constant quality; else a picture so restless that it takes this rate."""
    size: tuple[int, int] = (320, 180)
    fps: Fraction = Fraction(25)
    gop: int = 25
    bframes: int = 2


@dataclass(frozen=True)
class Capture:
    """A transport stream and what it consists of."""

    data: bytes
    programs: tuple[Program, ...]
    names: dict[str, int] = field(default_factory=dict)
    """PIDs of the first program: video, eng, spa, teletext, subtitles, cues, klv, id3."""


@dataclass(frozen=True)
class Frame:
    """An access unit; its times begin near zero."""

    pts: int
    dts: int
    data: bytes
    key: bool


def broadcast(media: MediaCache, wanted: Broadcast | None = None) -> Capture:
    """A capture, with its picture and sound from the cache."""
    wanted = wanted or Broadcast()
    programs = tuple(service(media, wanted, number) for number in range(wanted.programs))
    data = multiplex(programs, start=wanted.start, kbps=wanted.kbps)
    names = [*(["video"] if wanted.video else []), *wanted.languages]
    if wanted.private:
        names += ["teletext", "subtitles", "cues", "klv", "id3"]
    return Capture(data, programs, dict(zip(names, programs[0].pids, strict=True)))


def service(media: MediaCache, wanted: Broadcast, number: int) -> Program:
    """One program of a capture; those of higher numbers have other PIDs."""
    base = 0x100 * (number + 1)
    components = [
        *([picture(media, wanted, base + 0x11)] if wanted.video else []),
        *(
            sound(media, wanted, base + 0x21 + place, language)
            for place, language in enumerate(wanted.languages)
        ),
        *(private(wanted, base + 0x31) if wanted.private else ()),
    ]
    return Program(
        number=number + 1,
        name=f"Test {number + 1}",
        pmt_pid=base,
        pcr_pid=base + 1 if wanted.own_pcr else components[0].pid,
        components=tuple(components),
        descriptors=descriptor(0x05, b"CUEI") if wanted.private else b"",
    )


def picture(media: MediaCache, wanted: Broadcast, pid: int) -> Component:
    """The video PID."""
    recipe = Recipe(
        seconds=wanted.seconds,
        container="ts",
        audio=False,
        video_codec=wanted.video,
        video_kbps=wanted.video_kbps,
        restless=bool(wanted.video_kbps),
        width=wanted.size[0],
        height=wanted.size[1],
        fps=wanted.fps,
        gop=wanted.gop,
        bframes=wanted.bframes,
    )
    units = [
        Unit(
            max(0, each.dts),
            pes(VIDEO_ID, each.data, *(wanted.start + LEAD + at for at in times(each))),
            each.key,
        )
        for each in frames(media(recipe).path, wanted)
    ]
    return Component(pid, STREAM_TYPES[wanted.video], units)


def times(frame: Frame) -> tuple[int, int]:
    """Presentation, then decoding."""
    return frame.pts, frame.dts


def sound(media: MediaCache, wanted: Broadcast, pid: int, language: str) -> Component:
    """An audio PID; each language is coded at a rate of its own."""
    recipe = Recipe(
        seconds=wanted.seconds,
        container="ts",
        video=False,
        audio_codec=wanted.audio,
        audio_kbps=96 if language == wanted.languages[0] else 64,
    )
    found = frames(media(recipe).path, wanted)
    units = []
    for at in range(0, len(found), wanted.frames_per_pes):
        together = found[at : at + wanted.frames_per_pes]
        data = b"".join(each.data for each in together)
        pts = together[0].pts
        due = max(0, pts + round(wanted.sound_late_s * SECOND))
        units.append(Unit(due, pes(AUDIO_ID, data, wanted.start + LEAD + pts)))
    named = descriptor(0x0A, language.encode() + b"\0")
    return Component(pid, STREAM_TYPES[wanted.audio], units, named)


def frames(path: Path, wanted: Broadcast) -> list[Frame]:
    """The access units of a file, its first decoding time being 0, as often as wanted."""
    with av.open(str(path)) as source:
        found = [
            (packet.pts, packet.dts, bytes(packet), packet.is_keyframe)
            for packet in source.demux()
            if packet.dts is not None and packet.pts is not None
        ]
    first = found[0][1]
    length = round(wanted.seconds * SECOND)
    return [
        Frame(pts - first + turn * length, dts - first + turn * length, data, key)
        for turn in range(wanted.repeat)
        for pts, dts, data, key in found
        if dts - first < length
    ]


def private(wanted: Broadcast, pid: int) -> Iterator[Component]:
    """The PIDs that are neither picture nor sound."""
    yield Component(pid, 0x06, list(teletext(wanted)), descriptor(0x56, b"eng\x09\x00"))
    page = b"spa\x10" + word(1) + word(1)
    yield Component(pid + 1, 0x06, list(subtitles(wanted)), descriptor(0x59, page))
    yield Component(pid + 2, 0x86, list(cues(wanted)), sections=True)
    yield Component(pid + 3, 0x06, list(klv(wanted)), descriptor(0x05, b"KLVA"))
    tag = b"\xff\xffID3 \xffID3 \0\x0f"
    yield Component(pid + 4, 0x15, list(id3(wanted)), descriptor(0x26, tag))


def every(wanted: Broadcast, step_s: float, first_s: float = 0.0) -> Iterator[tuple[int, int]]:
    """When a unit of data is sent, and what it says about when it is shown."""
    due, end = round(first_s * SECOND), round(wanted.seconds * wanted.repeat * SECOND)
    while due < end:
        yield due, wanted.start + due + DATA_LEAD
        due += round(step_s * SECOND)


def teletext(wanted: Broadcast) -> Iterator[Unit]:
    """Pages as lines of 44 bytes, with a long PES header (EN 300 472, 4.2)."""
    draw = random.Random("teletext")
    for due, pts in every(wanted, 0.04):
        lines = b"".join(b"\x02\x2c\xe4\xe4" + draw.randbytes(42) for _ in range(7))
        yield Unit(due, pes(PRIVATE_ID, b"\x10" + lines, pts, header=TELETEXT_HEADER))


def subtitles(wanted: Broadcast) -> Iterator[Unit]:
    """Display sets of some thousand bytes (EN 300 743, 7.2)."""
    draw = random.Random("subtitles")
    for due, pts in every(wanted, 0.7, 0.3):
        segment = b"\x0f\x13" + word(1) + word(2500) + draw.randbytes(2500)
        yield Unit(due, pes(PRIVATE_ID, b"\x20\0" + segment + b"\xff", pts))


def cues(wanted: Broadcast) -> Iterator[Unit]:
    """Splice cues with and without a time; one of them has a section over several packets."""
    for number, (due, pts) in enumerate(every(wanted, 0.5, 0.25)):
        match number % 3:
            case 0:
                yield Unit(due, splice_insert(number, pts + 4 * SECOND))
            case 1:
                yield Unit(due, splice_null())
            case _:
                far = splice_insert(number, pts + 8 * SECOND, descriptors=FAR_CUES)
                yield Unit(due, far)


def splice_insert(event: int, pts: int, *, descriptors: int = 0, adjustment: int = 0) -> bytes:
    """A cue to leave the network at a time (SCTE 35, 9.7.3), with DTMF descriptors."""
    time = (0xFE << 32 | pts % WRAP).to_bytes(5)
    command = event.to_bytes(4) + b"\x7f\xcf" + time + word(7) + b"\x01\x01"
    dtmf = descriptor(0x01, b"CUEI\x32\x5f123")
    return splice_info(0x05, command, dtmf * descriptors, adjustment)


def splice_null() -> bytes:
    """A cue that only says that cues are here (9.7.1)."""
    return splice_info(0x00, b"", b"", 0)


def splice_info(kind: int, command: bytes, descriptors: bytes, adjustment: int) -> bytes:
    """The section around a command (9.6), not encrypted."""
    body = (adjustment % WRAP).to_bytes(5) + b"\0" + (0xFFF << 12 | len(command)).to_bytes(3)
    body = b"\0" + body + bytes((kind,)) + command + word(len(descriptors)) + descriptors
    return with_crc(b"\xfc" + word(0x3000 | len(body) + 4) + body)


def klv(wanted: Broadcast) -> Iterator[Unit]:
    """Local sets of a UAV, without stamps (MISB ST 1402, asynchronous)."""
    draw = random.Random("klv")
    label = bytes.fromhex("060e2b34020b01010e01030101000000")
    for due, _ in every(wanted, 0.2, 0.1):
        yield Unit(due, pes(PRIVATE_ID, label + b"\x20" + draw.randbytes(32), None))


def id3(wanted: Broadcast) -> Iterator[Unit]:
    """Tags with one text frame each."""
    for number, (due, pts) in enumerate(every(wanted, 1.0, 0.5)):
        text = f"\3now {number}\0".encode()
        content = b"TIT2" + len(text).to_bytes(4) + b"\0\0" + text
        tag = b"ID3\4\0\0" + len(content).to_bytes(4) + content
        yield Unit(due, pes(PRIVATE_ID, tag, pts))


def variants(seconds: float = 4.0) -> dict[str, Broadcast]:
    """Captures that differ in what demultiplexers trip over, by name."""
    base = Broadcast(seconds=seconds)
    return {
        "everything": base,
        "constant rate": replace(base, kbps=2500),
        "clock in the picture": replace(base, own_pcr=False),
        "stamps that wrap": replace(base, start=BEFORE_WRAP),
        "two programs": replace(base, programs=2),
        "HEVC": replace(base, video="hevc"),
        "MPEG-2 and MP2": replace(base, video="mpeg2video", audio="mp2"),
        "radio": replace(base, video="", own_pcr=False),
    }
