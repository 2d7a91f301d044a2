"""Details: what clients are told about what is wrong, in their language and never in the words of a library."""

import json
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
from answers import operations, problem
from every_operation import call, requests
from fastapi.routing import APIRoute, iter_route_contexts
from sentences import is_ours
from shop import OPERATOR, order

from app.invalid_values import OF_ERROR_TYPE, InvalidValueError, sentence_of
from app.main import create_app
from app.orders.schemas import OrderRow
from app.words import Language, Sentence

HOSTILE = [None, True, -1, 1.5, 10**30, "", " ", "x" * 101_000, "\0", "\ud800", "canary7f3a", [], [[]] * 1001, {}]
HOSTILE_TEXTS = ["", "x", "-1", "9" * 400, "\0"]

ALWAYS = {
    "str": {"string_type", "string_unicode"},
    "int": {"int_type", "int_parsing", "int_parsing_size", "int_from_float"},
    "bool": {"bool_type", "bool_parsing"},
    "literal": {"literal_error"},
    "enum": {"enum"},
    "list": {"list_type"},
    "dict": {"dict_type"},
    "model": {"model_type", "model_attributes_type"},
    "model-fields": {"missing", "extra_forbidden"},
    "function-after": {"value_error"},
    "function-before": {"value_error"},
    "function-plain": {"value_error"},
    **{name: set() for name in ("model-field", "nullable", "default", "union", "any", "definitions", "definition-ref")},
}
"""Which errors a node of a schema can have."""
WITH_A_LIMIT = {
    ("str", "min_length"): "string_too_short",
    ("str", "max_length"): "string_too_long",
    ("str", "pattern"): "string_pattern_mismatch",
    ("int", "ge"): "greater_than_equal",
    ("int", "le"): "less_than_equal",
    ("int", "gt"): "greater_than",
    ("int", "lt"): "less_than",
    ("list", "min_length"): "too_short",
    ("list", "max_length"): "too_long",
    ("dict", "min_length"): "too_short",
    ("dict", "max_length"): "too_long",
}
TOLD_BY_THEIR_VALUES = {"literal_error", "enum"}
TOLD_BY_OUR_VALIDATORS = {"value_error"}
READ_BEFORE = {"date", "datetime"}
"""What our own validators have made of a text before Pydantic looks at it."""


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every node of a core schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            yield schema
        for name, each in schema.items():
            if name not in {"metadata", "serialization", "function"}:
                yield from nodes(each)
    elif isinstance(schema, list | tuple):
        for each in schema:
            yield from nodes(each)


def schemas(app) -> Iterator[Any]:
    """The core schemas of everything that the application reads."""
    yield OrderRow.__pydantic_core_schema__
    for route in iter_route_contexts(app.routes):
        original = route.original_route
        if not isinstance(original, APIRoute):
            continue
        read = original.dependant
        fields = [*read.path_params, *read.query_params, *read.header_params, *read.body_params]
        yield from (field._type_adapter.core_schema for field in fields)


async def test_every_error_that_a_schema_can_have_has_a_sentence(database):
    found: set[str] = set()
    seen = 0
    for node in (node for schema in schemas(create_app(database)) for node in nodes(schema)):
        seen += 1
        if node["type"] in READ_BEFORE:
            continue
        assert node["type"] in ALWAYS, f"say which errors {node['type']} can have"
        found |= ALWAYS[node["type"]]
        found |= {name for (kind, limit), name in WITH_A_LIMIT.items() if kind == node["type"] and limit in node}
    assert seen > 500
    assert found - TOLD_BY_THEIR_VALUES - TOLD_BY_OUR_VALIDATORS - {*OF_ERROR_TYPE} == set()
    assert {*OF_ERROR_TYPE} - found == {"repeated"}, "no schema has these errors any longer"


def test_the_text_of_a_library_is_never_told():
    secret = {"loc": ("body",), "msg": "Value error, canary", "ctx": {"error": ValueError("canary")}}
    for kind in ("value_error", "assertion_error", "never_seen"):
        assert is_ours(str(sentence_of(secret | {"type": kind})), "en")
    ours = InvalidValueError(Sentence("Give a text."))
    assert sentence_of(secret | {"type": "value_error", "ctx": {"error": ours}}) is ours.sentence


async def test_whatever_is_sent_the_details_are_ours_in_the_language_of_the_request(api, open_store, document):
    store = await open_store()
    told = set()
    for (method, path, operation), language in zip(operations(document), cycle(Language), strict=False):
        auth = {"Authorization": f"Bearer {OPERATOR}"} if operation.get("x-scope") == "operator" else store.auth
        for wrong in hostile(requests(store).get(operation["operationId"], {}), operation):
            answer = await call(api, method, path, wrong, auth | {"Accept-Language": language})
            told |= details_of(answer, language)
    assert len(told) > 25


