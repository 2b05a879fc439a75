"""What cameras describe, right and wrong."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl_rtsp.wire.message import Headers
from streamctl_rtsp.wire.offer import MAX_TRACKS, base_of, read_offer

BASE = "rtsp://cam/1"
HEAD = ("v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=x", "t=0 0")
VIDEO = ("m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000")


def offer(*lines: str, base: str = BASE) -> list[tuple[str, str, int]]:
    """URL, encoding and clock of each track."""
    found = read_offer("\r\n".join([*HEAD, *lines, ""]).encode(), base)
    return [(track.url, track.format.encoding, track.format.clock_rate) for track in found.tracks]


@pytest.mark.parametrize(
    ("base", "control", "url"),
    [
        ("rtsp://cam/1/", "trackID=0", "rtsp://cam/1/trackID=0"),
        ("rtsp://cam/1", "trackID=0", "rtsp://cam/1/trackID=0"),
        ("rtsp://cam/1", "rtsp://cam/1/trackID=0", "rtsp://cam/1/trackID=0"),
        ("rtsp://cam/1", "rtsp://10.0.0.1/x/0", "rtsp://10.0.0.1/x/0"),
        ("rtsp://cam/1", "/1/trackID=0", "rtsp://cam/1/trackID=0"),
        ("rtsp://cam/1?a=b", "trackID=0", "rtsp://cam/1?a=b/trackID=0"),
        ("rtsp://cam/1?a=b/", "trackID=0", "rtsp://cam/1?a=b/trackID=0"),
        ("rtsp://cam/1", "*", "rtsp://cam/1"),
    ],
)
def test_controls_are_resolved(base: str, control: str, url: str) -> None:
    assert offer(*VIDEO, f"a=control:{control}", base=base) == [(url, "H264", 90_000)]


def test_a_track_without_a_control_is_the_whole() -> None:
    assert offer(*VIDEO) == [(BASE, "H264", 90_000)]
    assert offer("a=control:all", *VIDEO) == [(f"{BASE}/all", "H264", 90_000)]


def test_the_whole_is_played_by_its_own_control() -> None:
    text = "\n".join([*HEAD, "a=control:rtsp://cam/1/aggregate", *VIDEO])
    assert read_offer(text.encode(), BASE).url == "rtsp://cam/1/aggregate"
    assert read_offer("\n".join([*HEAD, *VIDEO]).encode(), BASE).url == BASE


@pytest.mark.parametrize("clock", [8000, 0, 1_000_000_000])
def test_video_has_one_clock_only(clock: int) -> None:
    found = offer("m=video 0 RTP/AVP 96", f"a=rtpmap:96 H264/{clock}", "a=fmtp:96 sprop-vps=")
    assert [rate for _, _, rate in found] == [90_000]


def test_static_payload_types_need_no_name() -> None:
    lines = [f"m=audio 0 RTP/AVP {number}" for number in (0, 8, 14, 33)]
    assert [name for _, name, _ in offer(*lines)] == ["PCMU", "PCMA", "MPA", "MP2T"]


@pytest.mark.parametrize(
    ("fmtp", "encoding"),
    [
        ("packetization-mode=1", "H264"),
        ("sprop-parameter-sets=Z0IACtkEJsBEAAADAAQAAAMAyDxImSA=,aMuDyyA=", "H264"),
        ("sprop-vps=x;sprop-sps=y;sprop-pps=z", "H265"),
    ],
)
def test_a_nameless_payload_type_is_told_by_its_parameters(fmtp: str, encoding: str) -> None:
    found = offer("m=video 0 RTP/AVP 97", f"a=fmtp:97 {fmtp}")
    assert found == [(BASE, encoding, 90_000)]


def test_what_cannot_be_read_is_named() -> None:
    text = [
        *HEAD,
        *VIDEO,
        *("m=application 0 RTP/AVP 107", "a=rtpmap:107 vnd.onvif.metadata/90000"),
        *("m=audio 0 RTP/AVP 2", "a=rtpmap:2 G726-32/8000"),
        "m=video 0 RTP/AVP 99",
        "m=text 0 RTP/AVP",
    ]
    found = read_offer("\n".join(text).encode(), BASE)
    assert len(found.tracks) == 1
    assert found.left_out == (
        "vnd.onvif.metadata application",
        "G726-32 audio",
        "video of payload type 99",
        "text of payload type none",
    )


def test_the_first_format_that_can_be_read_is_taken() -> None:
    lines = ("m=audio 0 RTP/AVP 2 8", "a=rtpmap:2 G726-32/8000", "a=rtpmap:8 PCMA/8000")
    assert offer(*lines) == [(BASE, "PCMA", 8000)]


def test_talkback_is_not_asked_for() -> None:
    back = ("m=audio 0 RTP/AVP 0", "a=sendonly", "a=control:back")
    assert offer(*VIDEO, "a=recvonly", *back) == [(BASE, "H264", 90_000)]
    # Without anything else, it is what the server sends.
    assert [name for _, name, _ in offer(*VIDEO, "a=sendonly", *back)] == ["H264", "PCMU"]
    assert offer(*VIDEO, "a=inactive") == []


def test_a_multicast_group_is_found() -> None:
    lines = ("c=IN IP4 239.1.2.3/16", "m=video 5000 RTP/AVP 96", "a=rtpmap:96 H264/90000")
    own = ("m=audio 5002 RTP/AVP 8", "c=IN IP6 ff15::1")
    none = ("m=audio 5004 RTP/AVP 0", "c=IN IP4 0.0.0.0")
    found = read_offer("\n".join([*HEAD, *lines, *own, *none]).encode(), BASE).tracks
    groups = [(track.group, track.port) for track in found]
    assert groups == [("239.1.2.3", 5000), ("ff15::1", 5002), ("", 0)]


def test_tracks_are_bounded() -> None:
    found = read_offer("\n".join([*HEAD, *["m=audio 0 RTP/AVP 8"] * 40]).encode(), BASE)
    assert len(found.tracks) == MAX_TRACKS
    assert len(found.left_out) == 40 - MAX_TRACKS


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ([], BASE),
        ([("Content-Base", "rtsp://cam/1/")], "rtsp://cam/1/"),
        ([("Content-Location", "rtsp://cam/2")], "rtsp://cam/2"),
        ([("content-base", "/3/"), ("Content-Location", "x")], "rtsp://cam/3/"),
        ([("Content-Base", " ")], BASE),
    ],
)
def test_the_base_is_found(headers: list[tuple[str, str]], base: str) -> None:
    assert base_of(Headers(headers), BASE) == base


def test_what_is_no_description_is_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        read_offer(b"<html>", BASE)


@given(st.binary(max_size=400))
def test_nothing_but_protocol_errors_leave(data: bytes) -> None:
    try:
        read_offer(b"v=0\n" + data, BASE)
    except ProtocolError:
        return


@given(st.lists(st.sampled_from([*VIDEO, "a=control:x", "a=fmtp:96 =;;", "c=IN", "m=", "a=:"])))
def test_lines_in_any_order_are_read(lines: list[str]) -> None:
    offer(*lines)


@pytest.mark.parametrize("formats", ["99 " * 60_000, " ".join(map(str, range(34, 1000)))])
def test_formats_are_looked_up_in_no_time(formats: str) -> None:
    section = (f"m=video 0 RTP/AVP {formats}", *["a=fmtp:1 x", "a=rtpmap:1 x"] * 2000)
    began = time.thread_time()
    found = read_offer("\r\n".join([*HEAD, *section]).encode(), BASE)
    assert time.thread_time() - began < 2
    shown = " ".join(formats.split()[:8])
    assert found.left_out == (f"video of payload type {shown}",)
