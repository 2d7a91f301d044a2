"""Suppression forms: the JSON of suppressed addresses."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.orders.file_options import AsWritten, FileOptions
from app.orders.schemas import InstantText, ReadAs
from app.vocabulary import SuppressionReason
from app.wire.addresses import normal_address
from app.wire.enums import OneOf
from app.wire.examples import showing
from app.wire.instants import BodyInstant, Instant
from app.wire.strict_json import Strict

ReasonValue = Annotated[str, OneOf(SuppressionReason)]
AddressText = Annotated[str, Field(max_length=320), AfterValidator(normal_address)]

SUPPRESSION_EXAMPLE: JsonDict = {
    "address": "ada@example.test",
    "reason": "left",
    "since": "2026-11-20T09:00:00Z",
    "by": "unsubscribe",
    "left_at": "2026-11-20T09:00:00Z",
    "complained_at": None,
    "dead_at": None,
    "opted_in_at": None,
}


ROW_EXAMPLE: JsonDict = {"address": "gone@example.test", "reason": "left", "since": "2026-11-20T09:00:00Z"}


class NewSuppression(Strict):
    """Why an address must not be written to."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "left", "since": "2026-11-20T09:00:00Z"}]})

    reason: Annotated[
        ReasonValue,
        Field(
            description="`left` and `complained` stop offers, `dead` (the address takes no mail) stops every message"
        ),
    ]
    since: BodyInstant | None = Field(None, description="when it happened; default now")


class SuppressedRow(Strict):
    """One address in a file of suppressions."""

    model_config = ConfigDict(json_schema_extra={"examples": [ROW_EXAMPLE]})

    address: Annotated[str, Field(max_length=320)]
    reason: ReasonValue | None = Field(None, description="default: that of the request")
    since: InstantText | None = Field(None, description="when it happened; default now")
    by: Annotated[str | None, Field(max_length=255)] = Field(
        None, description="left out: it came from the key of this request"
    )


class SuppressionFileOptions(FileOptions):
    """How a file of suppressions is written, and why its addresses must not be written to."""

    reason: ReasonValue = Field(SuppressionReason.LEFT.value, description="why, for rows that do not say so themselves")

    def as_written(self) -> AsWritten:
        """What they say of the file."""
        return AsWritten(SuppressedRow, self.delimiter, self.dates, self.charset, self.columns)


class RefusedSuppression(BaseModel):
    """A row of the file that was not taken."""

    model_config = showing(
        {"line": 3, "last_line": 3} | {"code": "invalid_address", "detail": "address: Give exactly one e-mail address."}
    )

    line: int = Field(description="the number of its first line; the first of the file is 1")
    last_line: int
    code: str
    detail: str


class SuppressionImport(BaseModel):
    """A file of suppressions, counted by row; the three counts add up to `received`."""

    model_config = showing({"received": 2000, "suppressed": 1990, "opted_in_since": 9, "rejected_count": 1})

    received: int
    suppressed: int = Field(description="rows whose address is suppressed now")
    opted_in_since: int = Field(description="rows whose owner has agreed to offers after `since`: they stay agreed")
    rejected_count: int
    rejected: list[RefusedSuppression] = Field(description="the first 100 refused rows")
    read_as: ReadAs


class Suppression(BaseModel):
    """An address that must not be written to, whichever customer has it."""

    model_config = ConfigDict(json_schema_extra={"examples": [SUPPRESSION_EXAMPLE]})

    address: str | None = Field(description="null once its person was erased: then only a keyed hash is left")
    reason: ReasonValue = Field(description="the strictest of what has happened")
    since: Instant = Field(description="when that happened last")
    by: str = Field(description="what it came from: a key's id, `unsubscribe`, `complaint` or `bounce`")
    left_at: Instant | None
    complained_at: Instant | None
    dead_at: Instant | None
    opted_in_at: Instant | None = Field(description="when its owner agreed to offers last, as far as somebody said so")


class SuppressionPage(BaseModel):
    """Suppressed addresses, in no particular order."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [SUPPRESSION_EXAMPLE], "next_cursor": None}]})

    items: list[Suppression]
    next_cursor: str | None
