"""The OpenAPI document: what is committed, what it says of every operation, and that answers are as it says."""

import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from answers import operations, problem
from conftest import ROOT
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from postal import key, set_sender
from shop import OPERATOR, order

from app.problems import every_problem

pytestmark = pytest.mark.usefixtures("among_others", "midday")

PROBLEM_JSON = "application/problem+json"
PAGES = {"showUnsubscribe", "unsubscribe"}
"""What people read in a browser, refusals too."""
ASKS_THE_DATABASE = {"readReadiness", "reportMail", "receiveWebhook", *PAGES}
"""Of those that need no key."""
SCHEMA_WORDS = {"type", "$ref", "anyOf", "const", "enum", "pattern", "properties", "items"}
OPEN = ASKS_THE_DATABASE | {"readLiveness", "readVersion", "readMetrics", "readProblem"}


def closed(schema: Any) -> Any:
    """The schema with every object closed to fields that it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(each) for name, each in schema.items()}
    return inner | ({"additionalProperties": False} if "properties" in schema else {})


def says(document, operation_id: str, status: int, body: Any, media_type: str = "application/json") -> None:
    """Hold an answer against what the document says of it, field by field."""
    (operation,) = [each for _, _, each in operations(document) if each["operationId"] == operation_id]
    told = operation["responses"][str(status)]["content"][media_type]["schema"]
    schema = closed({"components": document["components"], **told})
    errors = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(body)]
    assert errors == []


def test_the_committed_document_is_the_one_that_is_served(document):
    committed = json.loads((ROOT / "openapi" / "openapi.json").read_text("utf-8"))
    assert committed == document, "run `make openapi` and commit openapi/openapi.json"


def test_the_document_is_valid_openapi(document):
    assert document["openapi"].startswith("3.1")
    validate(document)


def schemas_in(part: Any, place: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in a part of the document, with its place."""
    if isinstance(part, list):
        for index, each in enumerate(part):
            yield from schemas_in(each, f"{place}/{index}")
    elif isinstance(part, dict):
        if SCHEMA_WORDS & part.keys() and not place.endswith("/properties"):
            yield place, part
        for name, each in part.items():
            if name not in {"example", "examples", "default", "enum"} or place.endswith("/properties"):
                yield from schemas_in(each, f"{place}/{name}")


def test_schemas_have_names_that_clients_can_use(document):
    schemas = document["components"]["schemas"]
    assert [name for name in schemas if not re.fullmatch(r"(?:[A-Z][a-z]*)+", name)] == []
    assert {name: schema["title"] for name, schema in schemas.items()} == {name: name for name in schemas}
    inner = [place for place, schema in schemas_in(document) if "title" in schema and place.count("/") > 3]
    assert inner == [], "generators would name types by these titles"


def test_every_schema_and_every_branch_of_one_says_what_it_is(document):
    untyped, mixed = [], []
    for place, schema in schemas_in(document):
        branches = [each.get("type", "$ref") for each in schema.get("anyOf", []) if each.get("type") != "null"]
        if not {"type", "$ref", "anyOf"} & schema.keys():
            untyped.append(place)
        if "const" in schema or (len(set(branches)) > 1 and any("enum" in each for each in schema["anyOf"])):
            mixed.append(place)
    assert (untyped, mixed) == ([], [])


def test_defaults_of_bodies_are_told_in_words(document):
    schemas = document["components"]["schemas"]
    bodies = [operation.get("requestBody", {}) for _, _, operation in operations(document)]
    assert [place for place, schema in schemas_in([schemas, bodies]) if "default" in schema] == []
    kind = schemas["NewMessage"]["properties"]["kind"]
    assert kind["description"].endswith("default: `marketing`")
    assert "kind" not in schemas["NewMessage"]["required"]


def test_answers_promise_every_field_that_is_always_sent(document):
    asked_for = {("Row", name) for name in ("previous_rank", "movement", "is_new", "gap")}
    optional = {
        (name, field)
        for name in reached(document, [operation["responses"] for _, _, operation in operations(document)])
        for schema in [document["components"]["schemas"][name]]
        for field in schema.get("properties", {}).keys() - set(schema.get("required", []))
        if name != "Problem"
    }
    assert optional == asked_for


def reached(document, part: Any) -> set[str]:
    """The names of the schemas that a part of the document leads to."""
    found: set[str] = set()
    waiting = [part]
    while waiting:
        names = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(waiting.pop()))) - found
        found |= names
        waiting += [document["components"]["schemas"][name] for name in names]
    return found


