from __future__ import annotations

import pytest

from streamctl.sdk.url import StreamURL
from streamctl_rtmp.scrub import scrub


@pytest.mark.parametrize(
    ("url", "text", "shown"),
    [
        ("rtmp://h/live/abcd-efgh", "already publishing abcd-efgh", "already publishing ***"),
        ("rtmp://h/live/abcd?sig=123456", "abcd?sig=123456 expired", "abcd?*** expired"),
        ("rtmp://h/live/abcd?sig=123456", "signature 123456 expired", "signature *** expired"),
        ("rtmp://u:pa55word@h/live/x", "bad password pa55word", "bad password ***"),
        ("rtmp://h/live/abcd-efgh/", "no stream live/abcd-efgh", "no stream live/***"),
        ("rtmp://h/live/x?a=1&efghij", "efghij expired", "*** expired"),
        ("rtmp://h/live#a/b/c/d", "a/b/c/d", "***"),
        ("rtmp://h/live/x", "x is taken", "x is taken"),
    ],
)
def test_what_a_server_repeats_of_a_destination_is_hidden(url: str, text: str, shown: str) -> None:
    assert scrub(text, StreamURL.parse(url).as_destination()) == shown


def test_names_of_streams_that_are_pulled_are_shown_and_keys_are_not() -> None:
    url = StreamURL.parse("rtmp://h/live/long-name?key=secret&x=longer")
    assert scrub("no stream long-name with secret, longer", url) == (
        "no stream long-name with ***, longer"
    )
