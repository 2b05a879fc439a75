"""The Transport header."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import RemoteProtocolError
from streamctl_rtsp.wire.transport import MAX_TRANSPORTS, Transport, parse_transports

CASES = [
    ("RTP/AVP/TCP;unicast;interleaved=0-1", Transport(tcp=True, interleaved=(0, 1))),
    ("RTP/AVP/TCP;interleaved=4", Transport(tcp=True, interleaved=(4, 5))),
    ("RTP/AVP/TCP;unicast", Transport(tcp=True)),
    ("RTP/AVP;unicast;interleaved=2-3", Transport(tcp=True, interleaved=(2, 3))),
    ("rtp/avp;unicast;client_port=5000-5001", Transport(client_port=(5000, 5001))),
    (
        "RTP/AVP/UDP;unicast;client_port=5000;mode=record",
        Transport(client_port=(5000, 5001), mode="RECORD"),
    ),
    ('RTP/AVP;multicast;mode="PLAY"', Transport(unicast=False, mode="PLAY")),
    (
        "RTP/AVP;multicast;destination=239.0.0.1;port=7000-7001;ttl=16;source=10.0.0.1",
        Transport(
            unicast=False, destination="239.0.0.1", port=(7000, 7001), ttl=16, source="10.0.0.1"
        ),
    ),
    ("RTP/SAVP;unicast;client_port=1-2", Transport(profile="RTP/SAVP", client_port=(1, 2))),
    ("RTP/AVP;unicast;ssrc=0badcafe", Transport(ssrc=0x0BADCAFE)),
    ("RTP/AVP;unicast;ssrc=0x1F", Transport(ssrc=0x1F)),
    ("RTP/AVP;unicast;ssrc=many;ttl=x;append", Transport()),
    ("RTP/AVP ; unicast ; ttl = 700", Transport(ttl=255)),
    (
        "RTP/AVP;unicast;server_port=9-10;client_port=7-8",
        Transport(client_port=(7, 8), server_port=(9, 10)),
    ),
    ("RTP/AVP;unicast;ttl=7000", Transport()),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_transports(text: str, expected: Transport) -> None:
    assert parse_transports(text) == [expected]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_a_transport_is_read_as_it_was_written(text: str, expected: Transport) -> None:
    del text
    assert parse_transports(expected.serialize()) == [expected]


def test_a_list_keeps_its_order_and_loses_what_is_no_rtp() -> None:
    text = (
        'RAW/RAW/UDP;unicast,RTP/AVP;unicast;client_port=6-7;mode="PLAY,X", x-real ,'
        "RTP/AVP/SCTP;a,RTP/AVP/TCP"
    )
    assert parse_transports(text) == [
        Transport(client_port=(6, 7), mode="PLAY,X"),
        Transport(tcp=True),
    ]


def test_a_list_has_its_limit() -> None:
    assert len(parse_transports(",".join(["RTP/AVP"] * 1000))) == MAX_TRANSPORTS


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";",
        "RAW/RAW/UDP;unicast",
        "RTP/AVP;client_port=a-b",
        "RTP/AVP;client_port=70000-70001",
        "RTP/AVP;client_port=65535",
        "RTP/AVP;client_port=",
        "RTP/AVP/TCP;interleaved=256-257",
        "RTP/AVP/TCP;interleaved=-1-2",
        "RTP/AVP/TCP;interleaved=0-1-2",
    ],
)
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_transports(text)


@pytest.mark.parametrize(("mode", "records"), [("", 0), ("PLAY", 0), ("RECORD", 1), ("RECEIVE", 1)])
def test_the_mode_tells_who_sends(mode: str, records: int) -> None:
    assert Transport(mode=mode).records == bool(records)


@given(
    st.text(max_size=200)
    | st.lists(
        st.sampled_from(["RTP/AVP", "tcp", "interleaved", "client_port", *';,=-"/19']), max_size=40
    ).map("".join)
)
def test_nothing_but_protocol_errors_escapes(text: str) -> None:
    with suppress(RemoteProtocolError):
        for found in parse_transports(text):
            found.serialize()


def test_commas_and_quotation_marks_are_read_in_no_time() -> None:
    began = time.thread_time()
    with pytest.raises(RemoteProtocolError):
        parse_transports('",' * 30_000)
    assert time.thread_time() - began < 1
