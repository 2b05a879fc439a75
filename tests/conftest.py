"""Fixtures and rules for every test."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import settings

from tests.support.stalls import StallWatch
from tests.support.tools import real_media, tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.media import MediaCache

WATCHED = [
    "streamctl",
    "streamctl_copy",
    "streamctl_file",
    "streamctl_hls",
    "streamctl_http_flv",
    "streamctl_http_ts",
    "streamctl_mixer",
    "streamctl_rtmp",
    "streamctl_rtp",
    "streamctl_rtsp",
    "streamctl_srt",
    "streamctl_udp",
]
"""Packages whose code must not block an event loop."""

pytest.register_assert_rewrite("tests.support.recorded")
settings.register_profile("fast", deadline=None, derandomize=True, database=None)
settings.register_profile("deep", deadline=None, database=None, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))
# The usual examples are the same ones in every run; ``deep`` looks for new ones.


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*programs): runs external programs")
    config.pluginmanager.register(StallWatch(), "stall-watch")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for program in marker.args:
            tool(program)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[None]:
    """Code of the product that blocks a running event loop fails the test."""
    with blockbuster_ctx(WATCHED) as watch:
        # From memory to a socket that doesn't block.
        watch.functions["os.sendfile"].can_block_in("streamctl/net/connection.py", "_send_some")
        yield


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Nothing is freed but what nobody refers to any more."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="session")
def stall_watch(pytestconfig: pytest.Config) -> StallWatch:
    """Who knows for how long the machine stood still."""
    watch = pytestconfig.pluginmanager.get_plugin("stall-watch")
    assert isinstance(watch, StallWatch)
    watch.begin()
    return watch


@pytest.fixture(scope="session")
def real_media_folder() -> Path:
    """The folder of real media; the test is skipped without one."""
    folder = real_media()
    if folder is None or not folder.is_dir():
        pytest.skip("STREAMCTL_TEST_MEDIA names no folder")
    return folder


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> MediaCache:
    """Makes media by recipe, each file once per session, whichever worker needs it first."""
    from tests.support.media import MediaCache

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder /= "media"
    folder.mkdir(exist_ok=True)
    return MediaCache(folder)
