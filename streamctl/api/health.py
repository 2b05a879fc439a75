"""Health, readiness, version and metrics: what monitors ask."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import anyio.to_thread
from prometheus_client.exposition import choose_encoder
from starlette.responses import Response

from streamctl import __version__
from streamctl.api.metrics import Families
from streamctl.api.operation import Operation
from streamctl.api.problem import rfc3339
from streamctl.api.requests import answer, control
from streamctl.schema import Health, Liveness, Version

if TYPE_CHECKING:
    from starlette.requests import Request


async def health(request: Request) -> Response:
    """``GET /health``: ok and degraded are 200, down is 503."""
    report = control(request).health()
    return answer(report, 503 if report.status == "down" else 200)


async def live(request: Request) -> Response:
    """``GET /live``: the process answers."""
    return answer(Liveness(status="alive", time=rfc3339()))


async def ready(request: Request) -> Response:
    """``GET /ready``: the server takes publishers and viewers."""
    down = control(request).health().status == "down"
    report = Liveness(status="not_ready" if down else "ready", time=rfc3339())
    return answer(report, 503 if down else 200)


async def version(request: Request) -> Response:
    """``GET /version``."""
    return answer(
        Version(
            version=__version__,
            python=platform.python_version(),
            os=platform.system(),
            arch=platform.machine(),
        )
    )


async def metrics(request: Request) -> Response:
    """``GET /metrics``: Prometheus text, or OpenMetrics where the scraper prefers it."""
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    families = Families(request.app.state.collector.collect())
    # The counters belong to the loop; the text, ten times the work, is made beside it.
    text = await anyio.to_thread.run_sync(encode, families)
    return Response(text, headers={"content-type": content_type})


OPERATIONS = (
    Operation(
        "GET",
        "/health",
        "Health with its checks",
        health,
        Health,
        errors={503: "down"},
        error_answer=Health,
    ),
    Operation("GET", "/live", "Whether the process answers", live, Liveness),
    Operation(
        "GET",
        "/ready",
        "Whether the server takes publishers and viewers",
        ready,
        Liveness,
        errors={503: "not ready"},
        error_answer=Liveness,
    ),
    Operation("GET", "/version", "Versions", version, Version),
    Operation("GET", "/metrics", "Prometheus metrics", metrics, "text/plain"),
)
