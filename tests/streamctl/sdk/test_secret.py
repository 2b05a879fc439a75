from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel, ValidationError

from streamctl.sdk.secret import LoginSecret, Secret, alike, fits, resolve

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


SUM = "sha256:FI3pxaekTRnlbNmuGlVL9nhHr7DFj24S+imsfd/KmUA="
"""Of ``p``: ``printf %s p | openssl dgst -sha256 -binary | base64``."""


class Door(BaseModel):
    key: LoginSecret


@pytest.mark.parametrize(
    ("secret", "given", "right"),
    [
        ("p", "p", True),
        ("p", "P", False),
        ("p", "", False),
        ("p", SUM, False),
        (SUM, "p", True),
        (SUM, "q", False),
        (SUM, SUM, False),
        ("ü", "ü", True),
        ("p", "\udcff", False),
        (SUM, "\udcff", False),
    ],
)
def test_what_a_peer_says_fits_or_not(secret: str, given: str, *, right: bool) -> None:
    assert fits(secret, given) is right


def test_texts_are_alike_or_not() -> None:
    assert alike("sha256:x", "sha256:x")
    assert not alike("a", "b")


@pytest.mark.parametrize("text", ["sha256:", "sha256:cA==", "sha256:?", SUM + "="])
def test_a_sum_that_nothing_fits_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="32 bytes in base64") as refused:
        Door(key=text)
    assert "sha256:" in str(refused.value)


def test_a_sum_is_taken_as_it_is() -> None:
    assert Door(key=SUM).key.get_secret_value() == SUM
    assert SUM not in repr(Door(key=SUM))
