"""A few cells of the matrix in every test run: the newest codecs, every player, odd frame rates."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.interop.matrix import CARRIED, MEDIA, PLAYERS, PUBLISHERS, Publication, plays
from tests.interop.run import Cell, Matrix
from tests.support.stalls import TRIES
from tests.support.tools import missing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.media import MediaCache
    from tests.support.stalls import StallWatch

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

WELL = ("ok", "refused")
CHOSEN = (
    ("current ffmpeg", "HEVC, AAC", "current ffmpeg, rtmpdump, streamlink, mpv"),
    ("streamctl push", "AV1, Opus", "current ffmpeg, GStreamer rtmp2src, mpegts.js, ffmpeg"),
    ("GStreamer rtmpsink", "variable rate", "VLC, hls.js, mpv"),
    ("streamctl push", "H.264, FLAC", "current ffmpeg, ffmpeg"),
    ("srt-live-transmit", "H.264 with B-frames, AAC", "GStreamer srtsrc, VLC, streamlink"),
    ("GStreamer rtpmp2tpay", "H.264, AC-3", "GStreamer udpsrc, srt-live-transmit, current ffmpeg"),
    ("ffmpeg, RTSP over UDP", "H.264 with B-frames, AAC", "current ffmpeg, mpv"),
)
"""Publisher, medium, and players in all outputs that can carry it or have to refuse it."""


def publication(publisher: str, medium: str, players: str) -> Publication:
    sender = next(one for one in PUBLISHERS if one.name == publisher)
    sent = next(one for one in MEDIA if one.name == medium)
    names = players.split(", ")
    return Publication(
        sender, sent, tuple(one for one in PLAYERS if one.name in names and plays(one, sent))
    )


def watched(
    wanted: list[Publication], folder: Callable[[], Path], media: MediaCache, watch: StallWatch
) -> list[Cell]:
    """Every cell; what failed while the machine stood still is watched once more."""
    kept: list[Cell] = []
    for left in reversed(range(TRIES)):
        began = time.monotonic()
        found = Matrix(folder(), media, wanted).run(at_once=4)
        failed = [cell for cell in found if cell.state not in WELL]
        if not left or not failed or watch.latest < began:
            return kept + found
        kept += [cell for cell in found if cell.state in WELL]
        missed = {
            one: tuple(cell.player for cell in failed if cell.publication is one) for one in wanted
        }
        wanted = [replace(one, players=players) for one, players in missed.items() if players]
    return kept


@pytest.fixture(scope="module")
def cells(
    tmp_path_factory: pytest.TempPathFactory, media: MediaCache, stall_watch: StallWatch
) -> list[Cell]:
    publications = [publication(*chosen) for chosen in CHOSEN]
    for one in publications:
        absent = [player.name for player in one.players if not player.version()]
        if absent or not one.publisher.version():
            missing(f"a program of {one.publisher.name}, {', '.join(absent)}")
    return watched(publications, partial(tmp_path_factory.mktemp, "interop"), media, stall_watch)


def test_every_player_sees_what_was_published_or_is_refused_with_a_reason(
    cells: list[Cell],
) -> None:
    failed = [
        f"{cell.publication.publisher.name}, {cell.publication.medium.name}, "
        f"{cell.player.output} in {cell.player.name}: {cell.text}"
        for cell in cells
        if cell.state not in WELL
    ]
    assert failed == []
    assert {cell.player.output for cell in cells} == set(CARRIED)


def test_a_refusal_names_the_codec_and_the_outputs_that_can_carry_it(cells: list[Cell]) -> None:
    reasons = {(cell.player.output, cell.text) for cell in cells if cell.state == "refused"}
    assert {output for output, _ in reasons} == {"hls", "http-ts", "srt", "udp"}
    for output, reason in reasons:
        assert reason.startswith("406: ") == (output in ("hls", "http-ts"))
        assert "AV1" in reason
        assert "rtmp" in reason
        assert "http-flv" in reason
