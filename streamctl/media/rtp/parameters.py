"""The parameters of payload formats (``a=fmtp``), and the configurations that they stand for.

Parameter sets that can't be read are left out: they come again in band. Sound whose
configuration is missing or damaged is what its ``rtpmap`` says.
Specifications: RFC 6184 §8.1, RFC 7798 §7.1, AV1 RTP §7.1, RFC 9628 §6, RFC 3640 §4.1,
RFC 6416 §6.3, RFC 7587 §6.1.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError
from streamctl.media import aac, latm
from streamctl.media.av1 import Av1Config
from streamctl.media.bits import BitReader
from streamctl.media.h264 import AvcConfig
from streamctl.media.hevc import HevcConfig
from streamctl.media.opus import USUAL_PRE_SKIP, OpusHead
from streamctl.media.packet import Codec, Track
from streamctl.media.vp9 import VpcConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MAX_DIGITS = 10
"""No parameter that is a number is longer; Python is slow to read long ones."""

AAC_MODES = {
    "aac-hbr": {"sizelength": "13", "indexlength": "3", "indexdeltalength": "3"},
    "aac-lbr": {"sizelength": "6", "indexlength": "2", "indexdeltalength": "2"},
}
"""Modes of RFC 3640 §3.3, whose lengths senders forget at times; the first is the default."""


def number(text: str, default: int = 0) -> int:
    """A number without a sign; the default for anything else."""
    return int(text) if len(text) <= MAX_DIGITS and text.isascii() and text.isdigit() else default


def is_aac(fmtp: Mapping[str, str]) -> bool:
    """Whether ``mpeg4-generic`` carries AAC, as it does unless it says otherwise."""
    return fmtp.get("mode", "aac-hbr").lower() in AAC_MODES


def length(fmtp: Mapping[str, str], name: str) -> int:
    """A field length of ``mpeg4-generic``, or what the mode says of it."""
    mode = AAC_MODES.get(fmtp.get("mode", "").lower(), AAC_MODES["aac-hbr"])
    return number(fmtp.get(name, ""), int(mode.get(name, "0")))


def sets(text: str) -> list[bytes]:
    """Parameter sets in base64 with commas between them; without those that can't be read."""
    found = []
    for part in text.split(","):
        try:
            # Some senders leave the padding out.
            found.append(base64.b64decode(part.strip() + "=" * (-len(part.strip()) % 4)))
        except (binascii.Error, ValueError):
            continue
    # No NAL unit ends with zeros, but those of byte streams are cut off too late at times.
    return [one for one in (data.rstrip(b"\0") for data in found) if one]


def join(one: Sequence[bytes]) -> str:
    """The inverse of :func:`sets`."""
    return ",".join(base64.b64encode(data).decode() for data in one)


def configure(track: Track, encoding: str, fmtp: Mapping[str, str]) -> Track:
    """The track with what the parameters tell of its configuration."""
    read = MUX_CONFIG if encoding == "MP4A-LATM" else READ.get(track.codec)
    if read is None:
        return track
    try:
        return read(track, fmtp)
    except ProtocolError:
        return track


def describe(track: Track) -> dict[str, str] | None:
    """The parameters of a track whose configuration is known; None if it can't be sent."""
    write = WRITE.get(track.codec)
    if write is None:
        return None
    try:
        return write(track)
    except ProtocolError:
        return None


def read_h264(track: Track, fmtp: Mapping[str, str]) -> Track:
    """Take ``sprop-parameter-sets``."""
    units = sets(fmtp.get("sprop-parameter-sets", ""))
    sps, pps = ([one for one in units if one[0] & 31 == kind] for kind in (7, 8))
    return replace(track, config=AvcConfig.from_parameter_sets(sps, pps).serialize())


def write_h264(track: Track) -> dict[str, str]:
    """The sets, and the profile that older clients ask for."""
    record = AvcConfig.parse(track.config or b"")
    profile = bytes((record.profile, record.compatibility, record.level))
    return {
        "packetization-mode": "1",
        "sprop-parameter-sets": join((*record.sps, *record.pps)),
        "profile-level-id": profile.hex().upper(),
    }


def read_hevc(track: Track, fmtp: Mapping[str, str]) -> Track:
    """Take ``sprop-vps``, ``sprop-sps`` and ``sprop-pps``."""
    vps, sps, pps = (sets(fmtp.get(f"sprop-{kind}", "")) for kind in ("vps", "sps", "pps"))
    return replace(track, config=HevcConfig.from_parameter_sets(vps, sps, pps).serialize())


def write_hevc(track: Track) -> dict[str, str]:
    """Profile and sets."""
    record = HevcConfig.parse(track.config or b"")
    return {
        "profile-id": str(record.profile),
        "tier-flag": str(int(record.high_tier)),
        "level-id": str(record.level),
        "sprop-vps": join(record.vps),
        "sprop-sps": join(record.sps),
        "sprop-pps": join(record.pps),
    }


