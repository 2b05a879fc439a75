"""Growing files are read as far as they go, and complaints of players weighed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.players import FLV_HEADER, complaints, flv_seconds, whole_tags
from tests.support.seen import Wanted

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_that_is_cut_anywhere_tells_its_length(media: MediaCache, tmp_path: Path) -> None:
    data = media(Recipe(seconds=2, container="flv")).path.read_bytes()
    path = tmp_path / "growing.flv"
    assert flv_seconds(path) == 0
    lengths = []
    for end in (0, 5, FLV_HEADER, len(data) // 3, len(data) // 2, len(data) - 1, len(data)):
        path.write_bytes(data[:end])
        lengths.append(flv_seconds(path))
    assert lengths == sorted(lengths)
    assert 1.9 < lengths[-1] < 2.1


def test_a_cut_tag_is_left_out(media: MediaCache) -> None:
    data = media(Recipe(seconds=2, container="flv")).path.read_bytes()
    assert whole_tags(data[: len(data) // 2]) == whole_tags(whole_tags(data[: len(data) // 2]))
    assert judge(whole_tags(data[:-3])).decode_errors == []


def test_a_player_may_split_opus_but_nothing_else() -> None:
    line = (
        "[mpegts @ 0x1] Non-monotonous DTS in output stream 0:1; previous: %d, current: %d; go on"
    )
    split, back = line % (1217, 1215), line % (1217, 215)
    opus, aac = (Wanted(("h264", codec), 7, 25) for codec in ("opus", "aac"))
    assert complaints(split, opus) == []
    assert len(complaints(split, aac)) == len(complaints(back, opus)) == 1
    assert complaints("[aac @ 0x1] Invalid data found\nfine", opus) == [
        "says: [aac @ 0x1] Invalid data found"
    ]
