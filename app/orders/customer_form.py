"""Customer form: a row about a person, with or without orders, becomes an entry or is refused with a reason."""

from datetime import datetime
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic.config import JsonDict

from app.orders.normal_form import (
    FieldRefused,
    LeftOut,
    Refusal,
    first_error,
    moment_in,
    usable_email,
    usable_words,
    validated,
)
from app.orders.schemas import ContactFields, InstantText, Text
from app.orders.spelling import Spelling
from app.wire.examples import showing
from app.wire.ids import CustomerIdText
from app.wire.strict_json import Strict
from app.words import Sentence

MOST_CUSTOMERS = 1000
"""Customers in one request."""

CUSTOMER_ROW_EXAMPLE: JsonDict = {
    "customer_id": "42",
    "email": "ada@example.test",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "language": "it",
    "marketing": "subscribed",
    "marketing_at": "2026-10-30T12:02:00+01:00",
}


class CustomerRow(ContactFields):
    """One person of a store, named by the store's id, by an address or by both."""

    model_config = ConfigDict(strict=True, json_schema_extra={"examples": [CUSTOMER_ROW_EXAMPLE]})

    customer_id: Text | None = Field(None, description="the store's own id of the customer")
    updated_at: InstantText | None = Field(
        None, description="how new the row is, RFC 3339 with an offset; without it as new as its arrival"
    )


class CustomerBatch(Strict):
    """People of one source; each is checked on its own."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"customers": [CUSTOMER_ROW_EXAMPLE]}]})

    customers: Annotated[
        list[Annotated[Any, WithJsonSchema({"$ref": "#/components/schemas/CustomerRow"})]],
        Field(max_length=MOST_CUSTOMERS),
    ]


class CustomerRemark(BaseModel):
    """A row of the batch that was not stored, or a field of it that was left out."""

    model_config = showing({"index": 15, "code": "invalid_email", "detail": "email: Give exactly one e-mail address."})

    index: int
    customer_id: str | None
    code: str
    detail: str


class StoredCustomer(BaseModel):
    """The customer that a row of the batch is about."""

    model_config = showing({"index": 0})

    index: int
    customer: CustomerIdText


class CustomerBatchResult(BaseModel):
    """The result of a batch; the counts add up to `received`."""

    model_config = showing({"received": 1, "created": 1, "updated": 0, "unchanged": 0, "rejected": [], "warnings": []})

    received: int
    created: int
    updated: int
    unchanged: int
    customers: list[StoredCustomer] = Field(description="the customers of the rows that were stored")
    rejected: list[CustomerRemark]
    warnings: list[CustomerRemark] = Field(description="contact fields that could not be used and were left out")


class CustomerEntry(NamedTuple):
    """What a row says of a person; `seen_at` is how new it is."""

    external_id: str | None
    email: str | None
    name: str | None
    first_name: str | None
    last_name: str | None
    language: str | None
    marketing: str | None
    marketing_at: datetime | None
    seen_at: datetime
    left_out: tuple[LeftOut, ...] = ()

    @property
    def is_about_person(self) -> bool:
        """It is."""
        return True

    @property
    def order_id(self) -> str | None:
        """It names no order."""
        return None


CUSTOMER_FIELDS = frozenset(CustomerRow.model_fields)
VALIDATE_CUSTOMER = CustomerRow.__pydantic_validator__.validate_python


def normalised_customer(row: object, now: datetime, spelling: Spelling | None = None) -> CustomerEntry | Refusal:
    """The person in a row, or the first reason why it cannot be stored; JSON has no spelling of its own."""
    left_out: list[LeftOut] = []
    try:
        valid, left_out = validated(VALIDATE_CUSTOMER, row, CUSTOMER_FIELDS)
        email = usable_email(valid, left_out)
        words = usable_words(valid, now, left_out, spelling)
        updated_at = moment_in("updated_at", valid.updated_at, now, spelling) if valid.updated_at else now
        seen_at = min(updated_at, now)
    except ValidationError as invalid:
        return Refusal(None, *first_error(invalid))
    except FieldRefused as refused:
        return Refusal(None, refused.code, refused.detail)
    if valid.customer_id is None and email is None:
        nobody = ("missing_customer_id", Sentence("Give customer_id or email, which name the customer."))
        return Refusal(None, *(left_out or [nobody])[0])
    names = (valid.name, valid.first_name, valid.last_name)
    return CustomerEntry(valid.customer_id, email, *names, *words, seen_at, tuple(left_out))
