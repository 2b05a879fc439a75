"""What every codec's module gives: facts of a configuration, and a reader of access units.

The codecs' modules implement this; ``reader`` and ``codecs`` choose among them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError

if TYPE_CHECKING:
    from fractions import Fraction

    from streamctl.media.packet import Kind, Track

MAX_CONFIG_BYTES = 65_536
"""Records with every parameter set that an encoder may use stay below 16 KiB. Configurations are
kept beside the media, by every track and every cache of what they tell."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decoder configuration, or a frame of a codec without one, tells about a track."""

    name: str
    """RFC 6381 name, such as ``avc1.64001f``."""
    title: str
    """Codec, profile and level in words, such as ``H.264 High 3.1``."""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    frame: Fraction | None = None
    """Ticks of an access unit, when all of them have the same length."""

    def complete(self, track: Track) -> Track:
        """The track with these facts; what they don't tell stays as the source declared it.

        A declared frame rate stays too: encoders know it better than their parameter sets.
        """
        return replace(
            track,
            width=self.width or track.width,
            height=self.height or track.height,
            fps=track.fps or round(self.fps, 3),
            sample_rate=self.sample_rate or track.sample_rate,
            channels=self.channels or track.channels,
        )


@dataclass(slots=True)
class Unit:
    """One access unit in the form of ``Packet.data``."""

    data: bytes
    """Empty when there was nothing to decode, such as parameter sets alone."""
    kind: Kind
    flags: int = 0
    config: bytes | None = None
    """A new ``Track.config`` that is valid from this unit on: announce the track again."""
    dur: int = 0
    """Ticks, as far as the unit itself tells; 0 = unknown."""


class TrackReader(ABC):
    """Reads one track's configuration records and access units."""

    def __init__(self) -> None:
        self.config: bytes | None = None
        """``Track.config``; None until a record or a frame has told it."""
        self.facts: Facts | None = None

    @abstractmethod
    def configure(self, record: bytes) -> bytes | None:
        """Take a configuration record; the new ``Track.config``, or None if nothing changes.

        Raises:
            RemoteProtocolError: it can't be read, or is of a kind that is not supported.
        """

    @abstractmethod
    def unit(self, data: bytes) -> Unit:
        """Read one access unit as containers hold it.

        Raises:
            RemoteProtocolError: it can't be read, or not before a configuration came.
        """

    def track(self, base: Track) -> Track:
        """The track with its configuration, and with what that tells."""
        track = replace(base, config=self.config)
        return track if self.facts is None else self.facts.complete(track)

    def adopt(self, config: bytes, facts: Facts) -> bytes | None:
        """Keep a configuration; it is returned if it, or what it tells, is new.

        Raises:
            RemoteProtocolError: it is larger than any real one.
        """
        if len(config) > MAX_CONFIG_BYTES:
            raise RemoteProtocolError(f"a decoder configuration of {len(config)} bytes")
        if config == self.config and facts == self.facts:
            return None
        self.config = config
        self.facts = facts
        return config
