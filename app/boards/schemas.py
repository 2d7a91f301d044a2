"""Board forms: a customer and their figures, as every list about a store shows them."""

from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from app.wire.examples import showing
from app.wire.ids import CustomerIdText
from app.wire.instants import Instant
from app.wire.money import Money

BUYER_EXAMPLE: JsonDict = {
    "id": "cus_900042",
    "external_id": "00042",
    "name": "Ada Lovelace",
    "email": "ada@example.test",
    "messageable": True,
}
SECOND_BUYER_EXAMPLE: JsonDict = {
    "id": "cus_900043",
    "external_id": "00043",
    "name": "Beatrice Costa",
    "email": "bea@example.test",
    "messageable": True,
}
THIRD_BUYER_EXAMPLE: JsonDict = {
    "id": "cus_900044",
    "external_id": "00044",
    "name": "Cyd Marini",
    "email": None,
    "messageable": False,
}


class Buyer(BaseModel):
    """A customer, as lists show them."""

    model_config = showing(BUYER_EXAMPLE)

    id: CustomerIdText
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
