"""The inputs of a stream: what each is worth, and which one is on air."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from streamctl.api.operation import Operation
from streamctl.api.problem import rfc3339
from streamctl.api.requests import answer, control, json_object, stream_code
from streamctl.schema import InputList

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from streamctl.schema import StreamStatus


async def list_inputs(request: Request) -> Response:
    """``GET /api/v1/streams/{code}/inputs``."""
    return answer(inputs_of(control(request).stream(stream_code(request))))


async def switch_input(request: Request) -> Response:
    """``POST /api/v1/streams/{code}/switch``."""
    document = await json_object(request)
    priority = document.get("priority")
    number = isinstance(priority, int) and not isinstance(priority, bool)
    if document.keys() != {"priority"} or not (number or priority is None):
        raise HTTPException(400, "write `priority` alone: the number of an input, or null")
    return answer(inputs_of(control(request).switch(stream_code(request), priority)))


def inputs_of(stream: StreamStatus) -> InputList:
    """What there is to know of the inputs of a stream."""
    found = stream.inputs
    return InputList(inputs=found, switches=stream.switches, count=len(found), time=rfc3339())


NO_STREAM = {404: "no stream has this code"}

OPERATIONS = (
    Operation(
        "GET",
        "/api/v1/streams/{code}/inputs",
        "List the inputs of a stream and its last switches",
        list_inputs,
        InputList,
        errors=NO_STREAM,
    ),
    Operation(
        "POST",
        "/api/v1/streams/{code}/switch",
        "Put an input on air, or let the best one be",
        switch_input,
        InputList,
        body="`priority`: the number of the input, 0 for the first; null for the best one again",
        errors={400: "no such body", 404: "no such stream or input", 503: "it can't go on air"},
    ),
)
