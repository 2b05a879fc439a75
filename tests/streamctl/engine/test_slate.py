from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from streamctl.engine.slate import NOTE, slate_remarks
from streamctl.engine.status import stream_status
from streamctl.media.aac import AacConfig
from streamctl.media.packet import Codec, Track
from tests.streamctl.engine.studio import Studio, at_work, entry, plays

if TYPE_CHECKING:
    from collections.abc import Sequence

VIDEO = Track(0, Codec.H264, b"v", width=1920, height=1080, fps=25.0)
SOUND = Track(1, Codec.AAC, AacConfig(2, 48_000, 2).serialize(), sample_rate=48_000, channels=2)
BOTH = (VIDEO, SOUND)


def test_a_slate_like_the_stream_needs_no_remark() -> None:
    assert slate_remarks(BOTH, BOTH, pushed=True) == []
    assert slate_remarks(BOTH, (replace(VIDEO, fps=25.001), SOUND), pushed=True) == []
    assert slate_remarks(BOTH, (), pushed=True) == []


@pytest.mark.parametrize(
    ("slate", "last", "words"),
    [
        ((replace(VIDEO, codec=Codec.HEVC), SOUND), BOTH, "have the codec hevc, the stream's h264"),
        ((replace(VIDEO, width=1280, height=720), SOUND), BOTH, "the size 1280x720"),
        ((replace(VIDEO, fps=50.0), SOUND), BOTH, "the frame rate 50, the stream's 25"),
        ((VIDEO, replace(SOUND, sample_rate=44_100)), BOTH, "sound has the sampling rate 44100"),
        ((VIDEO, replace(SOUND, channels=1)), BOTH, "the channels 1, the stream's 2"),
        ((VIDEO,), BOTH, "silence is made up"),
        ((VIDEO,), (VIDEO, replace(SOUND, config=None)), "silence is made up"),
        ((VIDEO,), (VIDEO, replace(SOUND, codec=Codec.AC3)), "players may wait"),
        ((VIDEO,), (VIDEO, replace(SOUND, codec=Codec.FLAC, config=None)), "players may wait"),
        ((VIDEO,), (), "the slate has no sound"),
        ((SOUND,), BOTH, "the slate has no pictures"),
        ((SOUND,), (), "the slate has no pictures"),
    ],
)
def test_what_differs_is_named(slate: Sequence[Track], last: Sequence[Track], words: str) -> None:
    assert any(words in remark for remark in slate_remarks(slate, last, pushed=False))


def test_what_is_unknown_is_not_remarked() -> None:
    plain = (replace(VIDEO, width=0, fps=0.0), replace(SOUND, sample_rate=0, channels=0))
    assert slate_remarks(plain, BOTH, pushed=False) == []


def test_pushes_suffer_from_changes() -> None:
    small = (replace(VIDEO, width=640, height=360), SOUND)
    assert len(slate_remarks(small, BOTH, pushed=False)) == 1
    assert "pushed" in slate_remarks(small, BOTH, pushed=True)[-1]


@pytest.mark.anyio
async def test_a_running_stream_notes_in_what_its_slate_differs() -> None:
    studio = Studio(
        entry("publish:"),
        entry("script://slate", role="slate"),
        scripts={"slate": plays(lambda: studio)},
        standby="hot",
    )
    async with at_work(studio):
        await studio.pass_time(2)
        assert NOTE not in studio.news.notes
        main = studio.arrive()
        picture = stream_status(studio.news).inputs[1].tracks[0]
        assert (picture.codec, picture.width) == ("mpeg2", 320)
        main.writer.tracks([replace(VIDEO, id=0, codec=Codec.MPEG2), replace(SOUND, channels=1)])
        main.second()
        await studio.pass_time(1)
        size = "the slate's pictures have the size 320x180, the stream's 1920x1080"
        assert size in studio.news.notes[NOTE]
        main.leave()
        await studio.pass_time(3)
        assert studio.on_air == 1
        assert size in stream_status(studio.news).media.notes[NOTE]
        assert len(stream_status(studio.news).inputs[0].tracks) == 2, "what it delivered last"
        config = studio.news.config
        studio.news.update(config.model_copy(update={"inputs": config.inputs[:1]}))
        await studio.pass_time(1)
        assert NOTE not in studio.news.notes
