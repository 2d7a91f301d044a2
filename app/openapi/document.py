"""OpenAPI document: what clients, mocks and integration tests are made from.

It is committed in `openapi/`, and a test compares it with what the service says of itself.
"""

import re
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.routing import BaseRoute

from app.accounts.guarded_route import permission_of, problems_of
from app.forms import JSON
from app.openapi.examples import Examples, declared_examples
from app.openapi.headers import HEADERS, told_headers
from app.openapi.parameters import told_parameters
from app.openapi.tidy_schemas import tidied
from app.operation import VERSION
from app.orders.customer_form import CustomerRow
from app.orders.schemas import OrderRow
from app.problems import PROBLEM_JSON, HeadersTooLarge, documented, every_problem

DESCRIPTION = """\
Ranks an online store's customers by purchases, average order and spend, exact and live at any size.

Send `Authorization: Bearer llb_…`. Errors are `application/problem+json`: compare `code`, show `detail`.
The `title` and each `detail` of an error follow `Accept-Language` (en, de, it, es).
Amounts are decimal strings with the currency's digits, instants RFC 3339, ids opaque.
"""

TAGS = {
    "leaderboard": "who ranks where, and what a leaderboard can be asked for",
    "segments": "the VIPs of a store, and what other thresholds would find",
    "customers": "who a customer is, what they have bought and agreed to",
    "messages": "e-mails to customers: written, sent, followed and cancelled",
    "suppressions": "the addresses that must not be written to",
    "orders": "what stores have sold: sent, imported, read back and deleted",
    "sources": "stores, the audiences that they belong to, and what they send by themselves",
    "accounts": "who may call: accounts, keys, tokens, senders and the log of what was done",
    "recipients": "what those who get mails, and those who carry them, have to say",
    "operation": "what the engineer who runs the service asks",
}
"""Every tag, in the order in which readers want them."""

SUMMARY_END = re.compile(r"[.;:,—](?:\s|$)")
"""A summary is a description up to its first pause."""

PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "description": "An error (RFC 9457): what went wrong and what to do.",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "a page that explains this kind of error"},
        "title": {"type": "string", "description": "what kind of error it is, in the language of the request"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "the kind of error: what programs compare"},
        "detail": {"type": "string", "description": "what is wrong here and what to do, for people"},
        "request_id": {"type": "string"},
        "reason": {"type": "string", "description": "only with the code recipient_not_messageable: the reason"},
        "import": {"type": "object", "description": "of an import that ended early: its id and what is stored"},
        "errors": {
            "type": "array",
            "description": "each value that is not valid",
            "items": {
                "type": "object",
                "required": ["in", "pointer", "code", "detail"],
                "properties": {name: {"type": "string"} for name in ("in", "pointer", "code", "detail")},
            },
        },
    },
}


SECURITY_SCHEMES = {
    "apiKey": {"type": "http", "scheme": "bearer", "description": "an account's key, `llb_…`"},
    "browserToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "what POST /account/tokens makes, `llt_…`; it must name the operation of `x-token`",
    },
    "operatorKey": {"type": "http", "scheme": "bearer", "description": "the service's ADMIN_KEY"},
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
        contact={"name": "The operator of this service"},
        servers=[{"url": "/"}],
        tags=[{"name": name, "description": description} for name, description in TAGS.items()],
    )
    _add_components(made)
    made = tidied(made)
    examples = Examples(made["components"]["schemas"])
    for route in guarded_routes(app.routes):
        for method in route.methods or ():
            operation = made["paths"][route.path_format][method.lower()]
            _complete(route.dependant, operation)
            operation["parameters"] = told_parameters(operation, examples)
            for status, response in operation["responses"].items():
                response["headers"] = told_headers(route.dependant, status, operation)
    _share_problems(made)
    return _with_examples(made, examples)


def _add_components(made: dict[str, Any]) -> None:
    """Add what FastAPI does not know of: problems, rows, security schemes and headers."""
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    codes = sorted({kind.code() for kind in every_problem() if kind.__module__.startswith("app.")})
    properties = PROBLEM["properties"] | {"code": PROBLEM["properties"]["code"] | {"enum": codes}}
    schemas["Problem"] = PROBLEM | {"properties": properties}
    for row in (OrderRow, CustomerRow):
        schemas[row.__name__] = row.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= {name: schemas[name] | {"examples": shown} for name, shown in declared_examples() if name in schemas}
    components["headers"] = HEADERS
    components["securitySchemes"] = SECURITY_SCHEMES


def _share_problems(made: dict[str, Any]) -> None:
    """Tell each example of a problem once, and refer to it wherever it can be answered."""
    shared: dict[str, Any] = {}
    made["components"]["examples"] = shared
    for path in made["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                examples = response.get("content", {}).get(PROBLEM_JSON, {}).get("examples", {})
                shared |= examples
                examples |= {code: {"$ref": f"#/components/examples/{code}"} for code in examples}


def _with_examples(made: dict[str, Any], examples: Examples) -> dict[str, Any]:
    """The document with an example of each JSON answer; the schemas of answers show whole ones too."""
    schemas = made["components"]["schemas"]
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
    operation["summary"] = SUMMARY_END.split(operation["description"], maxsplit=1)[0]
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
        content.setdefault(PROBLEM_JSON, {"schema": {"$ref": "#/components/schemas/Problem"}})
    takes_json = "application/json" in operation.get("requestBody", {}).get("content", {})
    for status, response in documented(*problems_of(dependant, takes_json=takes_json), HeadersTooLarge).items():
        known = responses.setdefault(str(status), response)["content"][PROBLEM_JSON]
        known.setdefault("examples", {}).update(response["content"][PROBLEM_JSON]["examples"])
    operation["responses"] = dict(sorted(responses.items()))
