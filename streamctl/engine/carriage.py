"""What a lane's format can carry of a stream, and the sentences about what it can't.

Viewers come for the picture: a format that can't carry any of a stream's video tracks refuses them
by a sentence that names the outputs that can. Other tracks are left out of the lane and named in a
remark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.codecs import TITLES
from streamctl.media.packet import Format, Media

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streamctl.media.packet import Track
    from streamctl.sdk.plugin import ConverterSpec

FORMAT_TITLES = {
    Format.PACKETS: "this lane",
    Format.MPEGTS: "MPEG-TS",
    Format.RTMP: "RTMP",
    Format.RTMP_MULTITRACK: "RTMP",
    Format.FLV: "FLV",
    Format.RTP: "RTP",
    Format.CMAF: "CMAF",
}


def refusal(
    tracks: Sequence[Track],
    target: Format,
    specs: Mapping[Format, ConverterSpec],
    outputs: Mapping[str, Format],
    *,
    passing: Format | None = None,
    sealed: bool = False,
) -> str:
    """Why viewers of ``target`` are refused; empty = they are not.

    ``outputs`` are the kinds that serve the stream, with the format that their viewers read;
    ``passing`` is the format in which it came and passes whatever it is, perhaps ``sealed``.
    """
    spec = specs.get(target)
    if spec is None or target is passing:
        return ""
    through = sorted(kind for kind, fmt in outputs.items() if fmt is passing)
    if sealed:
        instead = f"use {listed(through)}" if through else "no output of this stream can"
        return f"{FORMAT_TITLES[target]} can't carry a scrambled program: {instead}"
    # Data may be known before what it belongs to.
    shown = [track for track in tracks if track.media is not Media.DATA]
    if not shown:
        return ""
    wanted = [track for track in shown if track.media is Media.VIDEO] or shown
    if any(track.codec in spec.codecs for track in wanted):
        return ""
    codec = wanted[0].codec
    able = sorted(
        kind
        for kind, fmt in outputs.items()
        if kind in through or (fmt in specs and codec in specs[fmt].codecs)
    )
    instead = f"use {listed(able)}" if able else "no output of this stream can"
    return f"{FORMAT_TITLES[target]} can't carry {named(wanted[0])}: {instead}"


def left_out(tracks: Iterable[Track], target: Format) -> str:
    """The remark about tracks that the lane goes without; empty if there are none."""
    names = ", ".join(dict.fromkeys(map(named, tracks)))
    return f"{FORMAT_TITLES[target]} can't carry {names}: left out" if names else ""


def named(track: Track) -> str:
    """A track as a sentence calls it."""
    title = TITLES[track.codec]
    return title if track.media is Media.DATA else f"{title} {track.media}"


def listed(names: Sequence[str]) -> str:
    """Names as a choice in words."""
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
