from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ConfigError
from streamctl.sdk.url import StreamURL, forms, masked


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("rtmp://h/live/x", "rtmp"),
        ("rtmps://h/live/x", "rtmp"),
        ("rtmp://0.0.0.0:1935/live/key", "rtmp"),
        ("RTMP://h/live/x", "rtmp"),
        ("srt://h:9000?streamid=x", "srt"),
        ("udp://1.2.3.4:5000", "udp"),
        ("udp://ens5@239.0.113.1:5001", "udp"),
        ("rtsp://cam/1", "rtsp"),
        ("rtsps://cam/1", "rtsp"),
        ("rtp://h:5004", "rtp"),
        ("http://h/live.m3u8", "hls"),
        ("https://h/a/live.m3u", "hls"),
        ("https://h/LIVE.M3U8?token=1", "hls"),
        ("http://h/x/mpegts", "http-ts"),
        ("http://h/x/mpegts/", "http-ts"),
        ("http://h/x.ts", "http-ts"),
        ("http://h/x.TS", "http-ts"),
        ("http://h/x.flv", "http-flv"),
        ("hls+https://h/live", "hls"),
        ("http-ts+http://h/live.m3u8", "http-ts"),
        ("file:///x.ts", "file"),
        ("file:/x.ts", "file"),
        ("file:relative/x.ts", "file"),
        ("/x.ts", "file"),
        (" /x.ts ", "file"),
        ("publish:", "publish"),
        ("publish://", "publish"),
        ("PUBLISH:", "publish"),
        ("copy://other", "copy"),
        ("COPY://other", "copy"),
        ("mixer://a,b?audio_failure=continue", "mixer"),
        ("s3://bucket/x", "s3"),
        ("my-own.kind://h/x", "my-own.kind"),
    ],
)
def test_the_kind_follows_from_the_scheme_or_the_path(text: str, kind: str) -> None:
    assert StreamURL.parse(text).kind == kind


@pytest.mark.parametrize(
    ("kind", "schemes", "expected"),
    [
        ("rtmp", ("rtmp", "rtmps"), ["rtmp://", "rtmps://"]),
        ("file", ("file",), ["file:"]),
        ("hls", (), ["http(s)://….m3u8", "http(s)://….m3u", "hls+http(s)://…"]),
        ("http-ts", (), ["http(s)://….ts", "http(s)://…/mpegts", "http-ts+http(s)://…"]),
        ("dash", (), ["dash+http(s)://…"]),
    ],
)
def test_how_urls_of_a_kind_are_written(
    kind: str, schemes: tuple[str, ...], expected: list[str]
) -> None:
    assert forms(kind, schemes) == expected


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "not a URL", "file:PATH"),
        ("relative/path", "not a URL", "file:PATH"),
        ("x.mp4", "not a URL", "file:PATH"),
        ("://bad", "not a URL", "file:PATH"),
        ("1abc://h", "not a URL", "file:PATH"),
        ("https://cdn/live", "can't tell what", "hls+https://"),
        ("http://h/", "can't tell what", "hls+https://"),
        ("rtmp:h/live", "invalid URL", "rtmp://HOST"),
        ("host:1935/live", "invalid URL", "host://HOST"),
        ("pubish:", "invalid URL", "did you mean `publish:`?"),
        ("flie:a.mp4", "invalid URL", "did you mean `file:`?"),
        ("rtmp://h:port/x", "invalid URL", ""),
        ("rtmp://h:70000/x", "invalid URL", ""),
        ("rtmp://[::1/x", "invalid URL", ""),
        ("publish:news", "takes nothing behind it", "the path that publishers use"),
        ("publish://?key=1", "takes nothing behind it", "the path that publishers use"),
        ("file:", "no path", "file:PATH"),
        ("file://?loop=1", "no path", "file:PATH"),
    ],
)
def test_what_can_not_be_read_is_an_error_with_a_hint(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        StreamURL.parse(text)
    assert hint in caught.value.hint
    assert caught.value.permanent


def test_the_parts_are_decoded() -> None:
    url = StreamURL.parse("RTMPS://us%40er:p%3Aw@Host.Example:443/live/a%20b?key=k%26&x=&x=2")
    assert (url.scheme, url.host, url.port) == ("rtmps", "host.example", 443)
    assert (url.user, url.password) == ("us@er", "p:w")
    assert url.path == "/live/a b"
    assert url.query == (("key", "k&"), ("x", ""), ("x", "2"))
    assert url.secure


def test_missing_parts_are_empty() -> None:
    url = StreamURL.parse("rtmp://h")
    assert (url.port, url.path, url.query, url.user, url.password) == (0, "", (), "", "")
    assert not url.secure
    assert StreamURL.parse("rtmp://[2001:db8::1]:1935/x").host == "2001:db8::1"


def test_a_forced_kind_leaves_the_scheme() -> None:
    url = StreamURL.parse("hls+https://h/live")
    assert (url.scheme, url.kind, url.secure) == ("https", "hls", True)


@pytest.mark.parametrize(
    ("text", "path", "query"),
    [
        ("file:a%20b.mp4", "a b.mp4", ()),
        ("file://dir/a.mp4?loop=true", "dir/a.mp4", (("loop", "true"),)),
        ("file:///abs/a.mp4", "/abs/a.mp4", ()),
        ("/abs/a b.mp4", "/abs/a b.mp4", ()),
        ("/abs/100%.mp4", "/abs/100%.mp4", ()),
        ("/abs/what?.mp4", "/abs/what?.mp4", ()),
    ],
)
def test_files_are_named_by_their_path(
    text: str, path: str, query: tuple[tuple[str, str], ...]
) -> None:
    url = StreamURL.parse(text)
    assert (url.path, url.query) == (path, query)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtmp://h/live/x", "rtmp://h/live/x"),
        ("rtmp://user:word@h:1935/live/x", "rtmp://user:***@h:1935/live/x"),
        ("rtmp://user:w:o@rd@h/x", "rtmp://user:***@h/x"),
        ("rtmp://word@h/x", "rtmp://***@h/x"),
        ("rtsp://word:@h/x", "rtsp://***@h/x"),
        ("rtsp://h/cam?usr=me&PWD=word", "rtsp://h/cam?usr=me&PWD=***"),
        ("https://h/x.m3u8?Signature=word&e=1", "https://h/x.m3u8?Signature=***&e=1"),
        ("rtmp://h/live/x?key=word", "rtmp://h/live/x?key=***"),
        ("rtmp://h/x?txSecret=word&txTime=1", "rtmp://h/x?txSecret=***&txTime=1"),
        ("https://h/x.flv?auth_key=1-0-0-word", "https://h/x.flv?auth_key=***"),
        ("srt://h:1?passphrase=word&latency=20", "srt://h:1?passphrase=***&latency=20"),
        ("srt://h:1?PassPhrase=word", "srt://h:1?PassPhrase=***"),
        ("srt://h:1?streamid=read:x:user:word", "srt://h:1?streamid=***"),
        ("https://h/x.m3u8?token=word#word", "https://h/x.m3u8?token=***"),
        ("hls+https://u:word@h/x?secret=word", "hls+https://u:***@h/x?secret=***"),
        ("x://h?pass=word&password=word&a=1", "x://h?pass=***&password=***&a=1"),
        ("publish://", "publish:"),
        ("file:///a.mp4?loop=1", "file:/a.mp4"),
        ("/a.mp4", "file:/a.mp4"),
    ],
)
def test_secrets_are_never_shown(text: str, shown: str) -> None:
    assert StreamURL.parse(text).redacted == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtmp://user:word@h:port/x?KEY=word", "`rtmp://user:***@h:port/x?KEY=***`"),
        ("https://user:word@h/live?a=1&token=word", "`https://user:***@h/live?a=1&token=***`"),
        ("rtmp:h?pass=word", "`rtmp:h?pass=***`"),
        ("user//user:word@h/x?key=word", "`user//user:***@h/x?key=***`"),
        ("publish://x?key=word", "`publish://x?key=***`"),
        ("rtmp://user:pass/word@h/x", "`rtmp://user:***@h/x`"),
    ],
)
def test_secrets_are_not_shown_in_errors_either(text: str, shown: str) -> None:
    with pytest.raises(ConfigError) as caught:
        StreamURL.parse(text)
    assert shown in str(caught.value)
    assert "word" not in str(caught.value)


