from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.config.load import parse, read_runtime
from streamctl.config.template import fill, trial
from streamctl.errors import ConfigErrors
from tests.streamctl.config.plugins import registry

if TYPE_CHECKING:
    from streamctl.config.model import Config, StreamConfig
    from streamctl.errors import ConfigError

CAM = """
[templates.cam]
prefix = "cam/"
title = "Camera"
merge_ms = 100
on_demand = true
read_key = "k"
inputs = ["rtmp://{name}.local/app/stream"]
[templates.cam.hls]
segment_s = 4
"""


def read(text: str) -> Config:
    return parse(text, "x.toml", registry(), {})


def faults(text: str) -> list[ConfigError]:
    with pytest.raises(ConfigErrors) as caught:
        read(text)
    return list(caught.value.errors)


def runtime(code: str, text: str = CAM) -> StreamConfig:
    config = read(text)
    return read_runtime(code, next(iter(config.templates.values())), config, registry())


def test_a_stream_has_the_keys_of_its_template() -> None:
    stream = read(f'{CAM}[streams.a]\ntemplate = "cam"\ninputs = ["publish:"]').streams["a"]
    assert stream.title == "Camera"
    assert stream.merge_ms == 100
    assert stream.inputs[0].publish
    assert stream.template == "cam"
    assert not stream.runtime


def test_what_a_stream_says_itself_wins_also_when_it_says_no() -> None:
    text = f'[defaults]\ntitle = "D"\nbuffer_s = 5\n{CAM}[streams.a]\ntemplate = "cam"\n'
    stream = read(text + "on_demand = false\ntitle = ''\n").streams["a"]
    assert stream.on_demand is False
    assert stream.title == ""
    assert stream.buffer_s == 5


def test_tables_merge_key_by_key_and_lists_as_a_whole() -> None:
    text = f'{CAM}[streams.a]\ntemplate = "cam"\ninputs = ["publish:"]\n[streams.a.hls]\n'
    stream = read(text + "window = 3\n").streams["a"]
    assert len(stream.inputs) == 1
    shown = stream.outputs_options["hls"].model_dump()
    assert shown["segment_s"] == 4
    assert shown["window"] == 3


def test_a_stream_under_a_prefix_comes_to_be_by_its_template() -> None:
    stream = runtime("cam/front")
    assert stream.runtime
    assert stream.inputs[0].url.host == "front.local"
    assert stream.read_key is not None


def test_a_stream_that_comes_by_itself_closes_no_loop() -> None:
    loop = '[listeners.rtmp]\naddress = ":1935"\n[templates.t]\nprefix = "t/"\n'
    loop += '[[templates.t.push]]\nname = "p"\nurl = "rtmp://127.0.0.1/{code}"\n'
    config = read(f'{loop}[streams."t/other"]\ninputs = ["publish:"]\n')
    with pytest.raises(ConfigErrors, match="back into itself"):
        read_runtime("t/x", config.templates["t"], config, registry())


def test_a_path_that_would_mean_two_streams_makes_none() -> None:
    config = read('[templates.t]\nprefix = "t/"\n[streams."live/t/a"]\ninputs = ["publish:"]\n')
    assert read_runtime("t/b", config.templates["t"], config, registry()).runtime
    with pytest.raises(ConfigErrors, match="would mean"):
        read_runtime("t/a", config.templates["t"], config, registry())


def test_what_a_stream_says_itself_is_meant_as_it_stands() -> None:
    own = "rtmp://h/{name}/{other}"
    stream = read(f'{CAM}[streams.a]\ntemplate = "cam"\ninputs = ["{own}"]').streams["a"]
    assert stream.inputs[0].url.path == "/{name}/{other}"


def test_files_below_the_roots_are_reached_by_a_path_and_no_others() -> None:
    template = '[templates.v]\nprefix = "v/"\non_demand = true\ninputs = ["file:/srv/{path}.ts"]\n'
    everything, part = (f'[server]\nmedia_roots = ["{root}"]\n' for root in ("/srv", "/srv/x"))
    assert runtime("v/a/b", everything + template).inputs[0].url.path == "/srv/a/b.ts"
    template = template.replace("{path}", "{1}/b")
    assert runtime("v/x", part + template).inputs[0].url.path == "/srv/x/b.ts"
    with pytest.raises(ConfigErrors, match="outside the media roots"):
        runtime("v/y", part + template)


