"""What every error answer is, asked of each one that a test gets."""

import re
from typing import Any

import httpx
from sentences import is_ours

MEMBERS = {"type", "title", "status", "code", "detail", "request_id"}
CANARY = "canary7f3a"
"""Part of what tests send where it is refused: no answer may say it back."""


def problem(answer: httpx.Response, status: int, code: str, **extra: Any) -> dict[str, Any]:
    """The problem that the answer must be."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:500]}"
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) - {"errors", "reason", "import"} == MEMBERS
    assert (body["status"], body["code"], body["type"]) == (status, code, f"/problems/{code.replace('_', '-')}")
    assert body["title"]
    language = answer.headers.get("Content-Language", "en")
    assert is_ours(body["detail"], language), body["detail"]
    assert body["request_id"] == answer.headers["X-Request-Id"]
    assert CANARY not in answer.text
    assert not re.search(r"Traceback|sqlalchemy|asyncpg|pydantic\.dev", answer.text)
    for error in body.get("errors", []):
        assert set(error) == {"in", "pointer", "code", "detail"}
        assert error["pointer"].startswith("#/")
        assert is_ours(error["detail"], language), f"not a sentence of ours: {error}"
    for member, value in extra.items():
        assert body[member] == value
    return body


def pointers(answer: httpx.Response) -> list[str]:
    """The fields that an answer names as invalid."""
    return [error["pointer"] for error in problem(answer, 422, "invalid_request")["errors"]]


def operations(document):
    """Every operation of an OpenAPI document: method, path, what it says."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation
