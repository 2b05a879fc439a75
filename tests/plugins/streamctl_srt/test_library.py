from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from streamctl.errors import MissingLibrary
from streamctl_srt import library
from streamctl_srt.library import NAMES, VARIABLE, Library, candidates, load
from tests.plugins.streamctl_srt.world import need_libsrt

if TYPE_CHECKING:
    from pathlib import Path


def test_the_builds_of_debian_are_tried_and_more() -> None:
    assert list(candidates({})) == list(NAMES)
    assert list(candidates({VARIABLE: "mine.so"})) == ["mine.so"]


def test_a_missing_library_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "NAMES", ("libnothing.so.1",))
    with pytest.raises(MissingLibrary, match="not installed") as caught:
        load({})
    assert "apt install libsrt1.5-openssl" in caught.value.hint
    assert caught.value.permanent


def test_a_file_that_is_named_and_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingLibrary, match=r"nope\.so"):
        load({VARIABLE: str(tmp_path / "nope.so")})


def test_another_library_is_told_apart() -> None:
    with pytest.raises(MissingLibrary, match="is no libsrt"):
        load({VARIABLE: "libc.so.6"})


def test_an_old_libsrt_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        def __init__(self, name: str) -> None:
            self.srt_getversion = lambda: 0x010403

    monkeypatch.setattr(ctypes, "CDLL", Old)
    with pytest.raises(MissingLibrary, match=r"libsrt 1\.4\.3, SRT needs 1\.4\.4"):
        Library("libsrt.so")


SHOW = """
from streamctl_srt.library import load, shown
found = load()
found.srt_startup()
print(found.name, shown(found.version), found.srt_create_socket() > 0)
found.srt_cleanup()
"""


@pytest.mark.parametrize("name", ["libsrt.so.1.5", "libsrt-gnutls.so.1.5"])
def test_builds_that_are_installed_can_be_used(name: str) -> None:
    need_libsrt()
    environ = {**os.environ, VARIABLE: name}
    # A process of its own: two builds in one would share what is none of them.
    done = subprocess.run(
        [sys.executable, "-c", SHOW], env=environ, capture_output=True, text=True, check=False
    )
    if "not installed" in done.stderr:
        pytest.skip(f"{name} is not installed")
    assert done.stdout.startswith(f"{name} 1.")
    assert done.stdout.endswith("True\n")