def test_a_template_that_leads_out_of_the_roots_is_refused_with_its_line() -> None:
    text = '[templates.v]\nprefix = "v/"\non_demand = true\ninputs = ["file:/etc/{path}"]\n'
    [fault] = faults(text)
    assert "outside the media roots" in fault.message
    assert (fault.key, fault.line) == ("templates.v.inputs[0]", 4)


def test_without_inputs_a_template_waits_for_publishers() -> None:
    assert runtime("up/x", '[templates.up]\nprefix = "up/"').inputs[0].publish


def test_a_code_that_gives_no_value_makes_no_stream() -> None:
    with pytest.raises(ConfigErrors, match="stands for one part"):
        runtime("cam/front/door")


def test_a_stream_that_names_its_template_has_placeholders_too() -> None:
    stream = read(f'{CAM}[streams."cam/side"]\ntemplate = "cam"').streams["cam/side"]
    assert stream.inputs[0].url.host == "side.local"


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("rtsp://{1}.local/{2}", "rtsp://a.local/b"),
        ("rtsp://host/{path}?q={code}", "rtsp://host/a/b?q=cam/a/b"),
        ("copy://{path}", "copy://a/b"),
        ("file:vod/{path}.mp4", "file:vod/a/b.mp4"),
        ("rtsp://host/plain", "rtsp://host/plain"),
    ],
)
def test_fills_placeholders(text: str, filled: str) -> None:
    assert fill(text, "cam/a/b", "a/b") == filled


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rtsp://{name}.local/x", "stands for one part"),
        ("rtsp://{3}.local", "no value"),
        ("rtsp://{path}.local/", "path of a URL only"),
        ("rtsp://host:554{path}", "path of a URL only"),
        ("rtsp://{host}/", "is unknown"),
    ],
)
def test_lets_no_placeholder_lead_astray(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fill(text, "cam/a/b", "a/b")


def test_prefixes_end_where_parts_end() -> None:
    [fault] = faults('[templates.a]\nprefix = "cam"')
    assert "ends with `/`" in fault.message
    assert fault.line == 2
    assert faults('[templates.a]\nprefix = "a//"')
    assert faults("[templates.a]\nprefix = 5")


def test_prefixes_that_overlap_are_named_with_both_lines() -> None:
    found = faults(
        '[templates.a]\nprefix = "cam/"\n[templates.b]\nprefix = "cam/in/"\n'
        '[templates.c]\nprefix = "camera/"\n'
    )
    assert [fault.line for fault in found] == [2, 4]
    assert all("overlap" in fault.message for fault in found)
    assert faults('[templates.a]\nprefix = "x/"\n[templates.b]\nprefix = "live/x/"\n')


def test_faults_stand_where_they_were_written() -> None:
    text = '[templates.a]\ntitle = "x"\nbuffer_s = "no"\n[streams.b]\ntemplate = "a"\n'
    found = faults(text + 'inputs = ["publish:"]\n')
    assert [fault.line for fault in found] == [3]
    [fault] = faults('[streams.b]\ntemplate = "b"\ninputs = ["publish:"]')
    assert "no template `b`" in fault.message
    assert fault.line == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("templates = 5", "write a table"),
        ("[templates]\na = 5", "write a table"),
        ('[templates."a/b"]', "letters, digits"),
        ('[templates.a]\ntemplate = "a"', "has no template"),
        ('[templates.a]\nnonsense = "a"', "unknown key"),
        ('[templates.a]\nprefix = "a/"\ninputs = ["rtmp://x/y/z"]', "nothing can begin"),
        ('[templates.a]\nprefix = "a/"\ninputs = ["rtmp://{x}/y/z"]', "is unknown"),
    ],
)
def test_refuses(text: str, words: str) -> None:
    assert any(words in fault.message for fault in faults(text))


def test_a_trial_has_as_many_parts_as_are_asked_for() -> None:
    config = read('[templates.a]\nprefix = "a/"\non_demand = true\ninputs = ["rtmp://{2}/y/{1}"]')
    assert trial(config.templates["a"]) == "a/x/x"
