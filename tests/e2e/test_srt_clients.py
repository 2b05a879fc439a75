"""Real SRT programs against a real server: every sender, every receiver, callers and listeners."""

from __future__ import annotations

import signal
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.judge import judge
from tests.support.lossy_udp import Link, LossyUdp
from tests.support.media import MediaCache, Recipe
from tests.support.peers import HOST, Streamctl, ffmpeg_publish, stream_toml
from tests.support.ports import udp_port
from tests.support.process import eventually
from tests.support.recorded import assert_clean
from tests.support.srt import HEAD, RECEIVERS, SENDERS, Program, SrtServer, bare_call
from tests.support.ts import inspect, whole_units

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "srt-live-transmit", "gst-launch-1.0"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=60, video_kbps=800, bframes=2, gop=25)
TS_RECIPE = Recipe(seconds=60, video_kbps=800, bframes=2, gop=25, container="ts")
ENOUGH_BYTES = 350_000
"""About 3 s of it."""
WORD = "correct horse battery"


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def link(server: SrtServer, code: str = "news") -> dict[str, Any]:
    found: dict[str, Any] = server.source(code)["link"]
    return found


def record(path: Path, *urls: tuple[Program, str]) -> None:
    """Record with each of the programs until each has enough, and judge."""
    outs = [path / f"{number}.ts" for number in range(len(urls))]
    with ExitStack() as stack:
        started = [
            stack.enter_context(program.start(out, url))
            for out, (program, url) in zip(outs, urls, strict=True)
        ]
        eventually(lambda: min(map(size, outs)) > ENOUGH_BYTES, 40, "recordings")
        for process in started:
            process.stop(signal.SIGINT, 4)
    for out, (program, _) in zip(outs, urls, strict=True):
        assert_clean(judge(whole_units(out.read_bytes())), program.name)


def test_senders_publish_at_once(tmp_path: Path, media: MediaCache) -> None:
    path = media(TS_RECIPE).path
    senders = {f"s{number}": sender for number, sender in enumerate(SENDERS)}
    with SrtServer(tmp_path, "".join(map(stream_toml, senders))) as server, ExitStack() as stack:
        processes = {
            code: stack.enter_context(sender.start(path, server.srt(f"publish:{code}")))
            for code, sender in senders.items()
        }
        for code in senders:
            server.wait_on_air(code)
        record(tmp_path, *((RECEIVERS[0], server.srt(f"read:{code}")) for code in senders))
        for code, sender in senders.items():
            assert processes[code].running(), processes[code].describe()
            found = link(server, code)
            assert found["dropped"] == found["undecrypted"] == 0, sender.name
            assert found["rtt_ms"] >= 0, sender.name
            assert server.stream(code)["type"] == "srt"
            [publisher] = [one for one in server.sessions(code) if one["action"] == "publish"]
            assert publisher["bytes_in"] > ENOUGH_BYTES, sender.name
            processes[code].stop(signal.SIGINT)
            server.wait_off_air(code)


def test_all_receivers_play_at_once(tmp_path: Path, media: MediaCache) -> None:
    with (
        SrtServer(tmp_path, stream_toml("news")) as server,
        ffmpeg_publish(media(RECIPE).path, server.rtmp()),
    ):
        server.wait_on_air()
        record(tmp_path, *((program, server.srt("read:news")) for program in RECEIVERS))
        eventually(lambda: len(server.sessions()) == 1, 30, "the viewers left")


def test_what_a_viewer_gets_has_no_holes(tmp_path: Path, media: MediaCache) -> None:
    out = tmp_path / "out.ts"
    with (
        SrtServer(tmp_path, stream_toml("news")) as server,
        SENDERS[0].start(media(TS_RECIPE).path, server.srt("#!::r=news,m=publish")),
    ):
        server.wait_on_air()
        with RECEIVERS[3].start(out, server.srt("live/news", "latency=200")) as player:
            eventually(lambda: size(out) > ENOUGH_BYTES, 30, "a recording")
            [viewer] = [one for one in server.sessions() if one["action"] == "play"]
            assert viewer["link"]["latency_ms"] == 200
            assert viewer["link"]["dropped"] == viewer["skips"] == 0
            player.stop(signal.SIGINT)
    report = inspect(whole_units(out.read_bytes()))
    assert report.sync_errors == 0
    assert report.continuity_errors == []


