"""The OpenAPI 3.1 document, made from the operations and the documents they answer.

Specification: OpenAPI 3.1.0, section 4.8; schemas are JSON Schema 2020-12 from the models.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from streamctl import __version__
from streamctl.schema import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

    from streamctl.api.operation import Operation, Parameter

PATH_PARAMETER = re.compile(r"\{(\w+)\}")

PATH_SUMMARIES = {
    "code": "the stream's code, with `/` written as `~` or `%2F`",
    "id": "the session's id",
    "name": "the hook's name, with `/` written as `~` or `%2F`",
}

JSON = "application/json"


def document(operations: Sequence[Operation], *, with_tokens: bool) -> dict[str, Any]:
    """The whole document."""
    models: list[type[BaseModel]] = [Problem]
    for operation in operations:
        for model in (operation.answer, operation.error_answer):
            if isinstance(model, type) and model not in models:
                models.append(model)
    _, schemas = models_json_schema(
        [(model, "serialization") for model in models],
        ref_template="#/components/schemas/{model}",
    )
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = describe(operation)
    components: dict[str, Any] = {"schemas": schemas["$defs"]}
    result: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "streamctl control API",
            "version": __version__,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": components,
    }
    if with_tokens:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        result["security"] = [{"token": []}]
    return result


def describe(operation: Operation) -> dict[str, Any]:
    """One operation object."""
    answer: dict[str, Any] = {"description": operation.summary}
    if isinstance(operation.answer, str):
        answer["content"] = {operation.answer: {"schema": {"type": "string"}}}
    else:
        answer["content"] = {JSON: {"schema": reference(operation.answer)}}
    error = {JSON: {"schema": reference(operation.error_answer or Problem)}}
    responses: dict[str, Any] = {"200": answer}
    for status, meaning in operation.errors.items():
        responses[str(status)] = {"description": meaning, "content": error}
    responses["default"] = {
        "description": "any other error",
        "content": {JSON: {"schema": reference(Problem)}},
    }
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": parameters(operation),
        "responses": responses,
    }
    if operation.body:
        kind = "object" if operation.body_type == JSON else "string"
        described["requestBody"] = {
            "required": True,
            "description": operation.body,
            "content": {operation.body_type: {"schema": {"type": kind}}},
        }
    return described


def parameters(operation: Operation) -> list[dict[str, Any]]:
    """The parameters of the path, the query and the headers."""
    in_path = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_SUMMARIES[name],
            "schema": {"type": "string"},
        }
        for name in PATH_PARAMETER.findall(operation.path)
    ]
    return in_path + [optional(parameter) for parameter in operation.parameters]


def optional(parameter: Parameter) -> dict[str, Any]:
    """A parameter that may be left out."""
    schema: dict[str, Any] = {"type": "string"}
    if parameter.choices:
        schema["enum"] = list(parameter.choices)
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": False,
        "description": parameter.summary,
        "schema": schema,
    }


def reference(model: type[BaseModel]) -> dict[str, str]:
    """A reference to a model's schema."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}
