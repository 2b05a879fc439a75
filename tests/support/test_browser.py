from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.browser import Browser
from tests.support.media import MediaCache, Recipe

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.needs("bash"), pytest.mark.timeout(60)]


def test_a_page_plays_generated_media(tmp_path: Path, media: MediaCache) -> None:
    made = media(Recipe(seconds=10, bframes=2))
    page = tmp_path / "page.html"
    page.write_text(f'<video src="{made.path.as_uri()}" autoplay muted></video>')
    with Browser() as browser:
        browser.open(page.as_uri())
        state = browser.wait_playing(1.5)
    assert (state.width, state.height) == (320, 180)
    assert state.frames > 20
    assert state.audio_bytes > 0
    assert state.waits == 0
    assert state.errors == []


def test_an_expression_is_evaluated() -> None:
    with Browser() as browser:
        assert browser.evaluate("6 * 7") == 42
        with pytest.raises(AssertionError, match="nothing"):
            browser.evaluate("nothing.here")
