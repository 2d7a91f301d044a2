"""Leaderboard forms: the question, the board and the drop-downs."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from app.boards.schemas import BUYER_EXAMPLE, SECOND_BUYER_EXAMPLE, THIRD_BUYER_EXAMPLE, Buyer, StandingFigures
from app.forms import FileForm
from app.invalid_values import InvalidValueError
from app.leaderboard.statements import Compare
from app.periods import TimeFrame
from app.vocabulary import Metric, WeekStart
from app.wire.examples import showing
from app.wire.ids import AudienceIdText, SourceIdText
from app.wire.instants import Instant, QueryDay, QueryInstant
from app.wire.money import Money
from app.wire.pages import CURSOR_EXAMPLE, PageQuery
from app.wire.strict_json import Strict
from app.words import Sentence


class BoardAsked(Strict):
    """Which board, and as of when."""

    audience: str = Field(description="the audience that the source belongs to", examples=["aud_900001"])
    source: str = Field(description="the store", examples=["src_900001"])
    rank_by: Metric = Metric.SPEND
    time_frame: TimeFrame = TimeFrame.LAST_MONTH
    start: QueryDay | None = Field(
        None, description="with `custom`: the first day, in the store's zone, or the first instant"
    )
    end: QueryDay | None = Field(
        None, description="with `custom`: the day after the last one, in the store's zone, or the instant of the end"
    )
    as_of: QueryInstant | None = Field(None, description="a past instant; orders after it do not count")
    compare: Compare | None = Field(
        None, description="`previous` adds the rank in the period before, `gap` what is missing to the next better rank"
    )

    @model_validator(mode="after")
    def _custom_has_bounds(self) -> Self:
        if self.time_frame is TimeFrame.CUSTOM:
            if self.start is None or self.end is None:
                raise InvalidValueError(Sentence("Give start and end, which time_frame=custom needs."))
        elif self.start is not None or self.end is not None:
            raise InvalidValueError(Sentence("Leave out start and end, or choose time_frame=custom."))
        if self.time_frame is TimeFrame.ALL_TIME and self.compare is Compare.PREVIOUS:
            raise InvalidValueError(Sentence("Leave out compare: nothing precedes all_time."))
        return self


class BoardQuery(PageQuery, BoardAsked):
    """Which board, as of when, and which page of it."""

    around: str | None = Field(
        None, description="the id of a customer: returns the page that shows them", examples=["cus_900042"]
    )


class BoardFileQuery(BoardAsked):
    """Which board, as of when, and how its file is written."""

    format: FileForm = Field(FileForm.CSV, description="`csv`: a table; `ndjson`: a JSON object on each line")


ROWS_EXAMPLE: list[JsonDict] = [
    {
        "rank": 1,
        "customer": BUYER_EXAMPLE,
        "number_of_purchases": 7,
        "total_spend": "913.40",
        "average_order_amount": "130.49",
        "last_order_at": "2026-10-30T11:02:00Z",
    },
    {
        "rank": 2,
        "customer": SECOND_BUYER_EXAMPLE,
        "number_of_purchases": 4,
        "total_spend": "622.00",
        "average_order_amount": "155.50",
        "last_order_at": "2026-10-28T17:45:12Z",
    },
    {
        "rank": 2,
        "customer": THIRD_BUYER_EXAMPLE,
        "number_of_purchases": 5,
        "total_spend": "622.00",
        "average_order_amount": "124.40",
        "last_order_at": "2026-10-31T08:20:00Z",
    },
]


class Row(StandingFigures):
    """One customer's standing."""

    model_config = showing(*ROWS_EXAMPLE)

    rank: int = Field(description="1 is best; equal values share it and the next is skipped")
    customer: Buyer
    previous_rank: int | None = Field(None, description="only with `compare=previous`; null where there was none")
    movement: int | None = Field(
        None, description="only with `compare=previous`: places gained (positive) or lost; null where `is_new`"
    )
    is_new: bool = Field(
        default=False, description="only with `compare=previous`: whether the customer was not on the board before"
    )
    gap: int | Money | None = Field(
        None,
        description="only with `compare=gap`: purchases or money missing to the next better rank; null at rank 1",
    )


class Board(BaseModel):
    """One page of a ranking, with the totals of the whole."""

    model_config = showing(
        {
            "start": "2026-10-01T00:00:00+02:00",
            "end": "2026-11-01T00:00:00+01:00",
            "customers": 2357,
            "number_of_purchases": 4102,
            "total_spend": "201403.15",
            "items": [*ROWS_EXAMPLE],
            "next_cursor": CURSOR_EXAMPLE,
        }
    )

    audience: AudienceIdText
    source: SourceIdText
    rank_by: Metric
    time_frame: TimeFrame
    start: Instant | None = Field(description="in the store's zone; null for all_time")
    end: Instant = Field(description="in the store's zone; `as_of` where the frame is not over")
    time_zone: str
    as_of: Instant
    currency: str
    customers: int = Field(description="the number of customers with a purchase in the frame")
    number_of_purchases: int = Field(description="of all customers in the frame")
    total_spend: Money = Field(description="of all customers in the frame")
    items: list[Row]
    next_cursor: str | None


class Choice(BaseModel):
    """One choice, with its label in the language of the answer."""

    value: str = Field(description="the value of the parameter")
    label: str = Field(description="the label that people read")


class OfferedSource(BaseModel):
    """A store to choose."""

    id: SourceIdText
    name: str
    platform: str
    currency: str
    time_zone: str
    week_start: WeekStart


class OfferedAudience(BaseModel):
    """An audience to choose, with its stores."""

    id: AudienceIdText
    name: str
    sources: list[OfferedSource]


class Options(BaseModel):
    """The choices for each parameter of a leaderboard."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "filters": [
                        {"value": "audience", "label": "Aktuelle Zielgruppe"},
                        {"value": "source", "label": "Quelle"},
                        {"value": "rank_by", "label": "Rang basierend auf"},
                        {"value": "time_frame", "label": "Zeitrahmen"},
                    ],
                    "audiences": [
                        {
                            "id": "aud_900001",
                            "name": "Everyone",
                            "sources": [
                                {
                                    "id": "src_900001",
                                    "name": "Shop Roma",
                                    "platform": "custom",
                                    "currency": "EUR",
                                    "time_zone": "Europe/Rome",
                                    "week_start": "monday",
                                }
                            ],
                        }
                    ],
                    "metrics": [{"value": "total_spend", "label": "Gesamtausgaben"}],
                    "time_frames": [{"value": "last_month", "label": "Letzter Monat"}],
                    "complete": True,
                }
            ]
        }
    )

    filters: list[Choice] = Field(description="the drop-downs, by the parameter that each one sets")
    audiences: list[OfferedAudience] = Field(
        description="oldest audience first; in each audience the oldest source first"
    )
    metrics: list[Choice] = Field(description="for `rank_by`")
    time_frames: list[Choice] = Field(description="for `time_frame`; `custom` needs `start` and `end`")
    complete: bool = Field(
        description="false when there are more than 1,000 sources (an audience without any counts as one): "
        "the oldest are listed, `GET /audiences` and `GET /sources` page through all"
    )