def hostile(request: dict[str, Any], operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The request with one of its values, or one of its parameters, made something else."""
    for name in request.get("json", {}):
        for value in HOSTILE:
            body = json.dumps(request["json"] | {name: value})
            headers = request.get("headers", {}) | {"Content-Type": "application/json"}
            yield {"path": request.get("path", {}), "content": body, "headers": headers}
    for name in [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]:
        for text in HOSTILE_TEXTS:
            yield request | {"params": request.get("params", {}) | {name: text}}


def details_of(answer, language: str) -> set[str]:
    """The details of an answer, if it is a problem; `problem` asks whether they are sentences of the catalogue."""
    if answer.status_code < 400:
        return set()
    body = problem(answer, answer.status_code, answer.json()["code"])
    assert answer.headers["Content-Language"] == language
    return {body["detail"], *(error["detail"] for error in body.get("errors", []))}


TOLD = {
    "en": {
        "invalid_total": 'total: Give a decimal string such as "12.50", without sign, exponent or separators.',
        "missing_ordered_at": "ordered_at: Give this: it is required.",
        "invalid_name": "name: Write at most 500 characters.",
        "invalid_status": "status: Choose one of: pending, authorized, partially_paid, paid, "
        "partially_refunded, refunded, cancelled, voided.",
    },
    "de": {
        "invalid_total": 'total: Gib eine Dezimalzahl als Text wie "12.50" an, ohne Vorzeichen, Exponent oder '
        "Trennzeichen.",
        "missing_ordered_at": "ordered_at: Gib das an: Es ist erforderlich.",
        "invalid_name": "name: Schreibe höchstens 500 Zeichen.",
    },
    "it": {
        "missing_ordered_at": "ordered_at: Indicalo: è obbligatorio.",
        "invalid_name": "name: Scrivi al massimo 500 caratteri.",
    },
    "es": {
        "missing_ordered_at": "ordered_at: Indícalo: es obligatorio.",
        "invalid_name": "name: Escribe como máximo 500 caracteres.",
    },
}


@pytest.mark.parametrize("language", [*Language])
async def test_refused_rows_of_a_batch_are_told_in_the_language_of_the_request(api, open_store, language):
    store = await open_store()
    rows = [
        order("1", "ada", total="1,50"),
        {name: value for name, value in order("2", "ada").items() if name != "ordered_at"},
        order("3", "ada", name="x" * 501),
        order("4", "ada", status="odd"),
    ]
    answer = await api.post(
        f"/sources/{store.source}/orders",
        json={"orders": rows},
        headers=store.auth | {"Accept-Language": language},
    )

    body = answer.json()
    told = {row["code"]: row["detail"] for row in body["rejected"] + body["warnings"]}
    assert {*told} == {*TOLD["en"]}
    assert all(is_ours(detail, language) for detail in told.values())
    assert TOLD[language].items() <= told.items()


@pytest.mark.parametrize("rows", [1, 500])
@pytest.mark.parametrize("language", [*Language])
async def test_refused_rows_of_an_import_are_too_wherever_they_were_read(open_store, language, rows):
    store = await open_store()
    good = "".join(f"o{n},c,2026-03-01T12:00:00Z,5.00,paid,\n" for n in range(rows))
    bad = f"a,c,,1.00,paid,\nb,c,2026-03-01T12:00:00Z,1.00,paid,{'x' * 501}\n"
    content = f"order_id,customer_id,ordered_at,total,status,name\n{good}{bad}"
    answer = await store.load(content.encode(), **{"Accept-Language": language})

    body = answer.json()
    assert body["created"] == rows + 1
    told = {row["code"]: row["detail"] for row in body["rejected"] + body["warnings"]}
    expected = {code: TOLD[language][code] for code in ("missing_ordered_at", "invalid_name")}
    assert told == expected


async def test_an_import_that_is_given_up_tells_its_refused_rows_in_the_language_of_the_request(open_store):
    store = await open_store()
    content = b"order_id,customer_id,ordered_at,total,status\n" + b"a,c,,1.00,paid\n" * 10_001
    answer = await store.load(content, **{"Accept-Language": "de"})

    body = problem(answer, 422, "too_many_refused_rows")
    assert body["detail"].startswith("Der Import wurde beendet: 10.000 Zeilen nacheinander")
    assert body["import"]["rejected"][0]["detail"] == TOLD["de"]["missing_ordered_at"]
