"""Rules of the repository that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILE_LINES = 500
FUNCTION_LINES = 60
PARSED_SOURCES = (
    "streamctl/media",
    "plugins/streamctl_rtmp/wire",
    "plugins/streamctl_rtp/wire",
    "plugins/streamctl_rtsp/wire",
    "plugins/streamctl_srt/wire",
    "plugins/streamctl_udp/wire",
)
"""Formats, where each module is covered by its own test file."""
WITHOUT_SOURCE = {"test_hostile.py", "test_interop.py"}
"""What a whole package does with bent input, and with programs of others."""
MACHINE = re.compile(
    rf"{re.escape(str(ROOT))}/|/root/|/home/\w|/Users/\w|pythonhosted\.org|--(extra-)?index-url"
)
"""The checkout, home folders, and where somebody gets packages from."""


def tracked(*patterns: str) -> list[Path]:
    """Files under version control, those not yet committed included; links are left out."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [path for name in done.stdout.splitlines() if (path := ROOT / name).is_file()]


def sources() -> list[Path]:
    return [path for path in tracked("*.py") if "vendor" not in path.parts]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_files_are_short() -> None:
    long = {
        relative(path): count
        for path in sources()
        if (count := len(path.read_text().splitlines())) > FILE_LINES
    }
    assert long == {}


def test_functions_are_short() -> None:
    long = {}
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    long[f"{relative(path)}:{node.lineno} {node.name}"] = lines
    assert long == {}


def source_of(test: Path) -> Path:
    """``tests/streamctl/media/test_aac.py`` tests ``streamctl/media/aac.py`` or a package."""
    inner = test.relative_to(ROOT / "tests")
    return ROOT / inner.parent / inner.name.removeprefix("test_")


@pytest.mark.parametrize("tree", ["streamctl", "plugins"])
def test_each_test_file_is_named_after_its_source(tree: str) -> None:
    orphans = [
        relative(test)
        for test in tracked(f"tests/{tree}/**/test_*.py", f"tests/{tree}/test_*.py")
        if test.name not in WITHOUT_SOURCE
        if not source_of(test).exists() and not source_of(test).with_suffix("").is_dir()
    ]
    assert orphans == []


@pytest.mark.parametrize("folder", PARSED_SOURCES)
def test_each_format_has_its_own_tests(folder: str) -> None:
    tests = {source_of(path) for path in tracked("tests/streamctl/*", "tests/plugins/*")}
    untested = [
        relative(path)
        for path in tracked(f"{folder}/*.py")
        if path.name != "__init__.py" and path not in tests and does_something(path)
    ]
    assert untested == []


def does_something(path: Path) -> bool:
    """Whether a module has functions; declarations alone are tested where they are used."""
    tree = ast.parse(path.read_text())
    return any(isinstance(node, ast.FunctionDef) for node in ast.walk(tree))


def test_each_plugin_has_tests_and_an_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    points = project["project"]["entry-points"]["streamctl.protocols"].values()
    packages = {point.partition(".")[0] for point in points}
    folders = {path.parent.name for path in tracked("plugins/*/__init__.py")}
    assert packages == {name for name in folders if name.startswith("streamctl_")}
    for package in packages:
        assert tracked(
            f"tests/plugins/{package}/**/test_*.py", f"tests/plugins/{package}/test_*.py"
        )


def test_each_module_says_what_it_does() -> None:
    silent = [
        relative(path)
        for path in sources()
        if path.is_relative_to(ROOT / "streamctl") or path.is_relative_to(ROOT / "plugins")
        if ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    found = []
    for path in tracked():
        if path == Path(__file__) or "vendor" in path.parts:
            continue
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{relative(path)}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(lines, 1)
            if MACHINE.search(line)
        ]
    assert found == []


def shell_blocks(path: Path) -> list[str]:
    return re.findall(r"```sh\n(.*?)\n```", path.read_text(), re.DOTALL)


def test_ci_runs_the_command_of_the_readme() -> None:
    command = next(block for block in shell_blocks(ROOT / "README.md") if "make test" in block)
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == command


def test_ci_installs_the_programs_that_the_readme_names() -> None:
    install = next(block for block in shell_blocks(ROOT / "README.md") if "apt-get" in block)
    named = set(install.replace("\\\n", " ").partition("recommends")[2].split())
    script = (ROOT / ".ci/run").read_text()
    found = re.search(r"packages=\((.*?)\)", script, re.DOTALL)
    assert found is not None
    assert named == set(found.group(1).split())


@pytest.mark.parametrize("document", ["README.md", "docs/tutorial.md", "docs/plugins.md"])
def test_commands_in_documents_are_shell(document: str) -> None:
    for block in shell_blocks(ROOT / document):
        done = subprocess.run(["bash", "-n"], input=block, text=True, check=False)
        assert done.returncode == 0, block


def test_commands_in_the_readme_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    known = set(project["project"]["entry-points"]["streamctl.commands"])
    named = set(re.findall(r"^\| `streamctl ([a-z]+)", (ROOT / "README.md").read_text(), re.M))
    assert named == known


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_links_lead_somewhere(document: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / document).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_requirements_are_hashed_and_name_no_registry() -> None:
    text = (ROOT / "requirements/ci.txt").read_text()
    assert "://" not in text
    pins = re.findall(r"^[a-z0-9][^\n]*==[^\n]*\\\n    --hash=", text, re.M)
    assert len(pins) == len(re.findall(r"^[a-z0-9]", text, re.M))


def test_importing_the_package_imports_nothing_else() -> None:
    code = (
        "import sys, streamctl; "
        "print(*(m for m in sys.modules if m.split('.')[0] in "
        "{'av', 'anyio', 'pydantic', 'textual', 'typer', 'uvicorn'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
