from __future__ import annotations

import os
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from streamctl.config.load import load, parse, read_document
from streamctl.errors import ConfigError, ConfigErrors
from streamctl.registry import Registry
from tests.streamctl.config.plugins import PullOptions, SegmentOptions, registry

if TYPE_CHECKING:
    from pathlib import Path

    from streamctl.config.model import Config

NEWS = '[streams.news]\ninputs = ["publish:"]\n'


def read(text: str, **environ: str) -> Config:
    return parse(text, "x.toml", registry(), environ)


def faults(text: str, **environ: str) -> list[ConfigError]:
    with pytest.raises(ConfigErrors) as caught:
        read(text, **environ)
    return list(caught.value.errors)


def test_an_empty_file_gives_the_defaults() -> None:
    config = read("")
    assert config.api.address == ("127.0.0.1", 9997)
    assert config.http.address == ("", 8888)
    assert config.limits.sessions == 10_000
    assert not config.streams
    assert not config.listeners


def test_reads_a_whole_file() -> None:
    config = read(
        """
        [listeners.rtmp]
        address = "[::1]:0"
        chunk_bytes = 4096
        [streams."region/a"]
        title = "A"
        publish_key = "env:KEY"
        publish_from = ["10.0.0.0/8", "192.0.2.1"]
        outputs = ["hls", "rtmp"]
        [[streams."region/a".inputs]]
        url = "rtmp://cam/1"
        timeout_s = 3
        [streams."region/a".hls]
        segment_s = 4
        """,
        KEY="s3cret",
    )
    listener = config.listeners["rtmp"]
    assert listener.address == ("::1", 0)
    assert listener.options.model_dump() == {"chunk_bytes": 4096}
    stream = config.streams["region/a"]
    assert stream.code == "region/a"
    assert stream.publish_key is not None
    assert stream.publish_key.get_secret_value() == "s3cret"
    assert stream.publish_from[0] == IPv4Network("10.0.0.0/8")
    assert stream.inputs[0].url.kind == "rtmp"
    assert stream.inputs[0].options == PullOptions(timeout_s=3)
    assert stream.outputs_options == {"hls": SegmentOptions(segment_s=4)}
    assert stream.serves("hls")
    assert not stream.serves("http-ts")


def test_equal_files_give_equal_configurations() -> None:
    assert read(NEWS) == read(f"# other\n{NEWS}")
    assert read(NEWS) != read(f"{NEWS}title = 'x'\n")


def test_streams_inherit_the_defaults_table_by_table() -> None:
    config = read(
        """
        [defaults]
        inputs = ["publish:"]
        buffer_s = 20
        outputs = ["hls"]
        [defaults.hls]
        segment_s = 4
        window = 3
        [streams.a]
        [streams.b]
        outputs = ["rtmp"]
        [streams.b.hls]
        window = 9
        """
    )
    a, b = config.streams["a"], config.streams["b"]
    assert (a.buffer_s, a.outputs, b.outputs) == (20, ("hls",), ("rtmp",))
    assert a.outputs_options["hls"] == SegmentOptions(segment_s=4, window=3)
    assert b.outputs_options["hls"] == SegmentOptions(segment_s=4, window=9)


