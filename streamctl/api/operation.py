"""One entry of the API: what the router serves and the OpenAPI document describes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.routing import Route

from streamctl.config.faults import nearest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from pydantic import BaseModel
    from starlette.requests import Request
    from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter or a request header."""

    name: str
    summary: str
    place: str = "query"
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path, with the handler that answers it."""

    method: str
    path: str
    summary: str
    handler: Callable[[Request], Awaitable[Response]]
    answer: type[BaseModel] | str
    """The document answered with 200, or the media type when it is none of ours."""
    parameters: tuple[Parameter, ...] = ()
    body: str = ""
    """What the body of the request holds; empty when there is no body."""
    body_type: str = "application/json"
    """A JSON object, or a text of this type."""
    errors: Mapping[int, str] = field(default_factory=dict)
    """Statuses besides 200 with their meaning."""
    error_answer: type[BaseModel] | None = None
    """The document of those statuses where it is not a problem."""

    @property
    def name(self) -> str:
        """A unique name, made from the handler's."""
        return getattr(self.handler, "__name__", self.path)

    def route(self) -> Route:
        """The entry for the router."""
        return Route(self.path, self.answered, methods=[self.method], name=self.name)

    async def answered(self, request: Request) -> Response:
        """Answer a request.

        Raises:
            HTTPException: a change says something unknown, which may have meant a dry run.
        """
        if self.method != "GET":
            known = [one.name for one in self.parameters if one.place == "query"]
            for name in request.query_params:
                if name not in known:
                    hint = nearest(name, known) if known else "it takes none"
                    raise HTTPException(400, f"no such parameter: `{name}`; {hint}")
        return await self.handler(request)