def test_every_operation_says_what_it_is(document):
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    for method, path, operation in operations(document):
        at = f"{method} {path}"
        assert re.fullmatch(r"[a-z]+([A-Z][a-z0-9]*)*", operation["operationId"]), at
        assert len(operation["tags"]) == 1, at
        assert operation["description"].endswith("."), at
        assert "security" in operation, at
        assert (operation["security"] == []) == (operation["operationId"] in OPEN), at


def test_every_operation_tells_its_problems(document):
    for method, path, operation in operations(document):
        at = f"{method} {path}"
        responses = operation["responses"]
        failures = {int(status): response for status, response in responses.items() if int(status) >= 400}
        if operation["security"]:
            expected = {401, 503}
            expected |= {403} if operation["x-scope"] not in {"any", "operator"} else set()
            expected |= {404} if "{id}" in path else set()
            expected |= {400, 413, 415, 422} if "application/json" in str(operation.get("requestBody")) else set()
            assert expected <= set(failures), at
        if operation["operationId"] not in {"readLiveness", "readMetrics"}:
            assert 503 in failures, at  # too many requests are under way, or the database does not answer
        for status, response in failures.items():
            is_page = operation["operationId"] in PAGES and status == 404
            assert set(response["content"]) == {"text/html" if is_page else PROBLEM_JSON}, at
            assert {example["status"] for example in problems_shown(document, response)} <= {status}, at