@pytest.mark.parametrize(
    ("text", "line", "key", "message", "hint"),
    [
        ("[srever]\n", 1, "srever", "unknown key", "did you mean `server`?"),
        ("streams = 1\n", 1, "streams", "write a table", ""),
        ("[streams]\na = 1\n", 2, "streams.a", "write a table", ""),
        (
            "[log]\nlevel = 'loud'\n",
            2,
            "log.level",
            "write 'debug', 'info', 'warning' or 'error': `loud`",
            "",
        ),
        ("[limits]\n\nsessions = 0\n", 3, "limits.sessions", "must be at least 1: `0`", ""),
        ("[server]\nshutdown_s = true\n", 2, "server.shutdown_s", "write a number: `true`", ""),
        ("[server]\nshutdown_s = nan\n", 2, "server.shutdown_s", "must be more than 0", ""),
        (
            "[http]\naddress = '8888'\n",
            2,
            "http.address",
            "write `HOST:PORT` or `:PORT`: `8888`",
            "",
        ),
        ("[http]\naddress = 8888\n", 2, "http.address", "in quotes: `8888`", ""),
        ("[http]\ncors = '*'\n", 2, "http.cors", "write a list: `*`", ""),
        ("[http]\ntls_cert = 'c.pem'\n", 1, "http", "`tls_key` is missing", ""),
        ("[http]\ntls_key = 'k.pem'\n", 1, "http", "`tls_cert` is missing", ""),
        ("api = 5\n", 1, "api", "write a table: `5`", ""),
        (f"{NEWS}title = 5\n", 3, "streams.news.title", "write a text in quotes: `5`", ""),
        (f'{NEWS}title = "a\\nb"\n', 3, "streams.news.title", "write one line of text", ""),
        (f'{NEWS}title = "\\u2028"\n', 3, "streams.news.title", "without control characters", ""),
        (f"{NEWS}disabled = 'x'\n", 3, "streams.news.disabled", "write `true` or `false`", ""),
        (f"{NEWS}merge_ms = 0.5\n", 3, "streams.news.merge_ms", "write a whole number", ""),
        (f"{NEWS}merge_ms = 1001\n", 3, "streams.news.merge_ms", "must be at most 1000", ""),
        (f"{NEWS}hls = 5\n", 3, "streams.news.hls", "write a table: `5`", ""),
        ("[api]\naddress = ':1'\n", 2, "api.address", "needs a token", "`api.tokens`"),
        ("[[api.tokens]]\nname = 'x'\n", 1, "api.tokens[0].value", "is missing", ""),
        (
            "[api]\ntokens = [{name='x', value='y', scpoe='read'}]\n",
            2,
            "api.tokens[0].scpoe",
            "unknown key",
            "did you mean `scope`?",
        ),
        ("[listeners.rtnp]\n", 1, "listeners.rtnp", "no plugin for `rtnp`", "did you mean `rtmp`?"),
        ("[listeners.rtmp]\n", 1, "listeners.rtmp.address", "is missing", ""),
        ("[listeners]\nrtmp = 1\n", 2, "listeners.rtmp", "write a table", ""),
        (
            "[listeners.rtmp]\naddress = ':1'\nadress = ':1'\n",
            3,
            "listeners.rtmp.adress",
            "unknown key",
            "did you mean `address`?",
        ),
        ("[listeners.hls]\naddress = ':1'\n", 1, "listeners.hls", "no listener of its own", ""),
        ("[listeners.broken]\n", 1, "listeners.broken", "can't be loaded", "update or uninstall"),
        (
            "[listeners.rtmp]\naddress = ':8888'\n",
            2,
            "listeners.rtmp.address",
            "`http` listens on `:8888` already",
            "",
        ),
        ("[defaults]\nbufer_s = 1\n", 2, "defaults.bufer_s", "unknown key", "`buffer_s`"),
        ("[streams.a]\n", 1, "streams.a.inputs", "is missing", "publish:"),
        ("[streams.a]\ninputs = 'publish:'\n", 2, "streams.a.inputs", "write a list", "publish:"),
        ("[streams.a]\ninputs = [1]\n", 2, "streams.a.inputs[0]", "write a URL", ""),
        ("[streams.a]\ninputs = [{}]\n", 2, "streams.a.inputs[0].url", "is missing", ""),
        ("[streams.a]\ninputs = ['camera']\n", 2, "streams.a.inputs[0]", "not a URL", "file:PATH"),
        (
            "[streams.a]\ninputs = ['rtnp://x']\n",
            2,
            "streams.a.inputs[0]",
            "no plugin for `rtnp`",
            "did you mean `rtmp`?",
        ),
        (
            "[streams.a]\ninputs = ['https://x/y.m3u8']\n",
            2,
            "streams.a.inputs[0]",
            "`hls` can't be used as an input",
            "",
        ),
        (
            "[streams.a]\ninputs = ['publish:']\nslate = 'publish:'\n",
            3,
            "streams.a.slate",
            "a publisher can't be the slate",
            "name a file: `file:slate.mp4`",
        ),
        (
            "[[streams.a.inputs]]\nurl = 'rtmp://x/y'\ntimeot_s = 1\n",
            3,
            "streams.a.inputs[0].timeot_s",
            "unknown key",
            "did you mean `timeout_s`?",
        ),
        (
            "[[streams.a.inputs]]\nurl = 'rtmp://x/y'\ntimeout_s = -1\n",
            3,
            "streams.a.inputs[0].timeout_s",
            "must be more than 0: `-1`",
            "",
        ),
        (f"{NEWS}publsh_key = 'x'\n", 3, "streams.news.publsh_key", "unknown", "`publish_key`"),
        (f"{NEWS}publish_key = 'env:NO'\n", 3, "streams.news.publish_key", "`NO` is not set", ""),
        (f"{NEWS}read_from = ['10.0.0.1/8']\n", 3, "streams.news.read_from[0]", "host bits", ""),
        (f"{NEWS}read_from = ['x']\n", 3, "streams.news.read_from[0]", "does not appear", ""),
        (f"{NEWS}outputs = ['hsl']\n", 3, "streams.news.outputs[0]", "`hsl`", "`hls`"),
        (f"{NEWS}[streams.news.hls]\nx = 1\n", 4, "streams.news.hls.x", "unknown", "`segment_s`"),
        (f"{NEWS}[streams.news.file]\n", 3, "streams.news.file", "has no viewers", "`hls`"),
        (f"{NEWS}[streams.news.broken]\n", 3, "streams.news.broken", "can't be loaded", ""),
        (f"{NEWS}[streams.news.hsl]\n", 3, "streams.news.hsl", "unknown key", "`hls`"),
        ('[streams."a//b"]\ninputs = ["publish:"]\n', 1, 'streams."a//b"', "empty part", ""),
        (
            f'{NEWS}[streams."live/news"]\ninputs = ["publish:"]\n',
            3,
            'streams."live/news"',
            "would mean `news` and `live/news`",
            "rename one",
        ),
    ],
)
def test_names_place_fault_and_remedy(
    text: str, line: int, key: str, message: str, hint: str
) -> None:
    (fault,) = faults(text)
    assert (fault.file, fault.line, fault.key) == ("x.toml", line, key)
    assert message in fault.message
    assert hint in fault.hint


