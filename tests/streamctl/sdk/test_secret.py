from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel

from streamctl.sdk.secret import Secret, resolve

if TYPE_CHECKING:
    from pathlib import Path


class Holder(BaseModel):
    key: Secret


def test_is_written_in_place() -> None:
    assert resolve("s3cret", {}) == "s3cret"


def test_comes_from_the_environment() -> None:
    assert resolve("env:KEY", {"KEY": "s3cret"}) == "s3cret"


def test_comes_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("s3cret\n")
    assert resolve(f"file:{file}", {}) == "s3cret"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("env:NOPE", "`NOPE` is not set"),
        ("env:EMPTY", "`EMPTY` is empty"),
        ("", "empty"),
        ("file:/nonexistent/key", "can't be read: No such file"),
    ],
)
def test_says_why_there_is_none(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolve(text, {"EMPTY": ""})


def test_refuses_a_file_that_is_not_text(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"\xff\xfe\x80")
    with pytest.raises(ValueError, match="not text"):
        resolve(f"file:{file}", {})


def test_refuses_what_is_no_regular_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, "/dev/zero"):
        with pytest.raises(ValueError, match=f"`{path}` can't be read: not a regular file"):
            resolve(f"file:{path}", {})


def test_is_never_shown() -> None:
    holder = Holder(key="s3cret")
    shown = f"{holder!r} {holder} {holder.model_dump()} {holder.model_dump_json()}"
    assert "s3cret" not in shown
    assert holder.key.get_secret_value() == "s3cret"


def test_equal_secrets_are_equal() -> None:
    assert Holder(key="a") == Holder(key="a")
    assert Holder(key="a") != Holder(key="b")
