"""Connection forms: how a store that connects itself is doing, what it has sent, and how it is set up by hand."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.vocabulary import ConnectionState, DeliveryStatus
from app.wire.enums import OneOf
from app.wire.examples import showing
from app.wire.ids import DeliveryIdText
from app.wire.instants import Instant


class WaitingWebhooks(BaseModel):
    """The webhooks that are stored and not turned into orders yet."""

    model_config = showing({"waiting": 0, "oldest_at": None})

    waiting: int
    oldest_at: Instant | None


class Backfill(BaseModel):
    """How far reading all orders of the store has come."""

    model_config = showing({"orders": 51230, "expected": 51230, "is_complete": True})

    orders: int = Field(description="orders that were read from the store, every time that they were read")
    expected: int | None = Field(description="how many orders the store has told that it has")
    is_complete: bool


class Sync(BaseModel):
    """How a store that connects itself is doing."""

    model_config = showing({"state": "live", "api_version": "2026-10", "history_from": None, "customer_data": None})

    state: Annotated[str, OneOf(ConnectionState)]
    reason: str | None = Field(description="why it is in this state: a code such as `no_delivery_yet`, `uninstalled`")
    since: Instant
    inbox: WaitingWebhooks
    last_delivery_at: Instant | None = Field(description="when the last webhook of the last 14 days came")
    backfill: Backfill | None = Field(description="null where the store's API is not asked")
    history_from: Instant | None = Field(description="how far back the store shows its orders; null: all of them")
    reconciled_at: Instant | None = Field(description="when everything that had changed was last read from the store")
    api_version: str | None = Field(description="the version of the store's API that is asked")
    api_version_ends: str | None = Field(description="until when that version is supported at least")
    customer_data: Literal["withheld"] | None = Field(
        description="`withheld`: the store does not show names and addresses; customers are ranked by their id"
    )


class Setup(BaseModel):
    """What to enter in a store by hand."""

    model_config = showing(
        {
            "webhook_address": "https://loyalty.shop.example/webhooks/src_900001/woocommerce",
            "topics": ["order.created", "order.updated", "order.deleted"],
            "credentials": [["url", "consumer_key", "consumer_secret"]],
            "steps": ["Open WooCommerce, Settings, Advanced, Webhooks.", "Add a webhook for each of the topics."],
        }
    )

    webhook_address: str | None
    topics: list[str] = Field(description="a webhook for each, in the store's own words")
    format: Literal["json"] | None
    credentials: list[list[str]] = Field(
        description="the names of the `credentials` that connect the store, in the forms that are taken"
    )
    steps: list[str] = Field(description="what to do, in English")


class StoreDelivery(BaseModel):
    """A webhook of a store."""

    model_config = showing({"topic": "orders/updated", "status": "applied", "detail": None})

    id: DeliveryIdText
    topic: str
    status: Annotated[str, OneOf(DeliveryStatus)] = Field(
        description="`ignored`: signed, but it says nothing that matters here; `quarantined`: it could not be used"
    )
    reason: str | None = Field(description="why it is quarantined: a code")
    detail: str | None
    received_at: Instant
    settled_at: Instant | None


class InboxPage(BaseModel):
    """The webhooks of a store, newest first."""

    items: list[StoreDelivery]
    next_cursor: str | None
