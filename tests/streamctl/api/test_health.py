from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl import __version__

if TYPE_CHECKING:
    from tests.support.asgi import AppClient
    from tests.support.control import FakeControl


@pytest.mark.parametrize(
    ("state", "health", "ready", "word"),
    [
        ("ok", 200, 200, "ready"),
        ("degraded", 200, 200, "ready"),
        ("down", 503, 503, "not_ready"),
    ],
)
def test_monitors_see_the_state(
    client: AppClient, server: FakeControl, state: str, health: int, ready: int, word: str
) -> None:
    server.report = server.report.model_copy(update={"status": state})
    assert client.get("/health").status_code == health
    assert client.get("/health").json()["status"] == state
    assert client.get("/ready").status_code == ready
    assert client.get("/ready").json()["status"] == word
    assert client.get("/live").json()["status"] == "alive"


def test_version_names_the_release(client: AppClient) -> None:
    assert client.get("/version").json()["version"] == __version__


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [("", "text/plain"), ("application/openmetrics-text;version=1.0.0", "openmetrics-text")],
)
def test_metrics_come_in_the_format_that_the_scraper_takes(
    client: AppClient, accept: str, content_type: str
) -> None:
    response = client.get("/metrics", headers={"accept": accept})
    assert content_type in response.headers["content-type"]
    assert 'streamctl_stream_bytes_received_total{stream="region/a"} 1000.0' in response.text
