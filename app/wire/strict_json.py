"""Strict JSON: no duplicate names, no NaN, no unknown fields."""

import json
from collections.abc import Callable
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A body or query that refuses what it does not know."""

    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)


def refuse_constant(_: str) -> NoReturn:
    """NaN and Infinity are not JSON."""
    raise ValueError("not JSON")


def unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, whose names must differ."""
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("duplicate names")
    return names


strict_json: Callable[[str | bytes], Any] = json.JSONDecoder(
    object_pairs_hook=unique_names, parse_constant=refuse_constant
).decode  # type: ignore[assignment]
"""JSON text as Python values; ValueError or RecursionError when it is not JSON in the narrow sense."""
