"""Who is told what happens: how each hook stands, and a delivery to try one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.api.operation import Operation
from streamctl.api.problem import rfc3339
from streamctl.api.requests import answer, control
from streamctl.hookstatus import HookList, HookTest

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


async def list_hooks(request: Request) -> Response:
    """``GET /api/v1/hooks``."""
    found = control(request).hooks.status()
    return answer(HookList(hooks=found, count=len(found), time=rfc3339()))


async def test_hook(request: Request) -> Response:
    """``POST /api/v1/hooks/{name}/test``."""
    name = str(request.path_params["name"]).replace("~", "/")
    return answer(await control(request).hooks.test(name))


OPERATIONS = (
    Operation("GET", "/api/v1/hooks", "List the hooks", list_hooks, HookList),
    Operation(
        "POST",
        "/api/v1/hooks/{name}/test",
        "Deliver a test event to a hook, at once",
        test_hook,
        HookTest,
        errors={404: "no hook has this name"},
    ),
)