def test_passphrases_of_both_directions(tmp_path: Path, media: MediaCache) -> None:
    lines = (
        "[streams.news.srt]",
        f'publish_passphrase = "{WORD}"',
        'read_passphrase = "another passphrase"',
    )
    key = "pbkeylen=32"
    right, other = f"passphrase={WORD}", "passphrase=another passphrase"
    with SrtServer(tmp_path, stream_toml("news", *lines)) as server:
        path = media(TS_RECIPE).path
        with SENDERS[0].start(path, server.srt("publish:news", other, key)) as sender:
            sender.wait(30)
            server.wait_line("refused .*: .* the passphrase may be wrong or missing")
        with SENDERS[0].start(path, server.srt("publish:news", right, key)):
            server.wait_on_air()
            assert link(server)["encrypted"] is True
            record(tmp_path, (RECEIVERS[0], server.srt("read:news", other)))
            with RECEIVERS[0].start(tmp_path / "no.ts", server.srt("read:news")) as player:
                assert player.wait(30) != 0
        assert WORD not in server.output


@pytest.mark.parametrize(
    ("stream_id", "said"),
    [
        ("publish:nowhere", "no stream `nowhere`"),
        ("publish:../../x", "no path of a stream: `../../x`"),
        ("#!::r=news,m=delete", "no mode of a stream id"),
        ("x" * 500, "no stream `xxxx"),
    ],
)
def test_bad_stream_ids_are_refused_by_name(
    tmp_path: Path, media: MediaCache, stream_id: str, said: str
) -> None:
    with SrtServer(tmp_path, stream_toml("news")) as server:
        with SENDERS[0].start(media(TS_RECIPE).path, server.srt(stream_id)) as sender:
            assert sender.wait(30) != 0
        assert server.wait_line("refused").string.count(said) == 1
        status, metrics = server.ask("/api/v1/streams")
        assert status == 200
        assert metrics["count"] == 1


def test_a_second_publisher_is_refused_and_the_first_goes_on(
    tmp_path: Path, media: MediaCache
) -> None:
    path = media(TS_RECIPE).path
    with (
        SrtServer(tmp_path, stream_toml("news")) as server,
        SENDERS[0].start(path, server.srt("publish:news")),
    ):
        server.wait_on_air()
        with SENDERS[1].start(path, server.srt("publish:news")) as second:
            assert second.wait(30) != 0
        server.wait_line("already has a publisher")
        record(tmp_path, (RECEIVERS[0], server.srt("read:news")))
        assert server.stream()["media"]["epochs"] == 1


def test_who_shakes_hands_and_sends_nothing_holds_no_place_for_long(tmp_path: Path) -> None:
    # Whose port is free again may lend it to the next caller, who is taken for it then.
    callers = ExitStack()

    def let_in(server: SrtServer) -> bool:
        caller = callers.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        return bare_call(caller, server.port("srt"), "publish:news")

    with SrtServer(tmp_path, stream_toml("news")) as server, callers:
        eventually(lambda: let_in(server), 30, "the stream is there")
        assert not let_in(server)
        eventually(lambda: let_in(server), 3, "another takes the place before its peer idle time")
        server.wait_line("silent, replaced|took its place")


def test_dead_peers_are_noticed_and_a_publishers_place_is_taken(
    tmp_path: Path, media: MediaCache
) -> None:
    path = media(TS_RECIPE).path

    def actions() -> list[str]:
        return sorted(one["action"] for one in server.sessions())

    with SrtServer(tmp_path, stream_toml("news", "packet_timeout_s = 2")) as server:
        with (
            SENDERS[0].start(path, server.srt("publish:news")) as first,
            RECEIVERS[3].start(tmp_path / "dead.ts", server.srt("read:news")) as viewer,
        ):
            server.wait_on_air()
            eventually(lambda: actions() == ["play", "publish"], 30, "both are there")
            first.kill()
            viewer.kill()
            server.wait_off_air()
        with SENDERS[0].start(path, server.srt("news")):
            server.wait_on_air()
            eventually(lambda: actions() == ["publish"], 30, "the dead viewer is gone")
            record(tmp_path, (RECEIVERS[0], server.srt("read:news")))


def test_an_input_waits_for_its_caller(tmp_path: Path, media: MediaCache) -> None:
    port = udp_port()
    toml = (
        "[streams.news]\npacket_timeout_s = 2\n[[streams.news.inputs]]\n"
        f'url = "srt://:{port}?mode=listener"\npassphrase = "{WORD}"\nlatency_ms = 200\n'
    )
    with SrtServer(tmp_path, toml) as server:
        eventually(lambda: "waiting for a caller" in str(server.stream()["causes"]), 30, "it waits")
        for _ in range(2):
            url = f"srt://{HOST}:{port}?passphrase={WORD}"
            with SENDERS[0].start(media(TS_RECIPE).path, url):
                server.wait_on_air()
                assert link(server)["latency_ms"] == 200
                record(tmp_path, (RECEIVERS[0], server.srt("read:news")))
            server.wait_off_air()


