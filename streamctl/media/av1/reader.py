"""The track reader of AV1, and what its configuration tells.

Specification: AV1 Codec ISO Media File Format Binding §2.3, §2.4.
"""

from __future__ import annotations

from dataclasses import replace

from streamctl.errors import ProtocolError
from streamctl.media.av1.config import Av1Config, codec_string
from streamctl.media.av1.obu import normalize
from streamctl.media.unit import Facts, TrackReader, Unit

PROFILES = ("Main", "High", "Professional")
MAX_LEVEL = 31
"""``seq_level_idx`` of streams that keep to no level."""


class Av1Reader(TrackReader):
    """Keeps the configuration up to date with the sequence headers that come in band."""

    def __init__(self) -> None:
        super().__init__()
        self.record: Av1Config | None = None

    def configure(self, record: bytes) -> bytes | None:
        """Take an av1C; one without a sequence header waits for that of the first key frame.

        Raises:
            RemoteProtocolError: it can't be read.
        """
        parsed = Av1Config.parse(record)
        return self.take(parsed) if parsed.sequence else None

    def unit(self, data: bytes) -> Unit:
        found = normalize(data)
        config = None
        if found.sequence and (self.record is None or found.sequence != self.record.sequence):
            config = self.in_band(found.sequence)
        return Unit(found.data, found.kind, 0, config)

    def in_band(self, sequence: bytes) -> bytes | None:
        """Take a sequence header that stood in a temporal unit.

        Raises:
            RemoteProtocolError: it can't be read.
        """
        record = Av1Config.from_sequence_header(sequence)
        if self.record is not None:
            record = replace(record, metadata=self.record.metadata)
        return self.take(record)

    def take(self, record: Av1Config) -> bytes | None:
        """Adopt a configuration if it differs.

        Raises:
            RemoteProtocolError: it is larger than any real one.
        """
        config = record.serialize()
        news = self.adopt(config, facts(config))
        self.record = record
        return news


def facts(config: bytes) -> Facts:
    """What an av1C tells; a sequence header that can't be read tells nothing of the size.

    Raises:
        RemoteProtocolError: the record can't be read.
    """
    record = Av1Config.parse(config)
    known = record.profile < len(PROFILES)
    profile = PROFILES[record.profile] if known else f"profile {record.profile}"
    level = "" if record.level == MAX_LEVEL else f" {2 + record.level // 4}.{record.level % 4}"
    tier = " high tier" if record.high_tier else ""
    told = Facts(codec_string(record), f"AV1 {profile}{level}{tier}")
    try:
        header = record.header()
    except ProtocolError:
        return told
    return replace(told, width=header.width, height=header.height, fps=header.fps)
