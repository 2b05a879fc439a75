"""Session and RTP-Info."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl_rtsp.wire.fields import (
    MAX_TIMEOUT_S,
    RtpInfo,
    SessionField,
    parse_rtp_info,
    parse_session,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12345678", SessionField("12345678", 60)),
        ("ab;timeout=30", SessionField("ab", 30)),
        (" ab ; Timeout = 45.5 ; x", SessionField("ab", 45)),
        ("ab;timeout=0", SessionField("ab", 60)),
        ("ab;timeout=soon", SessionField("ab", 60)),
        ("ab;timeout=999999999", SessionField("ab", MAX_TIMEOUT_S)),
        ("", None),
        (";timeout=5", None),
        ("two words", None),
        ("x" * 300, None),
    ],
)
def test_sessions(text: str, expected: SessionField | None) -> None:
    assert parse_session(text) == expected


def test_a_session_is_read_as_it_was_written() -> None:
    assert parse_session(SessionField("q", 7).serialize()) == SessionField("q", 7)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("seq=1", []),
        ("url=rtsp://h/a;seq=7;rtptime=9", [RtpInfo("rtsp://h/a", 7, 9)]),
        (
            'url=rtsp://h/a,b;seq=1, URL="rtsp://h/c";rtptime=4294967295',
            [RtpInfo("rtsp://h/a,b", 1), RtpInfo("rtsp://h/c", None, 0xFFFFFFFF)],
        ),
        ("url=t;seq=65536;rtptime=x", [RtpInfo("t")]),
        ("url=t;seq=-1;rtptime=", [RtpInfo("t")]),
    ],
)
def test_rtp_info(text: str, expected: list[RtpInfo]) -> None:
    assert parse_rtp_info(text) == expected


def test_rtp_info_is_read_as_it_was_written() -> None:
    entries = [RtpInfo("rtsp://h/a", 1, 2), RtpInfo("rtsp://h/b")]
    assert parse_rtp_info(",".join(entry.serialize() for entry in entries)) == entries


@given(st.text(max_size=100))
def test_nothing_escapes(text: str) -> None:
    parse_session(text)
    parse_rtp_info(text)
