"""``push`` and streams push to every kind that can be; what can't is refused in words."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from streamctl.cli.app import run
from streamctl.config.load import parse
from streamctl.errors import ConfigErrors
from tests.support.every_kind import (
    ENOUGH_BYTES,
    INPUTS,
    REGISTRY,
    SECRET,
    TLS,
    command,
    forms,
    origin_in,
)
from tests.support.peers import CONFIG, HOST, Streamctl
from tests.support.process import eventually
from tests.support.udp import UdpRecorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.doors import Doors
    from tests.support.every_kind import Origin
    from tests.support.media import MediaCache

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "openssl"),
    pytest.mark.timeout(240),
]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Iterator[Origin]:
    with origin_in(tmp_path_factory.mktemp("origin"), media) as made:
        yield made


def test_a_certificate_must_be_trusted_by_every_command(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    for form in TLS:
        for name in ("ingest", "probe"):
            assert run([name, INPUTS[form][0](origin).url]) == 3, form
            said = capsys.readouterr().err
            assert "certificate not trusted" in said, form
            assert SECRET not in said


@pytest.mark.parametrize(
    "form", ["rtmp", "rtsp", "srt", "http-ts+http", "http-flv+http", "hls+http"]
)
def test_a_wrong_login_is_an_error_that_does_not_show_it(
    origin: Origin, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    url = INPUTS[form][0](origin).url.replace(SECRET, "wr0ng-zQx")
    for name in ("ingest", "probe"):
        assert run([name, url]) == 3
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert "wr0ng" not in said


PUSHES: dict[str, Callable[[Doors, str, int], str]] = {
    "rtmp": lambda doors, code, port: doors.rtmp(code, f"?user=ann&pass={SECRET}"),
    "rtmps": lambda doors, code, port: doors.rtmps(f"live/{code}?user=ann&pass={SECRET}"),
    "rtsp": lambda doors, code, port: doors.rtsp(code, f"ann:{SECRET}@"),
    "rtsps": lambda doors, code, port: doors.rtsps(code, f"ann:{SECRET}@"),
    "srt": lambda doors, code, port: doors.srt(f"publish:{code}:ann:{SECRET}"),
    "udp": lambda doors, code, port: f"udp://{HOST}:{port}",
    "rtp": lambda doors, code, port: f"rtp://{HOST}:{port}",
}
"""Destinations of each form: a stream of the server, or a port where datagrams are kept."""
DATAGRAMS = frozenset({"udp", "rtp"})


def arrives(origin: Origin, way: str, recorders: dict[str, UdpRecorder]) -> None:
    """Return once media has come to every destination."""
    for form in forms("push"):
        if form in DATAGRAMS:
            eventually(lambda: len(recorders[form].data) > ENOUGH_BYTES, 30, form)  # noqa: B023
        else:
            origin.doors.wait_on_air(f"{way}-{form}", 30)


def destinations(origin: Origin, way: str, recorders: dict[str, UdpRecorder]) -> dict[str, str]:
    """A URL of every form."""
    ports = {form: one.port for form, one in recorders.items()}
    return {
        form: PUSHES[form](origin.doors, f"{way}-{form}", ports.get(form, 0))
        for form in forms("push")
    }


def test_every_destination_is_pushed_to_by_the_command(origin: Origin) -> None:
    with ExitStack() as stack:
        recorders = {form: stack.enter_context(UdpRecorder()) for form in DATAGRAMS}
        urls = destinations(origin, "command", recorders)
        words = ("push", str(origin.mp4), *urls.values(), "--duration", "12")
        process = stack.enter_context(command(*words, trusts=origin.doors.pair.cert))
        arrives(origin, "command", recorders)
        assert process.wait(60) == 0, process.output
        assert SECRET not in process.output


def test_every_destination_is_pushed_to_by_a_stream(origin: Origin, tmp_path: Path) -> None:
    with ExitStack() as stack:
        recorders = {form: stack.enter_context(UdpRecorder()) for form in DATAGRAMS}
        text = f'[streams.out]\ninputs = ["{origin.mp4}"]\n'
        for form, url in destinations(origin, "config", recorders).items():
            text += f'[[streams.out.push]]\nname = "{form}"\nurl = "{url}"\n'
            text += f'tls_ca = "{origin.doors.pair.cert}"\n' if form in TLS else ""
        head = f'{CONFIG}\n[server]\nmedia_roots = ["{origin.mp4.parent}"]\n'
        server = stack.enter_context(Streamctl(tmp_path, text, head=head))
        arrives(origin, "config", recorders)
        states = {push["name"]: push["state"] for push in server.stream("out")["pushes"]}
        assert states == dict.fromkeys(forms("push"), "active")
        assert SECRET not in server.output + str(server.stream("out"))


OTHERS = {
    "publish:": "can't be a source",
    "copy://news": "it is made of streams of a server",
    "mixer://a,b": "it is made of streams of a server",
    "nonsense://h/x": "no plugin for `nonsense`",
}


@pytest.mark.parametrize("url", OTHERS)
@pytest.mark.parametrize("name", ["ingest", "probe", "push"])
def test_what_is_no_source_is_refused_in_words(
    capsys: pytest.CaptureFixture[str], name: str, url: str
) -> None:
    assert run([name, url, *(["rtmp://h/live/x"] if name == "push" else [])]) == 2
    said = capsys.readouterr().err
    assert OTHERS[url] in said
    assert "Traceback" not in said


@pytest.mark.parametrize("form", sorted({*forms("pull")} - {*forms("push")}))
def test_what_is_no_destination_is_refused_in_words(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, form: str
) -> None:
    url = "/x.ts" if form == "file" else f"{form}://h/x"
    (tmp_path / "x.mp4").touch()
    assert run(["push", str(tmp_path / "x.mp4"), url]) == 2
    said = capsys.readouterr().err
    assert "can't be pushed to" in said
    assert "kinds that can: " in said
    text = f'[streams.x]\ninputs = ["publish:"]\n[[streams.x.push]]\nname = "a"\nurl = "{url}"\n'
    with pytest.raises(ConfigErrors) as caught:
        parse(text, "x.toml", REGISTRY, {})
    assert "can't be pushed to" in caught.value.errors[0].message
