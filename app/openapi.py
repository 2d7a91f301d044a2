"""OpenAPI document: what integration tests read; committed, and compared in the tests."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from app.accounts.access import permission_of
from app.operation import VERSION
from app.orders.schemas import OrderRow

DESCRIPTION = """\
Ranks an online store's customers by purchases, average order and spend, exact and live at any size.

Send `Authorization: Bearer llb_…`. Errors are `application/problem+json`: compare `code`, show `detail`.
The `title` of an error follows `Accept-Language` (en, de, it, es).
Amounts are decimal strings with the currency's digits, instants RFC 3339, ids opaque.
"""

PROBLEM = {
    "title": "Problem",
    "description": "RFC 9457: what went wrong and what to do.",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["in", "pointer", "code", "detail"],
                "properties": {name: {"type": "string"} for name in ("in", "pointer", "code", "detail")},
            },
        },
    },
}


def document(app: FastAPI) -> dict[str, Any]:
    """The document of this application, made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _document(app)
    return app.openapi_schema


def _document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(
        title="Loyalty Leaderboard",
        version=VERSION,
        description=DESCRIPTION,
        openapi_version="3.1.0",
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/"}],
    )
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM
    schemas["OrderRow"] = OrderRow.model_json_schema(ref_template="#/components/schemas/{model}")
    made["components"]["securitySchemes"] = {
        "apiKey": {"type": "http", "scheme": "bearer", "description": "an account's key, `llb_…`"},
        "operatorKey": {"type": "http", "scheme": "bearer", "description": "the service's ADMIN_KEY"},
    }
    for route in guarded_routes(app.routes):
        for method in route.methods or ():
            _secure(route, made["paths"][route.path_format][method.lower()])
    return made


def guarded_routes(routes: list[BaseRoute]) -> list[APIRoute]:
    """The routes that the document describes."""
    return [route for route in routes if isinstance(route, APIRoute) and route.include_in_schema]


def _secure(route: APIRoute, operation: dict[str, Any]) -> None:
    permission = permission_of(route.dependant)
    if permission is None:
        operation["security"] = []
    else:
        operation["security"] = [{"operatorKey" if permission.operator else "apiKey": []}]
        operation["x-scope"] = "operator" if permission.operator else (permission.scope or "any")
    responses = operation["responses"]
    if "application/json" in responses.get("422", {}).get("content", {}):
        # FastAPI's own form of a validation error, which this service never sends.
        content = responses["422"]["content"]
        del content["application/json"]
        content.setdefault("application/problem+json", {"schema": {"$ref": "#/components/schemas/Problem"}})
