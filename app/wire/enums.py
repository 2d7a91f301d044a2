"""Enums: closed sets of values in JSON, listed where they are used instead of as schemas of their own."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic_core import CoreSchema
from pydantic_core.core_schema import literal_schema


@dataclass(frozen=True)
class OneOf:
    """Annotates text that is one of an enum's values: `Annotated[str, OneOf(MessageKind)]`."""

    values: type[StrEnum]

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        """A literal of the values."""
        return literal_schema([value.value for value in self.values])
