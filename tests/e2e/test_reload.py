"""The configuration changes while the server runs; only those concerned notice."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support.hls import faults
from tests.support.media import MediaCache, Recipe
from tests.support.peers import Streamctl, ffmpeg_publish, ffmpeg_record, stream_toml
from tests.support.process import eventually
from tests.support.viewers import Viewers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "rtmpdump"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=60, video_kbps=500, gop=25)
NEWS = stream_toml("news")


def serves(server: Streamctl, wanted: set[str]) -> bool:
    return server.codes() == wanted


def test_streams_come_change_and_go_while_others_see_nothing(
    tmp_path: Path, media: MediaCache
) -> None:
    made = media(RECIPE)
    with (
        Streamctl(tmp_path, NEWS + stream_toml("old")) as server,
        ffmpeg_publish(made.path, server.rtmp()),
    ):
        server.wait_on_air()
        with Viewers(server, tmp_path) as viewers:
            server.rewrite(
                NEWS + stream_toml("old", 'publish_key = "s3cret"') + stream_toml("extra")
            )
            eventually(lambda: server.codes() == {"news", "old", "extra"}, 30, "`extra`")
            with ffmpeg_publish(made.path, server.rtmp("extra")):
                server.wait_on_air("extra")
                taken = tmp_path / "extra.flv"
                with ffmpeg_record(server.rtmp("extra"), taken, seconds=1) as record:
                    assert record.wait(30) == 0
                server.rewrite(NEWS + stream_toml("extra"))
                eventually(lambda: server.codes() == {"news", "extra"}, 30, "`old` is gone")
                server.wait_on_air("extra")
            viewers.wait_media(4)
            viewers.receiving()
            seen = viewers.stop()
    for name, verdict in seen.verdicts.items():
        assert verdict.decode_errors == [], name
        assert verdict.restarts == verdict.video_gaps == [], name
        assert verdict.missing == 0, name
    assert faults(seen.hls) == []


BAD = {
    "misspelt": (
        NEWS + "[streams.b]\ninpts = []\n",
        r"streams\.toml:\d+: streams\.b\.inpts: unknown key",
    ),
    "broken": (NEWS + "[streams.b\n", r"streams\.toml:\d+: not valid TOML"),
    "no list": (
        "[streams.news]\ninputs = 7\n",
        r"streams\.toml:\d+: streams\.news\.inputs: write a list",
    ),
    "cut off": ("", r"streams\.toml: the file has no streams"),
    "beyond bounds": (NEWS + "x = " + "[" * 9000, r"streams\.toml: not valid TOML"),
}


def test_a_bad_file_changes_nothing(tmp_path: Path, media: MediaCache) -> None:
    made = media(RECIPE)
    with (
        Streamctl(tmp_path, NEWS) as server,
        ffmpeg_publish(made.path, server.rtmp()) as publisher,
    ):
        server.wait_on_air()
        known = {"news"}
        for number, (name, (bad, said)) in enumerate(BAD.items()):
            server.rewrite(bad)
            server.wait_line(rf"configuration not applied: \S*{said}", 30)
            assert server.codes() == known, name
            assert server.stream()["ingest_status"] == "active", name
            assert "reload failed since 20" in str(server.ask("/health")[1]), name
            known = {"news", f"good{number}"}
            server.rewrite(NEWS + stream_toml(f"good{number}"))
            eventually(partial(serves, server, known), 30, f"a good one after {name}")
            assert "reload failed" not in str(server.ask("/health")[1]), name
        assert publisher.running()
        assert server.output.count("configuration not applied") == len(BAD) + 1
        assert server.stream()["media"]["epochs"] == 1


def test_a_changed_stream_takes_its_new_key(tmp_path: Path, media: MediaCache) -> None:
    made = media(RECIPE)
    with Streamctl(tmp_path, NEWS) as server:
        server.rewrite(stream_toml("news", 'publish_key = "s3cret"'))
        eventually(lambda: "changed" if refused(server, made.path) else "", 40, "the key is asked")
        with ffmpeg_publish(made.path, server.rtmp(query="?key=s3cret")):
            server.wait_on_air()


def refused(server: Streamctl, media: Path) -> bool:
    """Whether a publisher without a key is turned away."""
    with ffmpeg_publish(media, server.rtmp()) as publisher:
        eventually(
            lambda: not publisher.running() or server.stream()["ingest_status"] == "active",
            10,
            "an answer",
        )
        return not publisher.running()
