"""Order forms: the one normal form of every way in, and what is answered."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict

from app.vocabulary import OrderStatus
from app.wire.enums import OneOf
from app.wire.money import MoneyText
from app.wire.strict_json import Strict

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


class OrderRow(Strict):
    """One order of a store, in the normal form."""

    model_config = ConfigDict(strict=True, json_schema_extra={"examples": [ORDER_EXAMPLE]})

    order_id: Annotated[Text, Field(min_length=1, pattern="^[^\x00]*[^\x00\\s][^\x00]*$")] = Field(
        description="unique in its source"
    )
    customer_id: Text | None = Field(None, description="the store's own id of the customer")
    email: Annotated[str | None, Field(max_length=320)] = None
    name: Annotated[str | None, Field(max_length=500, pattern="^[^\x00]*$")] = None
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


class Rejected(BaseModel):
    """A row of the batch that was not stored."""

    index: int
    order_id: str | None
    code: str
    detail: str


class BatchResult(BaseModel):
    """The result of a batch; the counts add up to `received`."""

    received: int
    created: int
    updated: int
    unchanged: int
    rejected: list[Rejected]


class RejectedLine(BaseModel):
    """A row of the file that was not stored."""

    line: int
    order_id: str | None
    code: str
    detail: str


class ImportResult(BaseModel):
    """The result of an import; the counts add up to `received`."""

    id: str
    received: int
    created: int
    updated: int
    unchanged: int
    rejected_count: int
    rejected: list[RejectedLine] = Field(description="the first 100 refused rows")
