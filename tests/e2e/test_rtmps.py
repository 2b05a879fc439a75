"""RTMP over TLS with FFmpeg on both ends, and certificates that are renewed under way."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.certificates import Pair, presented, self_signed
from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import (
    CONFIG,
    HOST,
    Streamctl,
    ffmpeg_publish,
    ffmpeg_record,
    rtmpdump,
    stream_toml,
)
from tests.support.process import Process, eventually
from tests.support.upstream import media_time

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe", "openssl"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=60, video_kbps=500, bframes=2, gop=25)


def secured(folder: Path, pair: Pair) -> Streamctl:
    listener = f'[listeners.rtmps]\naddress = "{HOST}:0"\n'
    listener += f'tls_cert = "{pair.cert}"\ntls_key = "{pair.key}"\n'
    return Streamctl(folder, stream_toml(), head=CONFIG + listener)


def url(server: Streamctl) -> str:
    return f"rtmps://{HOST}:{server.port('rtmps')}/live/news"


def test_publishers_and_players_come_over_tls(tmp_path: Path, media: MediaCache) -> None:
    pair = self_signed(tmp_path)
    copy = tmp_path / "copy.flv"
    with (
        secured(tmp_path, pair) as server,
        ffmpeg_publish(media(RECIPE).path, url(server)),
    ):
        server.wait_on_air()
        with (
            ffmpeg_record(url(server), copy) as over_tls,
            ffmpeg_record(server.rtmp(), tmp_path / "plain.flv") as plain,
        ):
            eventually(lambda: media_time(copy) > 5, 30, "media over TLS")
            over_tls.stop(2)
            plain.stop(2)
        urls = [output["url"] for output in server.stream()["outputs"] if output["kind"] == "rtmp"]
        assert urls == [f"rtmp://HOST:{server.port('rtmp')}/live/news"]
    for name in ("copy.flv", "plain.flv"):
        verdict = judge(tmp_path / name)
        assert verdict.decode_errors == []
        assert verdict.dts_disorder == verdict.missing == verdict.repeated == 0
        assert verdict.worst_offset_ms < 40


@pytest.mark.needs("rtmpdump")
def test_librtmp_plays_over_tls(tmp_path: Path, media: MediaCache) -> None:
    pair = self_signed(tmp_path)
    copy = tmp_path / "copy.flv"
    with (
        secured(tmp_path, pair) as server,
        ffmpeg_publish(media(RECIPE).path, server.rtmp()),
    ):
        server.wait_on_air()
        with rtmpdump(url(server), copy) as playing:
            eventually(lambda: media_time(copy) > 3, 30, "media over TLS")
            playing.stop(2)
    verdict = judge(copy)
    assert verdict.decode_errors == []
    assert verdict.missing == verdict.repeated == 0


def test_commands_trust_certificates_of_known_authorities_only(
    tmp_path: Path, media: MediaCache
) -> None:
    pair = self_signed(tmp_path)
    with (
        secured(tmp_path, pair) as server,
        ffmpeg_publish(media(RECIPE).path, server.rtmp()),
    ):
        server.wait_on_air()
        for command in ("probe", "ingest"):
            argv = [sys.executable, "-m", "streamctl", command, "--duration=2", url(server)]
            with Process(argv) as refused:
                assert refused.wait(30) == 3
            assert f"{server.port('rtmps')}`: certificate not trusted" in refused.output
            with Process(argv, env={"SSL_CERT_FILE": str(pair.cert)}) as trusting:
                assert trusting.wait(30) == 0
            assert "h264" in trusting.output or "avc1" in trusting.output


def test_a_renewed_certificate_is_for_the_next_clients(tmp_path: Path, media: MediaCache) -> None:
    first = self_signed(tmp_path)
    copy = tmp_path / "copy.flv"
    with (
        secured(tmp_path, first) as server,
        ffmpeg_publish(media(RECIPE).path, url(server)) as publisher,
    ):
        server.wait_on_air()
        before = first.shown
        assert presented(server.port("rtmps")) == before
        with ffmpeg_record(url(server), copy) as watching:
            eventually(lambda: media_time(copy) > 1, 30, "media")
            renewed = self_signed(tmp_path)
            eventually(
                lambda: presented(server.port("rtmps")) == renewed.shown, 15, "the new certificate"
            )
            assert renewed.shown != before
            renewed.key.write_text("no key")
            server.wait_line("the old certificate stays in use")
            assert presented(server.port("rtmps")) == renewed.shown
            length = media_time(copy)
            eventually(lambda: media_time(copy) > length + 2, 40, "media goes on")
            watching.stop(2)
        assert publisher.running()
    verdict = judge(copy)
    assert verdict.decode_errors == []
    assert verdict.missing == verdict.repeated == 0


def test_a_certificate_that_can_not_be_used_fails_the_start(tmp_path: Path) -> None:
    pair = self_signed(tmp_path)
    pair.key.unlink()
    server = secured(tmp_path, pair)
    assert server.wait() == 2
    assert "listeners.rtmps.tls_key" in server.output
    assert "no such file" in server.output


def test_a_client_without_tls_disturbs_nobody(tmp_path: Path, media: MediaCache) -> None:
    pair = self_signed(tmp_path)
    with secured(tmp_path, pair) as server:
        plain = url(server).replace("rtmps:", "rtmp:")
        with ffmpeg_publish(media(RECIPE).path, plain) as refused:
            assert refused.wait(30) != 0
        with ffmpeg_publish(media(RECIPE).path, url(server)):
            server.wait_on_air()
