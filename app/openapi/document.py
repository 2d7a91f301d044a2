"""OpenAPI document: what clients, mocks and integration tests are made from.

It is committed in `openapi/`, and a test compares it with what the service says of itself.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.routing import BaseRoute

from app.accounts.guarded_route import permission_of, problems_of
from app.forms import JSON
from app.openapi.examples import Examples, declared_examples
from app.openapi.tidy_schemas import tidied
from app.operation import VERSION
from app.orders.customer_form import CustomerRow
from app.orders.schemas import OrderRow
from app.problems import documented

DESCRIPTION = """\
Ranks an online store's customers by purchases, average order and spend, exact and live at any size.

Send `Authorization: Bearer llb_…`. Errors are `application/problem+json`: compare `code`, show `detail`.
The `title` and each `detail` of an error follow `Accept-Language` (en, de, it, es).
Amounts are decimal strings with the currency's digits, instants RFC 3339, ids opaque.
"""

PROBLEM = {
    "title": "Problem",
    "description": "An error (RFC 9457): what went wrong and what to do.",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "reason": {"type": "string", "description": "only with the code recipient_not_messageable: the reason"},
        "import": {"type": "object", "description": "of an import that ended early: its id and what is stored"},
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
    made: dict[str, Any] = get_openapi(
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
    for row in (OrderRow, CustomerRow):
        schemas[row.__name__] = row.model_json_schema(ref_template="#/components/schemas/{model}")
    made["components"]["securitySchemes"] = {
        "apiKey": {"type": "http", "scheme": "bearer", "description": "an account's key, `llb_…`"},
        "browserToken": {
            "type": "http",
            "scheme": "bearer",
            "description": "what POST /account/tokens makes, `llt_…`; it must name the operation of `x-token`",
        },
        "operatorKey": {"type": "http", "scheme": "bearer", "description": "the service's ADMIN_KEY"},
    }
    schemas |= {name: schemas[name] | {"examples": shown} for name, shown in declared_examples() if name in schemas}
    for route in guarded_routes(app.routes):
        for method in route.methods or ():
            _complete(route.dependant, made["paths"][route.path_format][method.lower()])
    return _with_examples(tidied(made))


def _with_examples(made: dict[str, Any]) -> dict[str, Any]:
    """The document with an example of each JSON answer; the schemas of answers show whole ones too."""
    schemas = made["components"]["schemas"]
    examples = Examples(schemas)
    for path in made["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {}).get(JSON)
                if content is not None and status.startswith("2"):
                    content["example"] = examples.of(content["schema"])
                    if "$ref" in content["schema"]:
                        schemas[content["schema"]["$ref"].rpartition("/")[2]].setdefault("examples", [{}])
    for schema in schemas.values():
        if "properties" in schema and "examples" in schema:
            schema["examples"] = [examples.completed(shown, schema) for shown in schema["examples"]]
    return made


def guarded_routes(routes: list[BaseRoute]) -> list[RouteContext]:
    """The routes that the document describes, those of included routers among them."""
    return [
        route
        for route in iter_route_contexts(routes)
        if isinstance(route.original_route, APIRoute) and route.include_in_schema
    ]


def _complete(dependant: Dependant, operation: dict[str, Any]) -> None:
    """Add what follows from the route's signature: who may call it, and the problems that it can answer."""
    permission = permission_of(dependant)
    if permission is None:
        operation["security"] = []
    else:
        operation["security"] = [{"operatorKey" if permission.operator else "apiKey": []}]
        if permission.token is not None:
            operation["security"].append({"browserToken": []})
            operation["x-token"] = permission.token.value
        operation["x-scope"] = "operator" if permission.operator else (" ".join(permission.scopes) or "any")
    responses = operation["responses"]
    if "application/json" in responses.get("422", {}).get("content", {}):
        # FastAPI's own form of a validation error, which this service never sends.
        content = responses["422"]["content"]
        del content["application/json"]
        content.setdefault("application/problem+json", {"schema": {"$ref": "#/components/schemas/Problem"}})
    takes_json = "application/json" in operation.get("requestBody", {}).get("content", {})
    for status, response in documented(*problems_of(dependant, takes_json=takes_json)).items():
        known = responses.setdefault(str(status), response)["content"]["application/problem+json"]
        known.setdefault("examples", {}).update(response["content"]["application/problem+json"]["examples"])
    operation["responses"] = dict(sorted(responses.items()))
