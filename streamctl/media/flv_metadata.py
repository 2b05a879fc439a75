"""The properties of ``onMetaData``: what a source says of its tracks before their first frames.

Sources give numbers as text, not at all, or for tracks that never come, so everything here is a
hint: it names the tracks to wait for and fills in what configurations don't tell.

Specifications: Adobe FLV 10.1 annex E.5, Enhanced RTMP v2 ("Enhancing onMetaData").
"""

from __future__ import annotations

from collections import ChainMap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streamctl.media.flv import AUDIO_CODECS, FOURCCS, VIDEO_CODECS
from streamctl.media.flv_head import CODES
from streamctl.media.packet import Codec, Media

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamctl.media.packet import Track

TRACK_NUMBERS = {str(number): number for number in range(1, 256)}
"""Numbers of further tracks have one byte; property names are text."""
NAMES = {Media.VIDEO: "video", Media.AUDIO: "audio"}
NUMBERED = {Media.VIDEO: "videoTrackIdInfoMap", Media.AUDIO: "audioTrackIdInfoMap"}
NUMBERS = {Media.VIDEO: VIDEO_CODECS, Media.AUDIO: AUDIO_CODECS}
CODEC_IDS = {Codec.H264: 7, Codec.AAC: 10, Codec.MP3: 2}
"""Codecs that are written by their classic number; others by their FourCC."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is said of one track."""

    codec: Codec | None = None
    """None when no track is announced, or one of a codec that has no name here."""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    bitrate: int = 0


UNKNOWN = Facts()


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is said of the tracks, by their numbers within the medium; 0 is the default one."""

    video: Mapping[int, Facts] = field(default_factory=dict)
    audio: Mapping[int, Facts] = field(default_factory=dict)

    def facts(self, media: Media, number: int) -> Facts:
        """What is said of one track."""
        known = self.video if media is Media.VIDEO else self.audio
        return known.get(number, UNKNOWN)


def metadata(values: Mapping[str, Any]) -> Metadata:
    """The facts in the properties, whatever types a source gave them."""
    return Metadata(*(numbered_tracks(values, media) for media in (Media.VIDEO, Media.AUDIO)))


def numbered_tracks(values: Mapping[str, Any], media: Media) -> dict[int, Facts]:
    """The facts of the default track and of those in the map of further tracks.

    What a further track doesn't say is as the default track has it.
    """
    top = dict(values)
    found = {0: facts(top, media)}
    further = values.get(NUMBERED[media])
    if isinstance(further, dict):
        for name, entry in further.items():
            number = TRACK_NUMBERS.get(name)
            if number is not None and isinstance(entry, dict):
                found[number] = facts(ChainMap(entry, top), media)
    return found


def facts(values: Mapping[str, Any], media: Media) -> Facts:
    """The facts of one track."""
    kind = NAMES[media]
    codec = announced(values.get(f"{kind}codecid"), media)
    bitrate = int(1000 * number(values, f"{kind}datarate", 10_000_000))
    if media is Media.VIDEO:
        return Facts(
            codec,
            width=int(number(values, "width", 65_535)),
            height=int(number(values, "height", 65_535)),
            fps=number(values, "framerate", 1000) or number(values, "videoframerate", 1000),
            bitrate=bitrate,
        )
    rate = number(values, "audiosamplerate", 1_000_000) or number(values, "samplerate", 1_000_000)
    channels = number(values, "audiochannels", 255) or number(values, "channels", 255)
    return Facts(codec, sample_rate=int(rate), channels=int(channels), bitrate=bitrate)


def announced(value: object, media: Media) -> Codec | None:
    """The codec that a codec property names, by its number or its FourCC in either form."""
    code = b""
    if isinstance(value, str) and len(value) == 4:
        code = value.encode("ascii", "replace")
    elif isinstance(value, (int, float)) and 0 <= value < 2**32:
        if value in NUMBERS[media]:
            return NUMBERS[media][int(value)][0]
        code = int(value).to_bytes(4, "big")
    codec = FOURCCS[code][0] if code in FOURCCS else None
    return codec if codec is not None and codec.media is media else None


def number(values: Mapping[str, Any], name: str, limit: float) -> float:
    """A property between 0 and ``limit``; 0 if it is absent or anything else."""
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0.0
    return float(value) if 0 < value <= limit else 0.0


def build_metadata(tracks: Sequence[Track]) -> dict[str, Any]:
    """The properties for these tracks; the first of each medium is its default track."""
    values: dict[str, Any] = {}
    for media in (Media.VIDEO, Media.AUDIO):
        entries = [properties(track) for track in tracks if track.media is media]
        if entries:
            values |= entries[0]
        if len(entries) > 1:
            further = enumerate(entries[1:], 1)
            values[NUMBERED[media]] = {str(number): entry for number, entry in further}
    values["encoder"] = "streamctl"
    return values


def properties(track: Track) -> dict[str, Any]:
    """What is said of one track."""
    kind = NAMES[track.media]
    codec_id = CODEC_IDS.get(track.codec) or int.from_bytes(CODES[track.codec], "big")
    values: dict[str, Any] = {f"{kind}codecid": codec_id}
    if track.media is Media.VIDEO:
        values |= {"width": track.width, "height": track.height}
        if track.fps:
            values["framerate"] = track.fps
    else:
        values |= {
            "audiosamplerate": track.sample_rate,
            "audiosamplesize": 16,
            "audiochannels": track.channels,
            "stereo": track.channels > 1,
        }
    if track.bitrate:
        values[f"{kind}datarate"] = track.bitrate / 1000
    return values
