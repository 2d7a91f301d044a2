"""Examples of answers: made from the examples of forms and fields, so that no operation needs one of its own.

A field shows the example of its form, else that of its name, else its own, else the first value of its enum.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from app.openapi.story import EXAMPLES_BY_NAME

JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


class NoExampleError(Exception):
    """A field of an answer has no example: give it one, or its form, or its name."""


def declared_examples(form: type[BaseModel] = BaseModel) -> Iterator[tuple[str, list[Any]]]:
    """The examples of the service's forms as they are declared: FastAPI leaves out every null in them."""
    for child in form.__subclasses__():
        extra = child.model_config.get("json_schema_extra")
        if child.__module__.startswith("app.") and isinstance(extra, dict) and isinstance(extra.get("examples"), list):
            yield child.__name__, extra["examples"]  # type: ignore[misc]
        yield from declared_examples(child)


class Examples:
    """Makes the examples of a document's schemas."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        """`schemas` are the components of the document."""
        self._schemas = schemas

    def of(self, schema: dict[str, Any], field: str = "") -> Any:  # noqa: ANN401 - JSON
        """An example of a schema that the field holds."""
        whole = self._resolved(schema)
        if "properties" in whole:
            return self._object(whole)
        shown = EXAMPLES_BY_NAME.get(field, NoExampleError)
        if shown is not NoExampleError and self.fits(shown, whole):
            return shown
        if "examples" in whole:
            return whole["examples"][0]
        branch = next((each for each in whole.get("anyOf", []) if each.get("type") != "null"), None)
        if branch is not None:
            return self.of(branch, field)
        if whole.get("type") == "array":
            return [self.of(whole["items"], field)]
        if "enum" not in whole:
            raise NoExampleError(f"{field}: {whole}")
        return whole["enum"][0]

    def _object(self, schema: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """What the form shows, and the fields that it leaves out although they are always sent."""
        return self.completed(schema.get("examples", [{}])[0], schema)

    def completed(self, shown: Any, schema: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """An example with the fields that it leaves out although they are always sent."""
        whole = self._resolved(schema)
        if shown is not None and "anyOf" in whole:
            whole = self._resolved(next(each for each in whole["anyOf"] if each.get("type") != "null"))
        if isinstance(shown, list):
            return [self.completed(each, whole["items"]) for each in shown]
        if "properties" not in whole or not isinstance(shown, dict):
            return shown
        required = set(whole.get("required", ()))
        return {
            name: self.completed(shown[name], field) if name in shown else self.of(field, name)
            for name, field in whole["properties"].items()
            if name in shown or name in required
        }

    def fits(self, shown: object, schema: dict[str, Any]) -> bool:
        """Whether a value is of a type that the schema allows, and one of its enum."""
        for each in self._branches(schema):
            types = JSON_TYPES.get(each.get("type", ""), ())
            is_one = type(shown) in types and (not isinstance(shown, list) or self._holds(shown, each))
            if is_one and shown in each.get("enum", [shown]):
                return True
        return False

    def _holds(self, shown: list[Any], schema: dict[str, Any]) -> bool:
        return all(self.fits(each, schema["items"]) for each in shown)

    def _branches(self, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
        whole = self._resolved(schema)
        yield whole
        for each in whole.get("anyOf", []):
            yield from self._branches(each)

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        name = schema.get("$ref", "").rpartition("/")[2]
        return {**self._schemas[name], **{k: v for k, v in schema.items() if k != "$ref"}} if name else schema
