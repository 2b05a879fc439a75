from __future__ import annotations

import pytest

from streamctl.errors import RemoteProtocolError, Unsupported
from streamctl.media.codecs import FACTS
from streamctl.media.packet import Codec, Kind, Track
from streamctl.media.reader import BYTE_STREAMS, CODECS, open_reader


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_a_reader_begins_without_a_configuration(codec: Codec) -> None:
    reader = open_reader(codec)
    base = Track(0, codec)
    assert reader.track(base) == base


@pytest.mark.parametrize("codec", sorted(BYTE_STREAMS))
def test_byte_streams_have_a_reader_of_their_own(codec: Codec) -> None:
    unit = open_reader(codec, byte_stream=True).unit(b"\0\0\1\x02\x01")
    assert unit.data == b"\0\0\0\2\x02\x01"


def test_codecs_without_start_codes_ignore_the_difference() -> None:
    reader = open_reader(Codec.AAC, byte_stream=True)
    assert reader.configure(b"\x12\x10") == b"\x12\x10"


def test_unknown_codecs_are_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="`g711a`"):
        open_reader(Codec.G711A)


def test_aac_frames_last_as_long_as_their_samples() -> None:
    reader = open_reader(Codec.AAC)
    with pytest.raises(RemoteProtocolError):
        reader.unit(b"\x21")
    assert reader.configure(b"\x12\x10") == b"\x12\x10"
    assert reader.configure(b"\x12\x10") is None
    unit = reader.unit(b"\x21")
    assert (unit.data, unit.kind, unit.dur) == (b"\x21", Kind.AUDIO, 2090)
    track = reader.track(Track(1, Codec.AAC))
    assert (track.sample_rate, track.channels) == (44_100, 2)


def test_what_reads_a_codec_also_knows_its_facts() -> None:
    assert CODECS - set(FACTS) <= {Codec.MP3, Codec.MP2}
