from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from streamctl.avworker.container import open_file
from streamctl.avworker.source import Source, carried, codec_of, language_of, short_format
from streamctl.media.packet import Codec
from tests.support.media import Recipe

from .made import encode

if TYPE_CHECKING:
    from pathlib import Path

    from av.stream import Stream

    from tests.support.media import MediaCache


@pytest.mark.parametrize(
    ("name", "short"),
    [("mov,mp4,m4a,3gp,3g2,mj2", "mp4"), ("matroska,webm", "mkv"), ("mpegts", "mpegts")],
)
def test_families_of_containers_have_one_name(name: str, short: str) -> None:
    assert short_format(name) == short


@pytest.mark.parametrize(
    ("told", "language"),
    [("eng", "eng"), ("pt-BR", "pt-BR"), ("und", ""), (None, ""), ("\x7f\x7f\x7f", "")],
)
def test_only_languages_are_languages(told: str | None, language: str) -> None:
    assert language_of(cast("Stream", SimpleNamespace(language=told))) == language


def test_tracks_are_declared_and_then_known(media: MediaCache) -> None:
    with open_file(str(media(Recipe(seconds=1.0, container="ts")).path)) as container:
        source = Source(container)
        chosen, notes = carried(container)
        for stream in chosen:
            source.add(stream)
        units = list(source.packets())
        video, audio = source.tracks
    assert notes == []
    assert (video.id, video.width, video.fps) == (0, 320, 25.0)
    assert (audio.id, audio.sample_rate, audio.config) == (1, 48_000, bytes.fromhex("1190"))
    assert {reader.track.id for reader, _ in units} == {0, 1}


def test_what_is_not_carried_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    encode(path, video="mpeg2video", audio="aac")
    with open_file(str(path)) as container:
        chosen, notes = carried(container)
        assert [stream.type for stream in chosen] == ["audio"]
        assert codec_of(container.streams[0]) is Codec.MPEG2
    assert notes == ["left out: video track 0 (`mpeg2video`)"]
