"""Customer forms: contact data, consent, and the profile."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.periods import TimeFrame
from app.wire import Instant, Money, Strict

Marketing = Literal["subscribed", "unsubscribed", "non_subscribed", "cleaned"]


class Customer(BaseModel):
    """One person in one source."""

    id: str
    source: str
    external_id: str | None
    name: str | None
    email: str | None
    marketing: Marketing
    messageable: bool = Field(description="subscribed to marketing, with an address")
    created_at: Instant


class CustomerPage(BaseModel):
    """Customers that match."""

    items: list[Customer]
    next_cursor: str | None


class ConsentChange(Strict):
    """What a customer agreed to, or took back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"marketing": "subscribed"}]})

    marketing: Marketing


class Consent(BaseModel):
    """One change of consent."""

    marketing: Marketing
    changed_by: str = Field(description="a key's id, or `import`, `unsubscribe`, `bounce`")
    changed_at: Instant


class Figures(BaseModel):
    """What a customer bought in a time."""

    number_of_purchases: int
    total_spend: Money
    average_order_amount: Money | None


class Ranks(BaseModel):
    """Exact places; null without a purchase."""

    number_of_purchases: int | None
    total_spend: int | None
    average_order_amount: int | None


class Gaps(BaseModel):
    """What is missing to the next better rank; null for the best and for who is not ranked."""

    number_of_purchases: int | None
    total_spend: Money | None
    average_order_amount: Money | None


class FrameFigures(Figures):
    """How a customer stands in a time frame."""

    time_frame: TimeFrame
    start: Instant | None
    end: Instant
    ranks: Ranks
    gaps: Gaps
    ranked_customers: int = Field(description="the size of that board")


class Vip(BaseModel):
    """Whether the customer is a VIP of the last 365 days, and why, or what is missing."""

    member: bool
    matched: list[Literal["big_spender", "frequent_buyer"]]
    min_spend: Money | None = Field(description="spend must be greater; null in an empty store")
    min_orders: int | None = Field(description="orders must be more; null in an empty store")
    missing_spend: Money | None = Field(description="to become a big spender; null when already one")
    missing_orders: int | None = Field(description="to become a frequent buyer; null when already one")


class ShownOrder(BaseModel):
    """One of the customer's orders."""

    order_id: str
    ordered_at: Instant
    total: Money
    refunded: Money
    currency: str
    items: int | None
    status: str
    is_purchase: bool
    test: bool
    updated_at: Instant


class Profile(Customer):
    """Everything a shop wants to see of a customer, in one answer."""

    audience: str
    currency: str
    time_zone: str
    as_of: Instant
    first_order_at: Instant | None
    last_order_at: Instant | None
    all_time: Figures
    time_frames: list[FrameFigures]
    vip: Vip
    orders: list[ShownOrder] = Field(description="the last 10, newest first")
    messages: list[dict[str, Any]] = Field(description="the last 10, newest first")


class Export(Customer):
    """Everything that is known of a person."""

    consent_history: list[Consent]
    addresses: list[str]
    orders: list[ShownOrder]
    messages: list[dict[str, Any]]
