"""Ids: opaque strings with the prefix of their kind."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, GetCoreSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_plain_validator_function

from app.problems import Problem

LARGEST_ID = 2**63 - 1

EXAMPLES = {
    **{prefix: f"{prefix}_900001" for prefix in ("acc", "aud", "src", "inb")},
    "cus": "cus_900042",
    "msg": "msg_900007",
    "key": "key_900003",
    "imp": "imp_900007",
}
"""Ids that the document shows: no demo has them, so that nobody asks for a stranger by copying an example."""

AccountIdText = Annotated[str, Field(examples=[EXAMPLES["acc"]])]
AudienceIdText = Annotated[str, Field(examples=[EXAMPLES["aud"]])]
CustomerIdText = Annotated[str, Field(examples=[EXAMPLES["cus"]])]
DeliveryIdText = Annotated[str, Field(examples=[EXAMPLES["inb"]])]
ImportIdText = Annotated[str, Field(examples=[EXAMPLES["imp"]])]
KeyIdText = Annotated[str, Field(examples=[EXAMPLES["key"]])]
MessageIdText = Annotated[str, Field(examples=[EXAMPLES["msg"]])]
SourceIdText = Annotated[str, Field(examples=[EXAMPLES["src"]])]
"""Public ids as answers show them."""


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
        return {"type": "string", "pattern": f"^{self.prefix}_[1-9][0-9]{{0,18}}$", "examples": [EXAMPLES[self.prefix]]}
