from __future__ import annotations

from streamctl.schema import MediaStatus
from streamctl.tui.detail import HISTORY, History, facts
from tests.support.control import push, stream


def test_history_is_bounded_and_forgets_what_is_gone() -> None:
    history = History()
    for kbps in range(HISTORY + 5):
        history.add([stream("news", bitrate=float(kbps)), stream("sport")])
    assert len(history.of("news")) == HISTORY
    assert history.of("news")[-1] == HISTORY + 4
    history.add([stream("sport")])
    assert history.of("news") == ()


def test_facts_name_source_tracks_doors_and_causes() -> None:
    lines = facts(stream("region/a", "degraded"), "server.example").plain.splitlines()
    assert lines[0] == "● degraded  rtmp from 192.0.2.1:40000  up 1:02:05"
    assert lines[1].startswith("h264 1280x720")
    assert lines[1].endswith("GOP 2.0 s")
    assert "rtmp://server.example/live/region/a" in lines[2]
    assert lines[3] == "▲ no publisher: nobody publishes"


def test_facts_tell_repeated_epochs_and_skew() -> None:
    media = MediaStatus(epoch=3, epochs=3, av_offset_ms=-41.6)
    text = facts(stream("news", media=media), "server.example").plain
    assert "epoch 3" in text
    assert "A/V -42 ms" in text


def test_facts_name_the_last_error_of_an_input() -> None:
    one = stream("news").inputs[0].model_copy(update={"last_error": "connection refused"})
    assert (
        "▲ publish: connection refused"
        in facts(stream("news", inputs=[one]), "server.example").plain
    )


def test_facts_name_destinations_and_how_they_fare() -> None:
    pushes = [
        push("yt", left_out="MP2"),
        push("fb", "reconnecting", next_attempt_s=7.4, bitrate_kbps=0.0, skips=2),
    ]
    lines = facts(stream("news", pushes=pushes), "server.example").plain.splitlines()
    assert "▶ yt active  2500 kbit/s  without MP2  rtmps://yt.example/live2/***" in lines
    assert "▶ fb reconnecting, again in 7 s  2 skips  rtmps://fb.example/live2/***" in lines
