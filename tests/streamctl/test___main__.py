"""The program in a process of its own: exit codes, and what it imports for what."""

from __future__ import annotations

import os
import subprocess
import sys
import types

import pytest

from streamctl import __version__
from streamctl.__main__ import INTERRUPTED, main
from streamctl.cli import diagnostics

HEAVY = ("av", "textual", "uvicorn", "starlette", "watchfiles", "numpy", "rich")


def program(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streamctl", *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env={**os.environ, "NO_COLOR": "1", **environ},
    )


def imported(*arguments: str) -> set[str]:
    """The modules that a command line imports."""
    code = (
        "import sys\n"
        "from streamctl.__main__ import main\n"
        f"sys.argv[1:] = {list(arguments)!r}\n"
        "try:\n    main()\n"
        "except SystemExit:\n    pass\n"
        "sys.stderr.write('\\n'.join(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True
    )
    return set(done.stderr.split())


def test_the_version_costs_no_import() -> None:
    modules = imported("--version")
    assert not modules & {"typer", "pydantic", "anyio", "streamctl.errors", *HEAVY}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["serve", "--help"], ["tui", "--help"], ["probe", "--help"]]
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    modules = imported(*arguments)
    assert "streamctl.cli.app" in modules
    assert not modules & {"anyio", "streamctl_rtmp", "streamctl.engine", *HEAVY}


def test_plugins_need_no_server_and_no_libav() -> None:
    modules = imported("plugins", "--json")
    assert "streamctl_rtmp.plugin" in modules
    assert not modules & {"av", "textual", "uvicorn", "starlette", "streamctl.engine"}


def test_clients_never_import_the_engine() -> None:
    modules = imported("status", "--server", "http://127.0.0.1:1")
    assert "streamctl.client" in modules
    assert not modules & {"av", "textual", "uvicorn", "starlette", "streamctl.engine"}


def test_prints_its_version() -> None:
    done = program("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"streamctl {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ["serve", "/nonexistent.toml"],
            2,
            "error: /nonexistent.toml: can't be read: no such file",
        ),
        (["status", "--server", "http://127.0.0.1:1"], 3, "is `streamctl serve` running?"),
        (["status", "--server", "nonsense"], 2, "error: not the URL of a server: `nonsense`"),
        (["tui", "--server", "http://127.0.0.1:1"], 2, "error: needs a terminal"),
        (["probe", "/nonexistent.mp4"], 5, "error: can't read `/nonexistent.mp4`"),
        (["push", "publish:", "env:NO_SUCH"], 2, "`NO_SUCH` is not set"),
        (["push", "sdi:1", "rtmp://127.0.0.1:1/x"], 2, "sdi"),
        (["ingest", "sdi://x/1"], 2, "error: no plugin for `sdi`"),
        (["frobnicate"], 2, "error: no command `frobnicate`"),
    ],
)
def test_fails_with_the_code_of_the_cause(arguments: list[str], code: int, said: str) -> None:
    done = program(*arguments)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_is_130_while_commands_are_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str) -> object:
        raise KeyboardInterrupt

    module = types.ModuleType("streamctl.cli.app")
    module.__dict__["__getattr__"] = interrupted
    monkeypatch.setitem(sys.modules, "streamctl.cli.app", module)
    monkeypatch.setattr(sys, "argv", ["streamctl", "status"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == INTERRUPTED == diagnostics.INTERRUPTED


def test_closed_standard_streams_are_no_obstacle() -> None:
    check = f"{sys.executable} -m streamctl probe /nonexistent.mp4 <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", check], timeout=50, check=False).returncode == 5
    listing = f"{sys.executable} -m streamctl plugins --json 0<&- 2>&-"
    done = subprocess.run(["sh", "-c", listing], timeout=50, check=True, capture_output=True)
    assert done.stdout.startswith(b"[")