def test_finds_everything_at_once_in_the_order_of_the_file() -> None:
    found = faults("[limits]\nsessions = 0\n[http]\ncors = 1\n[streams.a]\nx = 1\n")
    assert [fault.key for fault in found] == [
        "limits.sessions",
        "http.cors",
        "streams.a.inputs",
        "streams.a.x",
    ]


@pytest.mark.parametrize(
    ("written", "key"),
    [('"rtmp://h:1/a"', "inputs[0]"), ('{ url = "rtmp://h:1/a" }', "inputs[0].url")],
)
def test_a_plugin_refuses_urls_of_inputs(written: str, key: str) -> None:
    [error] = faults(f"[streams.news]\n\ninputs = [{written}]")
    assert str(error) == f"x.toml:3: streams.news.{key}: no port to pull from: `rtmp://h:1/a`"
    assert error.hint == "write another"


def test_a_fault_of_the_defaults_is_named_once_where_it_stands() -> None:
    found = faults(f"[defaults]\nbuffer_s = 0\n{NEWS}[streams.b]\ninputs = ['publish:']\n")
    assert [(fault.key, fault.line) for fault in found] == [("defaults.buffer_s", 2)]


def test_the_text_of_errors_lists_all() -> None:
    with pytest.raises(ConfigErrors) as caught:
        read("[a]\n[b]\n")
    assert str(caught.value) == "x.toml:1: a: unknown key\nx.toml:2: b: unknown key"
    assert caught.value.exit_code == 2


def test_secrets_are_not_in_errors() -> None:
    found = faults(f"{NEWS}publish_key = ['s3cret']\n[[api.tokens]]\nvalue = 5\nname = 'x'\n")
    assert len(found) == 2
    assert not any("s3cret" in str(fault) or "5" in fault.message for fault in found)


