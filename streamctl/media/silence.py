"""Silence: one access unit of it, for the codecs whose silence can be written down.

AAC, also with SBR and PS, which then have nothing to add; Opus, MPEG audio, and G.711. AC-3,
E-AC-3 and FLAC would have to be encoded. Specifications: ISO/IEC 14496-3 §4.4.2 (raw data
blocks), RFC 6716 §3.1, ISO/IEC 11172-3 §2.4.1, ITU-T G.711 tables 1a and 2a.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError
from streamctl.media import mpegaudio, opus
from streamctl.media.aac import LC, AacConfig
from streamctl.media.bits import BitWriter
from streamctl.media.packet import TIMESCALE, Codec

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.media.packet import Track

SINGLE, PAIR, LOW, END = 0, 1, 3, 7
"""Syntactic elements of a raw data block: one channel, two, low frequencies (table 4.85)."""
ELEMENTS = {
    1: (SINGLE,),
    2: (PAIR,),
    3: (SINGLE, PAIR),
    4: (SINGLE, PAIR, SINGLE),
    5: (SINGLE, PAIR, PAIR),
    6: (SINGLE, PAIR, PAIR, LOW),
}
"""By ``channelConfiguration`` (table 1.19); there are decoders that more channels end."""
GAIN = 100
"""``global_gain``, which scales nothing here."""
CHANNEL_BITS = 14
"""Of a channel without spectrum behind its gain: all are zero."""
OPUS_FRAME = b"\xf8\xff\xfe"
"""20 ms of CELT that decoders fill with nothing."""
OPUS_TICKS = TIMESCALE // 50
G711_SILENCE = {Codec.G711A: b"\xd5", Codec.G711U: b"\xff"}
MPEG_KBPS = {1: 64, 2: 128}
"""By channels, where the table has it; layer II allows two channels no less at most rates."""
LOW_KBPS = 64


@dataclass(frozen=True, slots=True)
class SilentUnit:
    """An access unit of silence."""

    data: bytes
    length: Fraction
    """Ticks that it lasts."""


def silent_unit(track: Track) -> SilentUnit | None:
    """A unit that the decoder of a track takes for silence; None if there is none to be had."""
    make = MAKERS.get(track.codec)
    if make is None or track.config is None:
        return None
    try:
        return make(track)
    except ProtocolError:
        return None


def can_be_silent(track: Track) -> bool:
    """Whether there is silence for a track; without its configuration, for most of its codec."""
    if track.config is None:
        return track.codec in MAKERS
    return silent_unit(track) is not None


def aac_unit(track: Track) -> SilentUnit | None:
    """A raw data block whose channels have no spectrum."""
    config = AacConfig.parse(track.config or b"")
    if config.object_type != LC or config.channel_configuration not in ELEMENTS:
        return None
    length = Fraction(TIMESCALE * config.core_samples, config.core_rate)
    return SilentUnit(aac_silence(config.channel_configuration), length)


def aac_silence(channel_configuration: int) -> bytes:
    """The same for any sampling rate."""
    writer = BitWriter()
    tags = dict.fromkeys((SINGLE, PAIR, LOW), 0)
    for element in ELEMENTS[channel_configuration]:
        writer.bits(element, 3)
        writer.bits(tags[element], 4)
        tags[element] += 1
        if element == PAIR:
            writer.bits(0, 1)  # common_window
        for _ in range(1 + (element == PAIR)):
            writer.bits(GAIN, 8)
            writer.bits(0, CHANNEL_BITS)
    writer.bits(END, 3)
    return writer.data()


def opus_unit(track: Track) -> SilentUnit | None:
    """A packet without sound, of one stream."""
    if opus.OpusHead.parse(track.config or b"").family:
        return None
    return SilentUnit(OPUS_FRAME, Fraction(OPUS_TICKS))


def mpeg_unit(track: Track) -> SilentUnit | None:
    """A frame whose bands have no bits."""
    rate, channels = track.sample_rate, track.channels
    rates = {base >> shift: (shift, base) for shift in (2, 1, 0) for base in mpegaudio.RATES}
    if rate not in rates or channels not in MPEG_KBPS:
        return None
    shift, base = rates[rate]
    version = {shift: bits for bits, shift in mpegaudio.VERSION_SHIFTS.items()}[shift]
    layer = {codec: bits for bits, codec in mpegaudio.LAYERS.items()}[track.codec]
    kbps = LOW_KBPS if shift else MPEG_KBPS[channels]
    table = mpegaudio.LOW_KBPS if shift else mpegaudio.KBPS[track.codec, version]
    writer = BitWriter()
    writer.bits(mpegaudio.SYNC, 11)
    writer.bits(version, 2)
    writer.bits(layer << 1 | 1, 3)
    writer.bits(table.index(kbps), 4)
    writer.bits(mpegaudio.RATES.index(base), 2)
    writer.bits(0, 2)  # padding_bit, private_bit
    writer.bits(mpegaudio.MONO if channels == 1 else 0, 2)
    writer.bits(0, 6)
    head = writer.data()
    length = mpegaudio.FrameHeader.parse(head).facts.frame
    assert length is not None
    return SilentUnit(head.ljust(mpegaudio.frame_bytes(head), b"\0"), length)


def g711_unit(track: Track) -> SilentUnit | None:
    """20 ms of samples that are zero."""
    count = track.sample_rate * track.channels // 50
    if not count:
        return None
    return SilentUnit(G711_SILENCE[track.codec] * count, Fraction(TIMESCALE, 50))


MAKERS: dict[Codec, Callable[[Track], SilentUnit | None]] = {
    Codec.AAC: aac_unit,
    Codec.OPUS: opus_unit,
    Codec.MP2: mpeg_unit,
    Codec.MP3: mpeg_unit,
    Codec.G711A: g711_unit,
    Codec.G711U: g711_unit,
}
