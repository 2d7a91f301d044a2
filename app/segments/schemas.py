"""Segment forms: the question for VIPs, their pages, and the preview of other thresholds."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.boards.schemas import BUYER_EXAMPLE, Buyer, StandingFigures
from app.forms import FileForm
from app.segments.statements import Criteria
from app.wire.examples import showing
from app.wire.ids import AudienceIdText, SourceIdText
from app.wire.instants import Instant, QueryInstant
from app.wire.money import LARGEST_AMOUNT_MINOR, Money, MoneyText
from app.wire.pages import CURSOR_EXAMPLE, PageQuery
from app.wire.strict_json import Strict

LONGEST_DAYS = 3650


class SegmentQuery(Strict):
    """Which store, over which days, with which thresholds."""

    audience: str = Field(description="the audience that the source belongs to", examples=["aud_900001"])
    source: str = Field(description="the store", examples=["src_900001"])
    days: Annotated[int, Field(ge=1, le=LONGEST_DAYS)] = Field(
        365, description="number of whole local days before the day of `as_of`; only 365 is computed in advance"
    )
    min_spend: MoneyText | None = Field(
        None, description="big spenders spent more than this; by default 1.10 times the mean spend of a buyer"
    )
    min_orders: Annotated[int, Field(ge=0, le=LARGEST_AMOUNT_MINOR)] | None = Field(
        None,
        description="a frequent buyer has more purchases than this; default: the mean, rounded down, plus 1",
    )
    as_of: QueryInstant | None = Field(None, description="a past instant; orders after it do not count")


class VipQuery(PageQuery, SegmentQuery):
    """Which VIPs, and which page of them."""

    criteria: Criteria = Field(Criteria.BLENDED, description="`blended`: big spender or frequent buyer")


class VipFileQuery(SegmentQuery):
    """Which VIPs, and how their file is written."""

    criteria: Criteria = Field(Criteria.BLENDED, description="`blended`: big spender or frequent buyer")
    format: FileForm = Field(FileForm.CSV, description="`csv`: a table; `ndjson`: a JSON object on each line")


class SpendThreshold(BaseModel):
    """An amount that has to be exceeded."""

    value: Money | None = Field(description="null when nobody bought and none was given")
    suggested: bool = Field(description="whether it was computed: slightly above the average buyer")


class OrdersThreshold(BaseModel):
    """A number of orders that has to be exceeded."""

    value: int | None = Field(description="null when nobody bought and none was given")
    suggested: bool = Field(description="whether it was computed: slightly above the average buyer")


class Thresholds(BaseModel):
    """A customer must exceed a threshold: one whose value equals it does not match."""

    min_spend: SpendThreshold
    min_orders: OrdersThreshold


class Averages(BaseModel):
    """The average buyer of the window; null when nobody bought."""

    total_spend: Money | None
    number_of_purchases: Money | None = Field(description="the mean, with two digits after the decimal point")


class MembersByCriteria(BaseModel):
    """How many customers each criteria would find."""

    big_spender: int
    frequent_buyer: int
    blended: int


class Segment(BaseModel):
    """The totals and thresholds of a whole segment."""

    audience: AudienceIdText
    source: SourceIdText
    start: Instant = Field(description="a local midnight, in the store's zone")
    end: Instant = Field(
        description="the end of the window: `as_of`, in the store's zone; a purchase at that instant counts"
    )
    time_zone: str
    as_of: Instant
    days: int
    currency: str
    thresholds: Thresholds
    averages: Averages
    customers: int = Field(description="with a purchase in the window")
    members_by_criteria: MembersByCriteria


WHOLE_EXAMPLE: JsonDict = {
    "audience": "aud_900001",
    "source": "src_900001",
    "start": "2025-11-21T00:00:00+01:00",
    "end": "2026-11-21T21:15:00+01:00",
    "time_zone": "Europe/Rome",
    "as_of": "2026-11-21T20:15:00Z",
    "days": 365,
    "currency": "EUR",
    "thresholds": {
        "min_spend": {"value": "93.99", "suggested": True},
        "min_orders": {"value": 3, "suggested": True},
    },
    "averages": {"total_spend": "85.45", "number_of_purchases": "2.43"},
    "customers": 2357,
    "members_by_criteria": {"big_spender": 543, "frequent_buyer": 411, "blended": 615},
}
VIP_EXAMPLE: JsonDict = {
    "customer": BUYER_EXAMPLE,
    "number_of_purchases": 7,
    "total_spend": "913.40",
    "average_order_amount": "130.49",
    "last_order_at": "2026-10-30T11:02:00Z",
    "matched": ["big_spender", "frequent_buyer"],
}


class Vip(StandingFigures):
    """One VIP."""

    model_config = showing(VIP_EXAMPLE)

    customer: Buyer
    matched: list[Literal["big_spender", "frequent_buyer"]] = Field(
        description="every rule that the customer matches, also those that were not asked for"
    )


class Vips(Segment):
    """One page of VIPs, by spend, with the totals of the whole."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                WHOLE_EXAMPLE
                | {"criteria": "blended", "members": 615, "items": [VIP_EXAMPLE], "next_cursor": CURSOR_EXAMPLE}
            ]
        }
    )

    criteria: Criteria
    members: int = Field(description="customers who match the criteria")
    items: list[Vip]
    next_cursor: str | None


class SpendBar(BaseModel):
    """Customers whose spend is at least `from` and below `to`."""

    model_config = ConfigDict(serialize_by_alias=True)

    start: Money = Field(alias="from")
    end: Money = Field(alias="to", description="the first value above the bar")
    customers: int


class OrdersBar(BaseModel):
    """Customers whose number of purchases is at least `from` and below `to`."""

    model_config = ConfigDict(serialize_by_alias=True)

    start: int = Field(alias="from")
    end: int = Field(alias="to", description="the first value above the bar")
    customers: int


class Histograms(BaseModel):
    """The spend and the purchases of the window's buyers, in at most 40 bars each, without gaps."""

    total_spend: list[SpendBar]
    number_of_purchases: list[OrdersBar]


class VipPreview(Segment):
    """How many customers the thresholds would find, with histograms for choosing others."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                WHOLE_EXAMPLE
                | {
                    "histograms": {
                        "total_spend": [{"from": "49.88", "to": "99.87", "customers": 812}],
                        "number_of_purchases": [{"from": 1, "to": 2, "customers": 1205}],
                    }
                }
            ]
        }
    )

    histograms: Histograms
