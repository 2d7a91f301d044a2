"""Ledger forms: the JSON of orders and imports as they are stored."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.customers.schemas import ShownOrder
from app.orders.schemas import REFUSAL_EXAMPLE, RejectedLine
from app.periods import TimeFrame
from app.vocabulary import ImportStatus, WhyNotCounted
from app.wire.enums import OneOf
from app.wire.examples import showing
from app.wire.ids import CustomerIdText, ImportIdText
from app.wire.instants import Instant
from app.wire.money import Money

STORED_ORDER_EXAMPLE: JsonDict = {
    "order_id": "1001",
    "ordered_at": "2026-10-30T11:02:00Z",
    "total": "130.49",
    "refunded": "0.00",
    "currency": "EUR",
    "items": 3,
    "status": "paid",
    "is_purchase": True,
    "test": False,
    "discount_codes": ["AUTUMN10"],
    "updated_at": "2026-10-30T11:02:05Z",
    "guest_email": None,
    "deleted_at": None,
    "customer": {"id": "cus_900042", "external_id": "00042", "name": "Ada Lovelace", "email": "ada@example.test"},
    "spend": "130.49",
    "not_counted_because": [],
}


class OrderCustomer(BaseModel):
    """The customer that an order belongs to."""

    model_config = showing({"name": "Ada Lovelace"})

    id: CustomerIdText
    external_id: str | None
    name: str | None
    email: str | None


class StoredOrder(ShownOrder):
    """An order as it is stored, and whether it counts."""

    model_config = ConfigDict(json_schema_extra={"examples": [STORED_ORDER_EXAMPLE]})

    guest_email: str | None = Field(description="the address of an order that names no customer id")
    deleted_at: Instant | None
    customer: OrderCustomer | None = Field(
        description="null when the order names no customer, or when the person was erased"
    )
    spend: Money | None = Field(
        description="what it adds to `total_spend`, in the source's currency; null when not a purchase"
    )
    not_counted_because: list[Annotated[str, OneOf(WhyNotCounted)]] = Field(
        description="every reason why it is not a purchase; empty when it is one"
    )


class CountedFrame(BaseModel):
    """A time frame in which an order counts now."""

    time_frame: TimeFrame
    start: Instant | None = Field(description="null for `all_time`")
    end: Instant


class StoredOrderInFrames(StoredOrder):
    """An order as it is stored, and the time frames in which it counts."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                STORED_ORDER_EXAMPLE
                | {
                    "counts_in": [
                        {
                            "time_frame": "last_month",
                            "start": "2026-10-01T00:00:00+02:00",
                            "end": "2026-11-01T00:00:00+01:00",
                        }
                    ]
                }
            ]
        }
    )

    counts_in: list[CountedFrame] = Field(
        description="the named time frames in which it counts now: in each it is one purchase and adds `spend`"
    )


class StoredOrderPage(BaseModel):
    """Orders, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [STORED_ORDER_EXAMPLE], "next_cursor": None}]})

    items: list[StoredOrder]
    next_cursor: str | None


STORED_IMPORT_EXAMPLE: JsonDict = {
    "id": "imp_900007",
    "status": "complete",
    "problem": None,
    "received": 12000,
    "created": 11990,
    "updated": 8,
    "unchanged": 1,
    "rejected_count": 1,
    "started_at": "2026-11-21T20:15:00Z",
    "progressed_at": "2026-11-21T20:15:04Z",
    "finished_at": "2026-11-21T20:15:04Z",
}


class StoredImport(BaseModel):
    """An import and how far it is; once it has ended the counts add up to `received`."""

    model_config = ConfigDict(json_schema_extra={"examples": [STORED_IMPORT_EXAMPLE]})

    id: ImportIdText
    status: Annotated[str, OneOf(ImportStatus)] = Field(
        description="`failed` ended with a `problem`, `interrupted` with its connection or process: send the file again"
    )
    problem: str | None = Field(description="the code of the problem that ended it")
    received: int
    created: int
    updated: int
    unchanged: int
    rejected_count: int
    started_at: Instant
    progressed_at: Instant
    finished_at: Instant | None


class StoredImportPage(BaseModel):
    """Imports, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [STORED_IMPORT_EXAMPLE], "next_cursor": None}]})

    items: list[StoredImport]
    next_cursor: str | None


class StoredImportWithRefusals(StoredImport):
    """An import with a page of the rows that it refused."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                STORED_IMPORT_EXAMPLE
                | {
                    "rejected_kept": 1,
                    "rejected_until": "2026-12-21T20:15:00Z",
                    "rejected": [{"line": 17, "last_line": 17, "order_id": "1016", **REFUSAL_EXAMPLE}],
                    "next_cursor": None,
                }
            ]
        }
    )

    rejected_kept: int = Field(description="how many refused rows can be read here: at most the first 100,000")
    rejected_until: Instant | None = Field(description="until when they are kept; null when there are none")
    rejected: list[RejectedLine]
    next_cursor: str | None = Field(description="of the next refused rows")
