"""Tidy schemas: what Pydantic writes, as generators of clients read it best."""

import json
from typing import Any

DATA = {"example", "examples", "default"}
"""What holds values instead of schemas."""


def tidied(document: dict[str, Any]) -> dict[str, Any]:
    """The document without titles that repeat the name of a field, with each `const` as an enum of one value.

    A default of a body is told in words: generators take a field that has one for a field that has to be given.

    Only the schemas of components keep their titles: generators name types by them, and two fields named `status`
    would become one type.
    """
    schemas = document["components"]["schemas"]
    document["paths"] = _tidied(document["paths"])
    document["components"]["schemas"] = {name: {"title": name, **_tidied(schema)} for name, schema in schemas.items()}
    return document


def _told_default(field: dict[str, Any]) -> dict[str, Any]:
    if "default" not in field:
        return field
    default, description = field["default"], field.get("description", "")
    told = f"default: `{default if isinstance(default, str) else json.dumps(default)}`"
    kept = {name: value for name, value in field.items() if name != "default"}
    return kept | {"description": "; ".join(filter(None, (description, told)))}


def _tidied(part: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(part, list):
        return [_tidied(each) for each in part]
    if not isinstance(part, dict):
        return part
    tidy = {name: _member(name, value) for name, value in part.items() if name not in {"title", "const"}}
    return tidy | ({"enum": [part["const"]]} if "const" in part else {})


def _member(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    if name in DATA:
        return value
    return (
        {field: _told_default(_tidied(each)) for field, each in value.items()}
        if name == "properties"
        else _tidied(value)
    )
