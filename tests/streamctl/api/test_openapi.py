from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from starlette.routing import Route

from streamctl.api.app import OPERATIONS
from streamctl.api.openapi import document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.applications import Starlette

    from tests.support.asgi import AppClient

METHODS = {"get", "put", "post", "delete", "patch"}


@pytest.fixture
def spec(client: AppClient) -> dict[str, Any]:
    body = client.get("/openapi.json").json()
    assert isinstance(body, dict)
    return body


def operations(spec: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in spec["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_document_has_what_openapi_requires(spec: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d", spec["openapi"])
    assert spec["info"]["title"]
    assert spec["info"]["version"]
    for path, method, operation in operations(spec):
        assert path.startswith("/")
        assert method in METHODS
        assert operation["summary"]
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d|default", status)
            assert response["description"]
            for content in response["content"].values():
                assert set(content) == {"schema"}


def test_operation_names_are_unique(spec: dict[str, Any]) -> None:
    names = Counter(operation["operationId"] for _, _, operation in operations(spec))
    assert set(names.values()) == {1}


def test_every_reference_resolves(spec: dict[str, Any]) -> None:
    found = set(references(spec))
    assert "#/components/schemas/StreamStatus" in found
    for reference in found:
        node: Any = spec
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert "type" in node or "enum" in node


def test_path_parameters_are_described_exactly(spec: dict[str, Any]) -> None:
    for path, _, operation in operations(spec):
        described = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert described == set(re.findall(r"\{(\w+)\}", path))
        for one in operation["parameters"]:
            assert one["in"] in {"path", "query", "header"}
            assert one["schema"]["type"] == "string"


def test_the_document_and_the_router_agree(spec: dict[str, Any], app: Starlette) -> None:
    routed = {
        (route.path, method.lower())
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or ())
        if method != "HEAD" and route.path not in {"/", "/openapi.json"}
    }
    assert routed == {(path, method) for path, method, _ in operations(spec)}


def test_tokens_are_described_where_they_are_needed() -> None:
    assert "security" not in document(OPERATIONS, with_tokens=False)
    spec = document(OPERATIONS, with_tokens=True)
    (need,) = spec["security"]
    assert set(need) == set(spec["components"]["securitySchemes"])
