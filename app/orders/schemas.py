"""Order forms: the one normal form of every way in, and what is answered."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict

from app.orders.spelling import DateOrder, DecimalMark
from app.vocabulary import ChosenMarketing, FileFormat, LayoutName, OrderStatus
from app.wire.enums import OneOf
from app.wire.examples import showing
from app.wire.ids import ImportIdText
from app.wire.money import MoneyText
from app.wire.strict_json import Strict
from app.words import Language

MOST_ORDERS = 1000
"""Orders in one request."""

OrderStatusValue = Annotated[str, OneOf(OrderStatus)]


Text = Annotated[str, Field(max_length=255, pattern="^[^\x00]*$")]
InstantText = Annotated[
    str, Field(max_length=40), WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 40})
]


ORDER_EXAMPLE: JsonDict = {
    "order_id": "1001",
    "customer_id": "42",
    "email": "ada@example.test",
    "name": "Ada",
    "ordered_at": "2026-10-30T12:02:00+01:00",
    "total": "130.49",
    "status": "paid",
}


LongText = Annotated[str, Field(max_length=500, pattern="^[^\x00]*$")]


class ContactFields(Strict):
    """What a row says of a person; a field that cannot be used is left out with a warning, and the rest counts."""

    email: Annotated[str | None, Field(max_length=320)] = None
    name: LongText | None = Field(None, description="the whole name; else first and last name are put together")
    first_name: LongText | None = None
    last_name: LongText | None = None
    language: Annotated[str | None, Field(max_length=35)] = Field(
        None, description=f"of mails: {', '.join(Language)}; a region such as `de-AT` counts as its language"
    )
    marketing: Annotated[str, OneOf(ChosenMarketing)] | None = Field(
        None, description="what the person has chosen about offers; a stronger or newer statement is kept"
    )
    marketing_at: InstantText | None = Field(None, description="when they chose it, RFC 3339 with an offset")


class OrderRow(ContactFields):
    """One order of a store, in the normal form."""

    model_config = ConfigDict(strict=True, json_schema_extra={"examples": [ORDER_EXAMPLE]})

    order_id: Annotated[Text, Field(min_length=1, pattern="^[^\x00]*[^\x00\\s][^\x00]*$")] = Field(
        description="unique in its source"
    )
    customer_id: Text | None = Field(None, description="the store's own id of the customer")
    ordered_at: InstantText = Field(description="RFC 3339 with an offset; decides the period")
    total: MoneyText = Field(description="what was paid, with tax and shipping, without discounts")
    refunded: MoneyText | None = Field(None, description="the part of `total` that was refunded; default 0")
    currency: Annotated[str | None, Field(max_length=3)] = Field(None, description="ISO 4217; default: the source's")
    items: Annotated[int | None, Field(ge=0, le=2**31 - 1)] = None
    status: OrderStatusValue
    updated_at: InstantText | None = Field(
        None,
        description="the store's version of the order: an older one never replaces a newer one."
        " Without it the moment of arrival is the version.",
    )
    test: bool | None = Field(None, description="test orders are kept and never count")


class OrderBatch(Strict):
    """Orders of one source; each is checked on its own."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"orders": [ORDER_EXAMPLE]}]})

    orders: Annotated[
        list[Annotated[Any, WithJsonSchema({"$ref": "#/components/schemas/OrderRow"})]],
        Field(max_length=MOST_ORDERS),
    ]


REFUSAL_EXAMPLE: JsonDict = {
    "code": "invalid_total",
    "detail": 'total: Give a decimal string such as "12.50", without sign, exponent or separators.',
}
WARNING_EXAMPLE: JsonDict = {"code": "invalid_email", "detail": "email: Give exactly one e-mail address."}


class ReadAs(BaseModel):
    """How a file was read: what the parameters said, or else what its first rows told."""

    model_config = ConfigDict(
        json_schema_serialization_defaults_required=True,
        json_schema_extra={
            "examples": [
                {"format": "csv", "charset": "utf-8", "delimiter": ",", "decimal": ".", "dates": "iso", "layout": None}
            ]
        },
    )

    format: Annotated[str, OneOf(FileFormat)]
    charset: str = "utf-8"
    delimiter: Literal[",", ";", "tab", "|"] | None = Field(None, description="null where the file is no CSV")
    decimal: Annotated[str, OneOf(DecimalMark)] | None = None
    dates: Annotated[str, OneOf(DateOrder)] | None = None
    layout: Annotated[str, OneOf(LayoutName)] | None = Field(None, description="null where the columns are ours")


class WrongField(BaseModel):
    """One thing that is wrong with a row."""

    model_config = showing(REFUSAL_EXAMPLE)

    code: str
    detail: str


class Rejected(BaseModel):
    """A row of the batch that was not stored."""

    model_config = showing({"index": 15, "order_id": "1016", **REFUSAL_EXAMPLE})

    index: int
    order_id: str | None
    code: str
    detail: str
    errors: list[WrongField] = Field(description="everything that is wrong with it; the first one is `code`")


class Warned(BaseModel):
    """A row of the batch that was stored without a field of its person."""

    model_config = showing({"index": 16, "order_id": "1017", **WARNING_EXAMPLE})

    index: int
    order_id: str | None
    code: str
    detail: str


class BatchResult(BaseModel):
    """The result of a batch; the counts add up to `received`."""

    model_config = showing({"received": 100, "created": 97, "updated": 2, "unchanged": 0})

    received: int
    created: int
    updated: int
    unchanged: int
    rejected: list[Rejected]
    warnings: list[Warned] = Field(description="contact fields that could not be used and were left out")


class RejectedLine(BaseModel):
    """A row of the file that was not stored."""

    model_config = showing({"line": 17, "last_line": 17, "order_id": "1016", **REFUSAL_EXAMPLE})

    line: int = Field(description="the number of its first line; the first of the file is 1")
    last_line: int = Field(description="the number of its last line: a quoted cell may hold line ends")
    order_id: str | None
    code: str
    detail: str
    errors: list[WrongField] = Field(description="everything that is wrong with it; the first one is `code`")


class WarnedLine(BaseModel):
    """A row of the file that was stored, and what is odd about it."""

    model_config = showing({"line": 18, "last_line": 18, "order_id": "1017", **WARNING_EXAMPLE})

    line: int
    last_line: int
    order_id: str | None
    code: str
    detail: str


class ImportResult(BaseModel):
    """The result of an import; the counts add up to `received`."""

    model_config = showing(
        {
            "dry_run": False,
            "received": 12000,
            "created": 11990,
            "updated": 8,
            "unchanged": 1,
            "folded": 0,
            "ignored": 0,
            "rejected_count": 1,
            "warnings_count": 1,
        }
    )

    id: ImportIdText | None = Field(description="null after a dry run, which has stored nothing")
    dry_run: bool
    received: int
    created: int
    updated: int
    unchanged: int
    folded: int = Field(description="rows that add to the order of another row, as its further lines or its refund")
    ignored: int = Field(description="rows of a layout that are no orders, such as a withdrawal")
    rejected_count: int
    rejected: list[RejectedLine] = Field(description="the first 100 refused rows")
    warnings_count: int
    warnings: list[WarnedLine] = Field(
        description="the first 100 warnings about rows that are stored: a contact field that could not be used, or"
        " `repeated_order`, an order that came more than once with different content and without `updated_at`"
    )
    read_as: ReadAs
