from __future__ import annotations

import os
from typing import TYPE_CHECKING

import av
import pytest

from streamctl.avworker.container import (
    codec_name,
    open_file,
    open_url,
    raw_packets,
    reason,
    unreadable,
)
from streamctl.errors import ConnectionFailed, MediaError
from tests.support.media import Recipe

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.media import MediaCache


def test_packets_have_content(media: MediaCache) -> None:
    with open_file(str(media(Recipe(seconds=1.0)).path)) as container:
        packets = list(raw_packets(container, list(container.streams)))
    assert len(packets) > 25
    assert all(packet.size for packet in packets)


def test_codecs_have_canonical_names(media: MediaCache) -> None:
    with open_file(str(media(Recipe(seconds=1.0)).path)) as container:
        assert [codec_name(stream) for stream in container.streams] == ["h264", "aac"]


@pytest.mark.parametrize("probing", [False, True])
def test_a_missing_file_is_a_media_error(tmp_path: Path, probing: bool) -> None:
    with pytest.raises(MediaError, match="no such file or directory"):
        open_file(str(tmp_path / "none.mp4"), probing=probing)


def test_a_probe_does_not_wait_for_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (str(pipe), "/dev/zero"):
        with pytest.raises(MediaError, match=f"can't read `{path}`: not a regular file"):
            open_file(path, probing=True)
    with pytest.raises(MediaError, match="is a directory"):
        open_file(str(tmp_path), probing=True)


def test_a_network_source_must_not_lead_to_files(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(b"G" * 1880)
    with pytest.raises(MediaError, match="can't read `shown`"):
        open_url(f"file:{path}", "shown", 2.0)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (av.error.ExitError(1, "Immediate exit requested"), ConnectionFailed, "no answer in time"),
        (av.error.ConnectionRefusedError(111, "Connection refused"), ConnectionFailed, "refused"),
        (av.error.EOFError(1, "End of file"), ConnectionFailed, "end of file"),
        (av.error.InvalidDataError(1, "Invalid data"), MediaError, "can't read"),
        (av.error.HTTPNotFoundError(1, "Server returned 404 Not Found"), ConnectionFailed, "404"),
        (av.error.HTTPUnauthorizedError(1, "Server returned 401"), ConnectionFailed, "401"),
    ],
)
def test_network_errors_find_their_branch(error: Exception, kind: type, words: str) -> None:
    found = unreadable(error, "shown")
    assert type(found) is kind
    assert words in str(found)
    assert "`shown`" in str(found)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(2, "No such file or directory"), "no such file or directory"),
        (ValueError("Odd."), "odd"),
        (ValueError(), "valueError"),
        (av.error.ArgumentError(22, "Invalid argument"), "not a container that streamctl reads"),
    ],
)
def test_reasons_are_in_house_style(error: Exception, words: str) -> None:
    assert reason(error) == words