@given(st.text(max_size=40))
def test_nothing_but_an_error_of_the_configuration_escapes(text: str) -> None:
    for candidate in (text, f"rtmp://{text}", f"http://{text}", f"file:{text}"):
        try:
            url = StreamURL.parse(candidate)
        except ConfigError:
            continue
        assert url.kind
        assert isinstance(url.redacted, str)


def test_stream_keys_in_destinations_are_hidden_and_names_are_not() -> None:
    key = StreamURL.parse("rtmps://a.example/live2/abcd-efgh-ijkl-mnop")
    assert key.as_destination().redacted == "rtmps://a.example/live2/abcd***"
    assert key.redacted == key.raw
    assert "efgh" not in repr(key.as_destination())
    short = StreamURL.parse("rtmp://a.example/live2/k3y-42?a=secret#more")
    assert short.as_destination().redacted == "rtmp://a.example/live2/***?a=***"
    name = StreamURL.parse("rtmp://a.example/live/news")
    assert name.as_destination().redacted == name.raw


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtmp://h/live2/abcd-efgh-ijkl/", "rtmp://h/live2/abcd***"),
        ("rtmp://h/live2/news/", "rtmp://h/live2/news/"),
        ("rtmp://h/live2/news?efgh", "rtmp://h/live2/news?***"),
        ("rtmp://h/live2/news?a=1&efgh", "rtmp://h/live2/news?a=***&***"),
        ("/live2/abcd-efgh-ijkl", "file:/live2/abcd***"),
        ("file:abcd-efgh", "file:***"),
    ],
)
def test_keys_of_destinations_are_hidden_in_unusual_places(text: str, shown: str) -> None:
    assert StreamURL.parse(text).as_destination().redacted == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x//a:b//c:d@h", "x//a:***@h"),
        ("//a:b@//c:d@h?//e:f@i#//g:h@j", "//a:***@h?//e:***@i#//g:***@j"),
        ("//a:@h//b:c", "//***@h//b:c"),
        ("a@//b:c", "a@//b:c"),
    ],
)
def test_rather_too_much_is_hidden_than_too_little(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_what_is_no_url_is_masked_in_no_time() -> None:
    text = "ftp:" + "//:" * 40_000
    began = time.thread_time()
    assert masked(text) == text
    assert time.thread_time() - began < 2