@pytest.mark.parametrize(
    ("users", "key", "message"),
    [
        ("[{ name = 'ann', password = 5, read = true }]", "[0].password", "text"),
        ("[{ name = 'ann', password = ['s3cret'], read = true }]", "[0].password", "text"),
        ("[{ name = 'ann', password = 'sha256:s3cret', read = true }]", "[0].password", "base64"),
        ("[{ name = 'ann', password = 'env:NO', read = true }]", "[0].password", "is not set"),
        ("[{ name = 'ann', password = 's3cret' }]", "[0]", "`publish = true` or `read = true`"),
        ("[{ name = 'ann', password = 's3cret', reed = true }]", "[0].reed", "unknown key"),
        ("[{ name = '', password = 's3cret', read = true }]", "[0].name", ""),
        ("[{ password = 's3cret', read = true }]", "[0].name", "is missing"),
        ("['ann:s3cret']", "[0]", ""),
        ("'ann:s3cret'", "", "write a list"),
    ],
)
def test_what_is_wrong_with_a_user_is_named_without_the_password(
    users: str, key: str, message: str
) -> None:
    (fault,) = faults(f"{NEWS}users = {users}\n")
    assert fault.key == f"streams.news.users{key}"
    assert message in fault.message
    assert "s3cret" not in str(fault) + fault.hint


def test_users_and_sums_are_read() -> None:
    sum_of_p = "sha256:FI3pxaekTRnlbNmuGlVL9nhHr7DFj24S+imsfd/KmUA="
    text = (
        f"{NEWS}read_key = '{sum_of_p}'\n"
        "[[streams.news.users]]\nname = 'ann'\npassword = 'env:ANN'\npublish = true\n"
    )
    stream = read(text, ANN="s3cret").streams["news"]
    (ann,) = stream.users
    assert (ann.name, ann.publish, ann.read) == ("ann", True, False)
    assert ann.password.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(stream) + str(stream.model_dump())


