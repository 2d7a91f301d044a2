"""Board forms: a customer and their figures, as every list about a store shows them."""

from pydantic import BaseModel, Field

from app.wire.instants import Instant
from app.wire.money import Money


class Buyer(BaseModel):
    """A customer, as lists show them."""

    id: str
    external_id: str | None
    name: str | None
    email: str | None = Field(description="`a***@***` for a browser token without `emails`, of any address")
    messageable: bool = Field(description="whether the customer is subscribed to marketing and has an e-mail address")


class StandingFigures(BaseModel):
    """A customer's figures over an interval, a member for each metric."""

    number_of_purchases: int
    total_spend: Money
    average_order_amount: Money
    last_order_at: Instant = Field(description="the last purchase in the interval")
