"""``ingest``, ``probe`` and ``push`` take every kind that is installed as a source."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from streamctl.cli.app import run
from tests.support.every_kind import (
    ENOUGH_BYTES,
    INPUTS,
    SECRET,
    WITHIN,
    command,
    forms,
    origin_in,
)
from tests.support.peers import HOST
from tests.support.process import eventually
from tests.support.udp import UdpRecorder, listens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.every_kind import Origin, Source
    from tests.support.media import MediaCache
    from tests.support.process import Process

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "openssl"),
    pytest.mark.timeout(240),
]
SECONDS = "2"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Iterator[Origin]:
    with origin_in(tmp_path_factory.mktemp("origin"), media) as made:
        yield made


@pytest.mark.parametrize("form", [form for form in forms("pull") if form not in WITHIN])
def test_every_input_is_ingested_probed_and_pushed(
    origin: Origin,
    form: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(origin.doors.pair.cert))
    for make in INPUTS[form]:
        with UdpRecorder() as recorder, ExitStack() as stack:
            others = [
                started(stack, make(origin), name, "--json", "--duration", SECONDS)
                for name in ("ingest", "probe")
            ]
            source = make(origin)
            if source.feed is not None:
                stack.enter_context(source.feed())
            there = f"udp://{HOST}:{recorder.port}"
            assert run(["push", source.url, there, "--duration", SECONDS]) == 0
            assert len(recorder.stop()) > ENOUGH_BYTES
            for process in others:
                assert process.wait(60) == 0, process.output
            ingested, probed = (process.output for process in others)
        assert SECRET not in ingested + probed + "".join(capsys.readouterr())
        last = json.loads(next(line for line in reversed(ingested.splitlines()) if line[0] == "{"))
        assert {track["codec"] for track in last["media"]["tracks"]} == {"h264", "aac"}
        report = json.loads(probed)
        assert {track["codec"] for track in report["tracks"]} == {"h264", "aac"}
        assert all(track["packets"] for track in report["tracks"])


def started(stack: ExitStack, source: Source, name: str, *options: str) -> Process:
    """A command at work, with what it takes to have media."""
    process = stack.enter_context(command(name, source.url, *options))
    if source.feed is not None:
        eventually(lambda: listens(source.port) or not process.running(), 30, "it listens")
        stack.enter_context(source.feed())
    return process
