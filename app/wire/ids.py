"""Ids: opaque strings with the prefix of their kind."""

import re
from dataclasses import dataclass

from pydantic import GetCoreSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_plain_validator_function

from app.problems import Problem

LARGEST_ID = 2**63 - 1


def public_id(prefix: str, row_id: int) -> str:
    """The opaque form of a row's id."""
    return f"{prefix}_{row_id}"


def row_id(prefix: str, text: str) -> int | None:
    """The row behind a public id, or nothing when the text is none."""
    digits = text.removeprefix(f"{prefix}_")
    if digits == text or not re.fullmatch(r"[1-9][0-9]{0,18}", digits, re.ASCII):
        return None
    number = int(digits)
    return number if number <= LARGEST_ID else None


@dataclass(frozen=True)
class PublicId:
    """Marks a parameter that names a row: `Annotated[int, PublicId("src", UnknownSource)]`.

    Malformed ids are as unknown as foreign ones.
    """

    prefix: str
    unknown: type[Problem]

    def read(self, text: object) -> int:
        """The row's id, or the problem."""
        number = row_id(self.prefix, text) if isinstance(text, str) else None
        if number is None:
            raise self.unknown
        return number

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read the text instead of validating an integer."""
        return no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: object) -> JsonSchemaValue:
        """A string, for clients."""
        return {"type": "string", "pattern": f"^{self.prefix}_[1-9][0-9]{{0,18}}$", "examples": [f"{self.prefix}_1"]}
