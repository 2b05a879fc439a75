"""The control API as an ASGI application: health, streams, sessions, events, metrics, dashboard.

It translates HTTP to :class:`~streamctl.api.control.Control` and back; what the calls mean is the
engine's business, who may make them :mod:`~streamctl.api.guard`'s.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from streamctl.api import config, events, health, hooks, inputs, streams
from streamctl.api.guard import Access, Guard
from streamctl.api.metrics import ServerCollector
from streamctl.api.openapi import document
from streamctl.api.page import dashboard
from streamctl.api.problem import on_crash, on_http_exception, on_streamctl_error
from streamctl.api.requests import EncodedSlashes
from streamctl.errors import StreamctlError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from streamctl.api.control import Control
    from streamctl.api.operation import Operation
    from streamctl.config.model import ApiConfig

OPERATIONS: tuple[Operation, ...] = (
    *health.OPERATIONS,
    *streams.OPERATIONS,
    *config.OPERATIONS,
    *inputs.OPERATIONS,
    *events.OPERATIONS,
    *hooks.OPERATIONS,
)
"""Everything that ``/openapi.json`` describes besides itself and the page."""


def build_app(server: Control, settings: ApiConfig) -> Starlette:
    """The application for a server; ``state.access`` takes another configuration."""
    access = Access()
    access.adopt(settings)
    refused: Counter[int] = Counter()
    app = Starlette(
        routes=[
            *(operation.route() for operation in OPERATIONS),
            Route("/openapi.json", described(access)),
            Route("/", dashboard()),
        ],
        middleware=[
            Middleware(Guard, access=access, refused=refused),
            Middleware(EncodedSlashes),
        ],
        exception_handlers={
            StreamctlError: on_streamctl_error,
            HTTPException: on_http_exception,
            Exception: on_crash,
        },
    )
    app.router.redirect_slashes = False
    app.state.control = server
    app.state.access = access
    app.state.event_streams = events.OpenStreams()
    app.state.collector = ServerCollector(server, refused)
    return app


def described(access: Access) -> Callable[[Request], Awaitable[Response]]:
    """The handler of ``GET /openapi.json``."""
    bodies = [json.dumps(document(OPERATIONS, with_tokens=wanted)) for wanted in (False, True)]

    async def openapi(request: Request) -> Response:
        return Response(bodies[bool(access.tokens)], media_type="application/json")

    return openapi
