"""Session descriptions: what is read of those of real peers, what is written and refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError
from streamctl.media import sdp
from streamctl.media.sdp import MediaDescription, RtpMap, SessionDescription

ENCODER = b"""v=0\r
o=- 0 0 IN IP4 127.0.0.1\r
s=No Name\r
c=IN IP4 239.1.2.3/16\r
t=0 0\r
a=tool:libavformat 59.27.100\r
m=video 5004 RTP/AVP 96\r
b=AS:1200\r
a=rtpmap:96 H264/90000\r
a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z2QAH6zZQ==,aOvjyyLA; profile-level-id=64001F\r
a=control:streamid=0\r
m=audio 5006 RTP/AVP 97\r
b=AS:128\r
a=rtpmap:97 MPEG4-GENERIC/48000/2\r
a=fmtp:97 profile-level-id=1;mode=AAC-hbr;sizelength=13; config=1190\r
a=recvonly\r
"""


def test_reads_the_description_of_an_encoder() -> None:
    session = sdp.parse(ENCODER)
    assert session.name == "No Name"
    assert session.origin == "- 0 0 IN IP4 127.0.0.1"
    assert session.connection == "239.1.2.3"
    assert session.attribute("tool") == "libavformat 59.27.100"
    assert session.attribute("range") is None
    video, audio = session.media
    assert (video.kind, video.port, video.protocol) == ("video", 5004, "RTP/AVP")
    assert video.payload_types == (96,)
    assert video.bandwidth_kbps == 1200
    assert video.rtpmap(96) == RtpMap("H264", 90_000)
    assert video.fmtp(96) == {
        "packetization-mode": "1",
        "sprop-parameter-sets": "Z2QAH6zZQ==,aOvjyyLA",
        "profile-level-id": "64001F",
    }
    assert video.control == "streamid=0"
    assert video.direction == ""
    assert audio.rtpmap(97) == RtpMap("MPEG4-GENERIC", 48_000, 2)
    assert audio.fmtp(97)["config"] == "1190"
    assert (audio.control, audio.direction) == ("", "recvonly")


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n", b"\r\n\r\n", b" \r\n"])
def test_line_ends_do_not_matter(end: bytes) -> None:
    assert sdp.parse(end.join(ENCODER.split(b"\r\n"))) == sdp.parse(ENCODER)


def test_forgives_what_cameras_get_wrong() -> None:
    session = sdp.parse(
        "\ufeff\n  M=Video 0/2 rtp/avp 96 junk 1000\nnonsense\n=x\na=\na=RTPMAP: 96 H265/90000/\n"
        "a=fmtp:96  ;; sprop-vps = QAE=; flag ;\na=rtpmap:97\na=Control:track1\0\n"
        "c=\nb=AS:x\nb=RR:5\n"
    )
    (video,) = session.media
    assert (video.kind, video.port, video.protocol) == ("video", 0, "RTP/AVP")
    assert video.payload_types == (96,)
    assert video.rtpmap(96) == RtpMap("H265", 90_000)
    assert video.rtpmap(97) is None
    assert video.rtpmap(98) is None
    assert video.fmtp(96) == {"sprop-vps": "QAE=", "flag": ""}
    assert video.fmtp(97) == {}
    assert video.control == "track1"
    assert video.bandwidth_kbps == 0
    assert video.connection == ""


def test_a_media_line_without_words_is_no_obstacle() -> None:
    (media,) = sdp.parse("v=0\nm=\n").media
    assert (media.kind, media.port, media.formats) == ("", 0, ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("H264/90000", RtpMap("H264", 90_000)),
        ("opus/48000/2", RtpMap("opus", 48_000, 2)),
        ("PCMU", RtpMap("PCMU", 0)),
        ("L16/44100x/two", RtpMap("L16", 44_100)),
        ("/90000", None),
        ("", None),
    ],
)
def test_reads_rtpmaps(text: str, expected: RtpMap | None) -> None:
    assert sdp.read_rtpmap(text) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html></html>",
        b"a=x\n",
        b"v=0\n" + b"x" * sdp.MAX_BYTES,
        b"v=0\n" + b"\n" * sdp.MAX_LINES,
        b"m=video 0 RTP/AVP 96\n" * (sdp.MAX_MEDIA + 1),
    ],
)
def test_refuses_what_is_no_description(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        sdp.parse(data)


def test_what_is_written_is_read() -> None:
    video = MediaDescription(
        [("rtpmap", "96 H264/90000"), ("recvonly", "")],
        *("video", 5004, "RTP/AVP", ("96",)),
        connection="ff15::1",
        bandwidth_kbps=5000,
    )
    session = SessionDescription([("tool", "x")], "name", sdp.origin("::1", 7, 2), "239.0.0.1")
    session.media.append(video)
    data = sdp.serialise(session)
    assert sdp.parse(data) == session
    assert data.decode().split("\r\n") == [
        *("v=0", "o=- 7 2 IN IP6 ::1", "s=name", "c=IN IP4 239.0.0.1/16", "t=0 0", "a=tool:x"),
        *("m=video 5004 RTP/AVP 96", "c=IN IP6 ff15::1", "b=AS:5000", "a=rtpmap:96 H264/90000"),
        *("a=recvonly", ""),
    ]


def test_writes_the_lines_that_must_be_there() -> None:
    data = sdp.serialise(SessionDescription(connection="10.0.0.1"))
    assert data == b"v=0\r\no=- 0 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"


def test_a_name_can_not_add_lines() -> None:
    data = sdp.serialise(SessionDescription(name="a\r\nm=video 1 RTP/AVP 96"))
    assert not sdp.parse(data).media


def test_parameters_are_written_as_they_are_read() -> None:
    parameters = {"packetization-mode": "1", "flag": "", "sprop": "QQ=="}
    assert sdp.write_fmtp(parameters) == "packetization-mode=1;flag;sprop=QQ=="
    assert sdp.read_fmtp(sdp.write_fmtp(parameters)) == parameters


@given(st.integers(0, len(ENCODER)), st.binary(max_size=8), st.integers(0, 30))
def test_only_protocol_errors_escape(at: int, junk: bytes, skip: int) -> None:
    try:
        session = sdp.parse(ENCODER[:at] + junk + ENCODER[at + skip :])
    except ProtocolError:
        return
    for media in session.media:
        for number in media.payload_types:
            media.rtpmap(number)
            media.fmtp(number)
    sdp.parse(sdp.serialise(session))


def test_payload_types_are_numbers_of_seven_bits_and_each_counts_once() -> None:
    media = MediaDescription(formats=("96", "0", "096", "96", "127", "128", "x", "1000", "-1"))
    assert media.payload_types == (96, 0, 127)