def test_urls_of_inputs_may_stand_in_variables() -> None:
    text = "[streams.news]\ninputs = ['env:ONE', { url = 'env:TWO' }]\nslate = 'env:SLATE'\n"
    urls = {"ONE": "rtmp://ann:hush@192.0.2.7/a/b", "TWO": "rtmp://h/a/b", "SLATE": "file:s.mp4"}
    inputs = read(text, **urls).streams["news"].inputs
    assert [one.url.raw for one in inputs] == list(urls.values())
    said = [str(one) for one in faults(text, ONE="hush", SLATE="")]
    assert said == [
        "x.toml:2: streams.news.inputs[0]: the environment variable `ONE` holds no URL",
        "x.toml:2: streams.news.inputs[1].url: the environment variable `TWO` is not set",
        "x.toml:3: streams.news.slate: the environment variable `SLATE` is empty",
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a = 1\nb = \n", 2, "not valid TOML at column 5: invalid value"),
        ("a = 1\na = 2\n", 2, "cannot overwrite a value"),
        ("\n\na = '''", 3, "not valid TOML: "),
    ],
)
def test_says_where_the_text_is_not_toml(text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert caught.value.line == line
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[a.'b c']\n[a.'b c']", 'the table `a."b c"` stands there twice', "one table of both"),
        ("a = 1\na = 2\n", "cannot overwrite a value", "twice?"),
        ("title = News", "invalid value", "in quotes"),
        ("[streams.a/b]", "end of a table declaration", '[streams."a/b"]'),
        ("a = ['b' 'c']", "unclosed array", "commas"),
        ('a = "C:\\x"', "in a string", "single quotes"),
        ('a = "b\n"', "illegal character", "ends in its line"),
    ],
)
def test_says_what_helps_where_the_text_is_not_toml(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_says_where_a_file_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes(NEWS.encode() + "title = 'Nächte'\n".encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        load(path, registry())
    assert str(caught.value) == f"{path}:3: is not UTF-8 text"


def test_says_where_a_file_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, hint in (
        ("gone.toml", f"name a file that is there; it was looked for in `{tmp_path}`"),
        (f"{tmp_path}/gone.toml", "name a file that is there"),
        (".", ""),
    ):
        with pytest.raises(ConfigError, match="can't be read: ") as caught:
            load(name, registry())
        assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[" * 5000 + "]" * 5000, "values stand too deep in each other"),
        ("{a=" * 5000 + "1" + "}" * 5000, "values stand too deep in each other"),
        ("1" * 5000, "a number is too long"),
        (f"[{{ a = 0x{'f' * 5000} }}]", "a number is too long"),
        (f"-{2**63 + 1}", "a number is too long"),
    ],
    ids=["lists", "tables", "number", "hexadecimal", "65 bits"],
)
def test_what_is_beyond_all_bounds_is_refused_like_any_other_fault(
    value: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read(f"{NEWS}title = {value}\n")


def test_loads_a_file(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_bytes(b"\xef\xbb\xbf" + NEWS.replace("\n", "\r\n").encode())
    assert list(load(file, registry(), {}).streams) == ["news"]


def test_says_that_a_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: no such file") as caught:
        load(tmp_path / "s.toml", registry(), {})
    assert caught.value.file == str(tmp_path / "s.toml")


def test_says_that_a_file_is_not_text(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_bytes(b"\xff\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(file, registry(), {})


def test_uses_the_environment_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "STREAMCTL_HTTP__ADDRESS", ":1")
    assert parse("", "x", registry()).http.address == ("", 1)


def test_a_variable_overrides_the_file() -> None:
    config = read(
        f'[api]\naddress = "[::1]:1"\n{NEWS}',
        STREAMCTL_API__ADDRESS="127.0.0.1:2",
        STREAMCTL_STREAMS__NEWS__PUBLISH_KEY="s3cret",
        STREAMCTL_STREAMS__NEWS__BUFFER_S="3",
        STREAMCTL_STREAMS__NEWS__OUTPUTS='["hls"]',
    )
    assert config.api.address.port == 2
    assert config.streams["news"].buffer_s == 3
    assert config.streams["news"].outputs == ("hls",)
    assert config.streams["news"].publish_key is not None


def test_a_fault_of_a_variable_names_the_variable() -> None:
    (fault,) = faults("", STREAMCTL_LIMITS__SESSIONS="many")
    assert (fault.file, fault.line, fault.key) == ("", 0, "STREAMCTL_LIMITS__SESSIONS")


def test_a_document_is_judged_like_the_file() -> None:
    config = read(f"[defaults]\nbuffer_s = 3\n{NEWS}")
    stream = read_document("b", {"inputs": ["publish:"]}, config, registry(), {})
    assert stream.buffer_s == 3
    with pytest.raises(ConfigErrors, match="unknown key") as caught:
        read_document("b", {"inputs": ["publish:"], "titel": ""}, config, registry(), {})
    assert (caught.value.file, caught.value.key) == ("", "streams.b.titel")
    with pytest.raises(ConfigErrors, match="would mean"):
        read_document("live/news", {"inputs": ["publish:"]}, config, registry(), {})


@pytest.mark.parametrize(
    ("inputs", "line"),
    [
        ('["rtmp://h/live/a", "publish:", "RTMP://h/live/a"]', 2),
        ('["copy:a", "copy://a"]', 2),
        ('["publish:", "publish:"]', 0),
        ('["rtmp://h/live/a", "rtmp://h/live/b"]', 0),
        ('[{ url = "udp://127.0.0.1:5", program = 1 }, { url = "udp://127.0.0.1:5" }]', 0),
    ],
)
def test_no_input_is_connected_to_twice(inputs: str, line: int) -> None:
    text = f"[streams.x]\ninputs = {inputs}\n"
    if not line:
        assert parse(text, "x.toml", Registry(), {}).streams["x"].inputs
        return
    with pytest.raises(ConfigErrors, match="is an input of this stream already") as caught:
        parse(text, "x.toml", Registry(), {})
    assert [error.line for error in caught.value.errors] == [line]
