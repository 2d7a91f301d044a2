"""Parameters: an example of each, and the header that asks whether an answer is still the one that the client has."""

from typing import Any

from app.openapi.examples import Examples
from app.openapi.headers import IF_NONE_MATCH
from app.openapi.story import PARAMETERS_BY_NAME


def told_parameters(operation: dict[str, Any], examples: Examples) -> list[dict[str, Any]]:
    """The parameters of an operation as the document tells them."""
    told = [_with_example(each, examples) for each in operation.get("parameters", [])]
    return [*told, IF_NONE_MATCH] if "304" in operation["responses"] else told


def _with_example(parameter: dict[str, Any], examples: Examples) -> dict[str, Any]:
    if "example" in parameter:
        return parameter
    schema = parameter["schema"]
    shown = PARAMETERS_BY_NAME.get(parameter["name"], schema.get("default"))
    if shown is None or not examples.fits(shown, schema):
        shown = examples.of(schema)
    return parameter | {"example": shown}