def answers_shown(document) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the document says of each good answer that has a body, with its place."""
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            for media_type, content in response.get("content", {}).items():
                if status.startswith("2"):
                    yield f"{method} {path} {status} {media_type}", content


def test_every_good_answer_has_an_example_that_is_as_its_schema_says(document):
    wrong = []
    for place, content in answers_shown(document):
        schema = closed({"components": document["components"], **content["schema"]})
        shown = content.get("example", NotImplemented)
        errors = Draft202012Validator(schema).iter_errors(shown) if shown is not NotImplemented else ["no example"]
        wrong += [f"{place}: {error}" for error in errors]
    assert wrong == []


def test_the_examples_of_schemas_are_whole(document):
    components = {"components": document["components"]}
    wrong = [
        f"{name}: {error.message}"
        for name, schema in document["components"]["schemas"].items()
        for shown in schema.get("examples", [])
        for error in Draft202012Validator(components | schema).iter_errors(shown)
    ]
    assert wrong == []


def test_examples_hold_what_a_store_would_and_ids_that_no_demo_has(document):
    shown = [content["example"] for _, content in answers_shown(document)]
    shown += [each for schema in document["components"]["schemas"].values() for each in schema.get("examples", [])]
    text = json.dumps([shown, document["paths"]])
    assert [each for each in text_in(shown) if each in {"string", "", "null", "example"} or "\ufffd" in each] == []
    numbers = [int(number) for number in re.findall(r"\b(?:acc|aud|src|cus|msg|key|imp|inb)_(\d+)\b", text)]
    assert len(numbers) > 100
    assert min(numbers) > 900_000


def text_in(shown: Any) -> Iterator[str]:
    """Every text in an example."""
    if isinstance(shown, str):
        yield shown
    elif isinstance(shown, list | dict):
        for each in shown.values() if isinstance(shown, dict) else shown:
            yield from text_in(each)


def test_examples_of_files_have_the_columns_of_their_header(document):
    tables = {place: content["example"] for place, content in answers_shown(document) if place.endswith("text/csv")}
    assert len(tables) == 3
    for place, table in tables.items():
        header, *rows = csv.reader(io.StringIO(table))
        assert [len(row) for row in rows] == [len(header)], place


def test_examples_are_as_their_schemas_say(document):
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            for example in problems_shown(document, response):
                says(document, operation["operationId"], int(status), example, PROBLEM_JSON)
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert examples_of(document, content), f"{method} {path} has no example"


def problems_shown(document, response: dict[str, Any]) -> list[dict[str, Any]]:
    """The problems that the document shows of an answer, each of which it tells once."""
    shown = response.get("content", {}).get(PROBLEM_JSON, {}).get("examples", {})
    assert {code: each["$ref"] for code, each in shown.items()} == {
        code: f"#/components/examples/{code}" for code in shown
    }
    return [document["components"]["examples"][code]["value"] for code in shown]


def test_problems_have_codes_that_the_document_enumerates(document):
    codes = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    assert codes == sorted({kind.code() for kind in every_problem() if kind.__module__.startswith("app.")})
    assert set(document["components"]["examples"]) <= set(codes)


def test_tags_are_described_and_summaries_are_words(document):
    described = {tag["name"]: tag["description"] for tag in document["tags"]}
    assert all(described.values())
    assert set(described) == {operation["tags"][0] for _, _, operation in operations(document)}
    for method, path, operation in operations(document):
        summary = operation["summary"]
        assert operation["description"].startswith(summary), f"{method} {path}"
        assert re.fullmatch(r"[A-Z][a-z]+ .*[^.,;: ]", summary), f"{method} {path}: {summary}"
        assert len(summary) <= 80, f"{method} {path}: {summary}"


def test_every_parameter_has_an_example_that_is_as_its_schema_says(document):
    wrong = []
    for method, path, operation in operations(document):
        for parameter in operation["parameters"]:
            schema = {"components": document["components"], **parameter["schema"]}
            shown = parameter.get("example")
            if shown in {None, "string"} or [*Draft202012Validator(schema).iter_errors(shown)]:
                wrong.append(f"{method} {path} {parameter['name']}: {shown}")
    assert wrong == []


async def test_the_docs_fill_in_no_parameter_that_may_be_left_out(api, document):
    shown = (await api.get("/swagger/openapi.json")).json()
    filled = {
        (operation["operationId"], parameter["name"])
        for _, _, operation in operations(shown)
        for parameter in operation["parameters"]
        if "example" in parameter
    }
    assert filled == {
        (operation["operationId"], parameter["name"])
        for _, _, operation in operations(document)
        for parameter in operation["parameters"]
        if parameter["required"]
    }


def examples_of(document, content: dict[str, Any]) -> list[Any]:
    """The examples of a body, beside its schema or in it."""
    if "examples" in content:
        return [example["value"] for example in content["examples"].values()]
    name = content["schema"].get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"].get(name, {}).get("examples", [])


async def test_every_example_of_a_body_is_accepted(api, open_store, document, clock):
    clock.now = None
    store = await open_store()
    await store.sold(("ada", "10.00"))
    customer = (await store.ask(time_frame="all_time"))["items"][0]["customer"]["id"]
    await set_sender(store)
    await store.send(order("with-address", "ada", email="ada@example.test"))
    await store.agree(customer, "subscribed")
    await store.sold(("bea", "1.00"))
    asked = {"source": store.source, "external_id": "bea"}
    bea = (await api.get("/customers", params=asked, headers=store.auth)).json()["items"][0]["id"]
    real = {"aud_900001": store.audience, "src_900001": store.source, "cus_900042": customer, "cus_900043": customer}
    operator = {"Authorization": f"Bearer {OPERATOR}"}
    sent = 0
    for method, path, operation in operations(document):
        nouns = {"accounts": store.account, "audiences": store.audience, "customers": customer}
        wanted = nouns.get(path.split("/")[1], store.source)
        wanted = bea if operation["operationId"] == "mergeCustomer" else wanted
        auth = operator if operation.get("x-scope") == "operator" else store.auth
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            for example in examples_of(document, content):
                body = example if isinstance(example, str) else json.dumps(example)
                body = re.sub(r'"((?:aud|src|cus)_9000\d\d)"', lambda found: f'"{real[found[1]]}"', body)
                sent_as: dict[str, Any] = {"content": body, "headers": auth | key() | {"Content-Type": media_type}}
                if media_type == "multipart/form-data":
                    fields = {name: value for name, value in example.items() if name != "file"}
                    sent_as = {"data": fields, "files": {"file": ("a.csv", example["file"])}, "headers": auth | key()}
                if "spreadsheet" in media_type:
                    continue  # what it shows is no workbook
                answer = await api.request(method, path.format(id=wanted, address="nobody@example.test"), **sent_as)
                assert answer.status_code in {200, 201, 202}, f"{method} {path} {answer.text}"
                says(document, operation["operationId"], answer.status_code, answer.json())
                assert not answer.json().get("rejected"), answer.text
                sent += 1
    assert sent >= 8


async def test_answers_are_as_the_document_says_and_no_field_is_missing_from_it(api, open_store, document):
    store = await open_store()
    await store.sold(("ada", "10.00"), ("bea", "5.00"), on="2026-02-01")
    await store.sold(("ada", "10.00"), ("cyd", "5.00"))
    await store.send(order("named", "dan", name="Dan", email="dan@example.test"), order("o", "eve", status="voided"))
    found = (await api.get("/customers", params={"source": store.source}, headers=store.auth)).json()
    everyone = [customer["id"] for customer in found["items"]]
    change = {"marketing": "subscribed"}
    changed = await api.patch(f"/customers/{everyone[0]}", json=change, headers=store.auth)
    says(document, "changeCustomer", 200, changed.json())
    asked = [
        ("readAccount", "/account", {}),
        ("listKeys", "/account/keys", {}),
        ("listAudiences", "/audiences", {}),
        ("listSources", "/sources", {}),
        ("readSource", f"/sources/{store.source}", {}),
        *(
            ("readLeaderboard", "/leaderboard", store.board(**question, **compared))
            for question in (
                {"time_frame": "month_to_date"},
                {"time_frame": "all_time", "limit": 1},
                {"time_frame": "last_year"},
                {"time_frame": "last_365_days"},
                {"time_frame": "custom", "start": "2026-03-01", "end": "2026-03-31"},
            )
            for compared in ({}, {"compare": "previous"})
            if question["time_frame"] != "all_time" or not compared
        ),
        ("readLeaderboardOptions", "/leaderboard/options", {}),
        ("findCustomers", "/customers", {"source": store.source}),
        *(("readCustomer", f"/customers/{customer}", {}) for customer in everyone),
        *(("exportCustomer", f"/customers/{customer}/export", {}) for customer in everyone),
        ("readLiveness", "/livez", {}),
        ("readReadiness", "/readyz", {}),
        ("readVersion", "/version", {}),
    ]
    for operation_id, path, question in asked:
        answer = await api.get(path, params=question, headers=store.auth)
        assert answer.status_code == 200, answer.text
        says(document, operation_id, 200, answer.json())


async def test_refusals_are_as_the_document_says(api, open_store, document):
    store = await open_store()
    bad = order("bad", "ada", total="x")
    batch = await store.post(bad, 1)
    lines = await store.load(json.dumps(bad).encode() + b"\nnull", "application/x-ndjson")
    says(document, "storeOrders", 200, batch.json())
    says(document, "importOrders", 201, lines.json())
    wrong = await api.get("/leaderboard", params=store.board(limit="x"), headers=store.auth)
    says(document, "readLeaderboard", 422, problem(wrong, 422, "invalid_request"), PROBLEM_JSON)


async def test_rows_without_comparison_do_not_speak_of_it(open_store):
    store = await open_store()
    await store.sold(("ada", "10.00"))
    row = (await store.ask(time_frame="month_to_date"))["items"][0]
    compared = (await store.ask(time_frame="month_to_date", compare="previous"))["items"][0]
    assert set(compared) - set(row) == {"previous_rank", "movement", "is_new"}


async def test_every_type_of_problem_is_a_page(api, document):
    told = {
        example["type"]
        for _, _, operation in operations(document)
        for response in operation["responses"].values()
        for example in problems_shown(document, response)
    }
    known = {f"/problems/{kind.slug}" for kind in every_problem() if "app." in kind.__module__}
    assert told <= known
    for page in known:
        answer = await api.get(page)
        assert answer.status_code == 200, page
        assert answer.headers["Content-Type"].startswith("text/html")
    problem(await api.get("/problems/nonsense"), 404, "not_found")


def test_problems_have_slugs_of_their_own():
    kinds = list(every_problem())
    slugs = [kind.slug for kind in kinds]
    assert len(set(slugs)) == len(slugs)
    assert all(kind.__doc__ for kind in kinds)


async def test_the_docs_need_no_other_host_and_their_policy_lets_them_run(api):
    page = await api.get("/docs")
    policy = dict(directive.strip().split(" ", 1) for directive in page.headers["Content-Security-Policy"].split(";"))
    assert page.status_code == 200
    assert not re.search(r"https?://|//[a-z]", page.text.replace("//.", ""))
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(assets) == 3
    for asset in [*assets, *re.findall(r"url: '([^']+)'", page.text)]:
        answer = await api.get(str(page.url.join(asset).path))
        assert answer.status_code == 200, asset
        assert not asset.endswith(".js") or answer.headers["Content-Type"].startswith("text/javascript")
        assert not asset.endswith(".css") or answer.headers["Content-Type"].startswith("text/css")
    assert policy["default-src"] == "'none'"
    assert policy["script-src"].split()[0] == "'self'"
    assert "unsafe" not in policy["script-src"]
    assert "'self'" in policy["style-src"]
    assert policy["connect-src"] == "'self'"
    inline = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    assert [f"'sha256-{digest(script)}'" for script in inline] == policy["script-src"].split()[1:]
    root = await api.get("/", follow_redirects=True)
    assert root.url.path == "/docs"


def digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


async def test_the_policy_of_everything_else_lets_nothing_run(api):
    for path in ("/livez", "/problems/not-found", "/nowhere", "/openapi.json", "/swagger/swagger-ui.css"):
        policy = (await api.get(path)).headers["Content-Security-Policy"]
        assert policy == "default-src 'none'; frame-ancestors 'none'"