def test_a_listener_is_pulled_from_and_another_pushed_to(tmp_path: Path, media: MediaCache) -> None:
    ports, out = (udp_port(), udp_port()), tmp_path / "pushed.ts"
    toml = "\n".join(
        [
            "[streams.news]",
            "packet_timeout_s = 2",
            "[[streams.news.inputs]]",
            f'url = "srt://{HOST}:{ports[0]}?latency=90"',
            "[[streams.news.push]]",
            'name = "out"',
            "retry_s = 1",
            f'url = "srt://{HOST}:{ports[1]}"',
            f'passphrase = "{WORD}"',
            "key_length = 256",
            "",
        ]
    )
    there = f"srt://{HOST}:{ports[0]}?mode=listener"
    taker = f"srt://{HOST}:{ports[1]}?mode=listener&passphrase={WORD}"
    with (
        SENDERS[0].start(media(TS_RECIPE).path, there),
        RECEIVERS[0].start(out, taker) as player,
        SrtServer(tmp_path, toml) as server,
    ):
        server.wait_on_air(timeout_s=30)
        eventually(lambda: size(out) > ENOUGH_BYTES, 40, "what was pushed")
        [push] = server.stream()["pushes"]
        assert push["state"] == "active"
        assert push["link"]["encrypted"] is True
        assert push["bytes_sent"] > ENOUGH_BYTES
        player.stop(signal.SIGINT, 4)
        assert_clean(judge(whole_units(out.read_bytes())), "pushed")
        eventually(lambda: server.stream()["pushes"][0]["last_error"], 30, "the taker left")


def test_a_kicked_viewer_is_disconnected(tmp_path: Path, media: MediaCache) -> None:
    with (
        SrtServer(tmp_path, stream_toml("news")) as server,
        SENDERS[0].start(media(TS_RECIPE).path, server.srt("publish:news")),
    ):
        server.wait_on_air()
        with RECEIVERS[3].start(tmp_path / "x.ts", server.srt("read:news")) as player:
            eventually(lambda: size(tmp_path / "x.ts") > 1000, 40, "it plays")
            [viewer] = [one for one in server.sessions() if one["action"] == "play"]
            status, _ = server.ask(f"/api/v1/sessions/{viewer['id']}", "DELETE")
            assert status == 200
            player.wait(30)
        assert server.stream()["ingest_status"] == "active"


def test_without_libsrt_everything_else_is_served(
    tmp_path: Path, media: MediaCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMCTL_LIBSRT", "libnothing.so")
    with (
        Streamctl(tmp_path, stream_toml("news"), head=HEAD) as server,
        ffmpeg_publish(media(RECIPE).path, server.rtmp()),
    ):
        server.wait_on_air()
        [line] = [one for one in server.output.splitlines() if "WARNING" in one]
        assert "libnothing.so" in line
        assert "apt install libsrt1.5-openssl" in line


def test_nothing_is_left_of_it_when_the_server_stops(tmp_path: Path, media: MediaCache) -> None:
    with (
        SrtServer(tmp_path, stream_toml("news")) as server,
        SENDERS[0].start(media(TS_RECIPE).path, server.srt("publish:news")) as sender,
        RECEIVERS[3].start(tmp_path / "x.ts", server.srt("read:news")) as player,
    ):
        server.wait_on_air()
        assert server.stop(signal.SIGTERM, 10) == 0
        player.wait(30)
        sender.wait(30)
    assert "Traceback" not in server.output


def test_a_viewer_on_a_narrow_line_is_skipped_and_nobody_else(
    tmp_path: Path, media: MediaCache
) -> None:
    narrow = Link(delay_s=0.01, rate_bps=400_000, queue_bytes=40_000)
    out = tmp_path / "slow.ts"
    with (
        SrtServer(tmp_path, stream_toml("news")) as server,
        SENDERS[0].start(media(TS_RECIPE).path, server.srt("publish:news")),
    ):
        server.wait_on_air()
        with (
            LossyUdp((HOST, server.port("srt")), there=Link(delay_s=0.01), back=narrow) as relay,
            RECEIVERS[3].start(out, f"srt://{HOST}:{relay.port}?streamid=read:news"),
        ):

            def skips() -> int:
                found = [one for one in server.sessions() if one["action"] == "play"]
                return int(found[0]["skips"]) if found else 0

            eventually(lambda: skips() > 0, 40, "a skip")
            record(tmp_path, (RECEIVERS[0], server.srt("read:news")))