def write_av1(track: Track) -> dict[str, str]:
    """Profile, level and tier."""
    record = Av1Config.parse(track.config or b"")
    return {
        "profile": str(record.profile),
        "level-idx": str(record.level),
        "tier": str(int(record.high_tier)),
    }


def write_vp9(track: Track) -> dict[str, str]:
    """The profile."""
    return {"profile-id": str(VpcConfig.parse(track.config or b"").profile)}


def read_aac(track: Track, fmtp: Mapping[str, str]) -> Track:
    """Take ``config``, or what the clock rate and the channels stand for."""
    config = unhex(fmtp.get("config", ""))
    try:
        aac.AacConfig.parse(config)
    except ProtocolError:
        config = plain_aac(track.sample_rate, track.channels)
    return replace(track, config=config)


def plain_aac(rate: int, channels: int) -> bytes:
    """An AudioSpecificConfig of AAC-LC.

    Raises:
        RemoteProtocolError: no configuration has that many channels.
    """
    numbers = {count: number for number, count in aac.CHANNELS.items() if number <= 7}
    return aac.AacConfig(aac.LC, rate, numbers.get(channels, 2)).serialize()


def write_aac(track: Track) -> dict[str, str]:
    """High bit rate mode; the level is not told, as no client heeds it."""
    config = track.config or b""
    aac.AacConfig.parse(config)
    return {
        "streamtype": "5",
        "profile-level-id": "1",
        "mode": "AAC-hbr",
        **AAC_MODES["aac-hbr"],
        "config": config.hex().upper(),
    }


def read_latm(track: Track, fmtp: Mapping[str, str]) -> Track:
    """Take the AudioSpecificConfig out of ``config``; without one it comes in band."""
    mux = mux_config(fmtp)
    return replace(track, config=mux.config) if mux else track


def mux_config(fmtp: Mapping[str, str]) -> latm.StreamMuxConfig | None:
    """The configuration of ``MP4A-LATM``; None without one that can be read."""
    config = unhex(fmtp.get("config", ""))
    try:
        # GStreamer leaves the end out, which in all others is zeros.
        return latm.read_mux_config(BitReader(config + bytes(4))) if config else None
    except ProtocolError:
        return None


def unhex(text: str) -> bytes:
    """Bytes in hexadecimal; without digits none."""
    try:
        return bytes.fromhex(text.strip('" '))
    except ValueError:
        return b""


def read_opus(track: Track, fmtp: Mapping[str, str]) -> Track:
    """Take channels and their order.

    Mono only counts if it is said: streams without ``sprop-stereo`` are often stereo.
    """
    if "num_streams" not in fmtp:
        channels = 1 if fmtp.get("sprop-stereo") == "0" else 2
        return replace(track, config=OpusHead(channels, USUAL_PRE_SKIP, 0, b"").serialize())
    counts = (number(fmtp.get(name, "")) & 255 for name in ("num_streams", "coupled_streams"))
    places = (number(place.strip()) & 255 for place in fmtp.get("channel_mapping", "").split(","))
    mapping = bytes((*counts, *places))
    head = OpusHead(track.channels & 255, USUAL_PRE_SKIP, 1, mapping).serialize()
    return replace(track, config=head if OpusHead.parse(head).mapping == mapping else None)


def write_opus(track: Track) -> dict[str, str]:
    """Mono or stereo, or the order of surround channels."""
    head = OpusHead.parse(track.config or b"")
    if head.family == 0:
        stereo = str(int(head.channels > 1))
        return {"sprop-stereo": stereo}
    return {
        "channel_mapping": ",".join(str(place) for place in head.mapping[2:]),
        "num_streams": str(head.mapping[0]),
        "coupled_streams": str(head.mapping[1]),
    }


def without(track: Track) -> dict[str, str]:
    """No parameters."""
    del track
    return {}


def unconfigured(track: Track, fmtp: Mapping[str, str]) -> Track:
    """A codec that needs no configuration."""
    del fmtp
    return replace(track, config=b"")


READ: dict[Codec, Callable[[Track, Mapping[str, str]], Track]] = {
    Codec.H264: read_h264,
    Codec.HEVC: read_hevc,
    Codec.AAC: read_aac,
    Codec.OPUS: read_opus,
    Codec.G711A: unconfigured,
    Codec.G711U: unconfigured,
}
MUX_CONFIG = read_latm

WRITE: dict[Codec, Callable[[Track], dict[str, str]]] = {
    Codec.H264: write_h264,
    Codec.HEVC: write_hevc,
    Codec.AV1: write_av1,
    Codec.VP8: without,
    Codec.VP9: write_vp9,
    Codec.AAC: write_aac,
    Codec.OPUS: write_opus,
    Codec.AC3: without,
    Codec.EAC3: without,
}
