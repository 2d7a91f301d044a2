"""Customer forms: contact data, consent, and the profile."""

from datetime import datetime
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from app.invalid_values import InvalidValueError
from app.periods import TimeFrame
from app.vocabulary import ChosenMarketing, Marketing, SuppressionReason
from app.wire.enums import OneOf
from app.wire.ids import AudienceIdText, CustomerIdText, MessageIdText, SourceIdText
from app.wire.instants import BodyInstant, Instant
from app.wire.money import Money
from app.wire.strict_json import Strict
from app.words import Language, Sentence

MarketingValue = Annotated[str, OneOf(Marketing)]
ChosenMarketingValue = Annotated[str, OneOf(ChosenMarketing)]
SuppressionReasonValue = Annotated[str, OneOf(SuppressionReason)]
Criterion = Literal["big_spender", "frequent_buyer"]

CUSTOMER_EXAMPLE: JsonDict = {
    "id": "cus_900042",
    "source": "src_900001",
    "external_id": "00042",
    "name": "Ada Lovelace",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "email": "ada@example.test",
    "marketing": "subscribed",
    "suppressed": None,
    "language": "it",
    "messageable": True,
    "created_at": "2026-01-05T09:30:00Z",
}
PROFILE_ORDER_EXAMPLE: JsonDict = {
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
}
PROFILE_MESSAGE_EXAMPLE: JsonDict = {
    "id": "msg_900007",
    "kind": "marketing",
    "status": "sent",
    "reason": None,
    "template": "early_access",
    "subject": "An early look for you",
    "created_at": "2026-11-20T09:00:00Z",
    "sent_at": "2026-11-20T09:00:01Z",
}
FIGURES_EXAMPLE: JsonDict = {
    "number_of_purchases": 7,
    "total_spend": "913.40",
    "average_order_amount": "130.49",
}
FRAME_EXAMPLE: JsonDict = FIGURES_EXAMPLE | {
    "time_frame": "last_month",
    "start": "2026-10-01T00:00:00+02:00",
    "end": "2026-11-01T00:00:00+01:00",
    "ranks": {"number_of_purchases": 2, "total_spend": 1, "average_order_amount": 310},
    "gaps": {"number_of_purchases": 1, "total_spend": None, "average_order_amount": "0.26"},
    "ranked_customers": 2357,
}
PROFILE_VIP_EXAMPLE: JsonDict = {
    "member": True,
    "matched": ["big_spender", "frequent_buyer"],
    "min_spend": "93.99",
    "min_orders": 3,
    "missing_spend": None,
    "missing_orders": None,
}


class Customer(BaseModel):
    """A customer: one person in one source."""

    model_config = ConfigDict(json_schema_extra={"examples": [CUSTOMER_EXAMPLE]})

    id: CustomerIdText
    source: SourceIdText
    external_id: str | None
    name: str | None
    first_name: str | None
    last_name: str | None
    email: str | None = Field(description="`a***@***` for a browser token without `emails`, of any address")
    marketing: MarketingValue = Field(
        description="the person's choice, or what the address has said where that is stricter:"
        " `unsubscribed` where its owner has left, `cleaned` where it takes no mail"
    )
    suppressed: SuppressionReasonValue | None = Field(
        description="what the address has said, for every customer who has it; null when nothing speaks against it"
    )
    language: Language | None = Field(description="language for messages that do not name one; null means English")
    messageable: bool = Field(description="whether the customer is subscribed to marketing and has an e-mail address")
    created_at: Instant


class CustomerPage(BaseModel):
    """Customers that match, oldest first; those found by `q` are in the order of the text that matches."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [CUSTOMER_EXAMPLE], "next_cursor": None}]})

    items: list[Customer]
    next_cursor: str | None


class CustomerChange(Strict):
    """A customer's consent and language."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"marketing": "subscribed"}, {"marketing": "subscribed", "language": "it"}]}
    )

    marketing: ChosenMarketingValue | None = Field(None, description="what the person has chosen")
    marketing_at: BodyInstant | None = Field(
        None, description="when they chose it; default now. A later choice that is known already is kept."
    )
    opted_in_at: BodyInstant | None = Field(
        None,
        description="with `subscribed`: when the owner of the address agreed to offers again. Only this lets offers"
        " reach an address that has left or complained before.",
    )
    language: Language | None = Field(None, description="null removes it")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.marketing is None and "language" not in self.model_fields_set:
            raise InvalidValueError(Sentence("Give marketing, language or both."))
        if self.marketing_at is not None and self.marketing is None:
            raise InvalidValueError(Sentence("Give marketing too: marketing_at says when it was chosen."))
        if self.opted_in_at is not None and self.marketing != ChosenMarketing.SUBSCRIBED:
            raise InvalidValueError(Sentence("Give marketing subscribed together with opted_in_at."))
        return self


class CustomerMerge(Strict):
    """The customer who gets everything."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"into": "cus_900043"}]})

    into: Annotated[str, Field(max_length=40)]


class Consent(BaseModel):
    """One change of consent."""

    marketing: ChosenMarketingValue
    changed_by: str = Field(description="a key's or an import's id, or `unsubscribe`, `complaint` or `store`")
    changed_at: Instant


class Figures(BaseModel):
    """A customer's purchases in a time frame."""

    number_of_purchases: int
    total_spend: Money
    average_order_amount: Money | None


class Ranks(BaseModel):
    """Exact ranks; null without a purchase."""

    number_of_purchases: int | None
    total_spend: int | None
    average_order_amount: int | None


class Gaps(BaseModel):
    """How much is missing to the next better rank; null for the best customer and without a rank."""

    number_of_purchases: int | None
    total_spend: Money | None
    average_order_amount: Money | None


class FrameFigures(Figures):
    """How a customer stands in a time frame."""

    time_frame: TimeFrame
    start: Instant
    end: Instant
    ranks: Ranks
    gaps: Gaps
    ranked_customers: int = Field(description="the number of customers on that board")


class VipMembership(BaseModel):
    """Whether the customer is a VIP of the last 365 days: the rules that match, and what is missing."""

    member: bool
    matched: list[Criterion] = Field(description="every rule that the customer matches")
    min_spend: Money | None = Field(description="spend must be greater than this; null when nobody bought")
    min_orders: int | None = Field(description="orders must be more than this; null when nobody bought")
    missing_spend: Money | None = Field(description="to become a big spender; null when already one")
    missing_orders: int | None = Field(description="to become a frequent buyer; null when already one")


class ShownOrderRow(NamedTuple):
    """The columns of an order that are shown; amounts are minor units of its currency."""

    order_id: str
    ordered_at: datetime
    total: int
    refunded: int
    foreign_currency: str | None
    items: int | None
    status: str
    is_purchase: bool
    updated_at: datetime
    test: bool
    discount_codes: str | None
    guest_email: str | None
    deleted_at: datetime | None


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
    discount_codes: list[str] = Field(description="what the buyer has entered, where the store tells it")
    updated_at: Instant


class ShownMessage(BaseModel):
    """One of the messages to the customer."""

    id: MessageIdText
    kind: str
    status: str
    reason: str | None
    template: str | None
    subject: str | None
    created_at: Instant
    sent_at: Instant | None


class ExportedMessage(ShownMessage):
    """One of the messages to the customer, with its content and its attempts."""

    message_id: str
    provider_id: str | None = Field(description="what the mail provider calls it")
    language: str
    text: str | None
    html: str | None
    answers: list[str] = Field(description="the answers of the mail server or provider, oldest first")


class Profile(Customer):
    """Everything that a store needs to know of a customer, in one answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                CUSTOMER_EXAMPLE
                | {
                    "audience": "aud_900001",
                    "currency": "EUR",
                    "time_zone": "Europe/Rome",
                    "as_of": "2026-11-21T20:15:00Z",
                    "first_order_at": "2026-01-05T09:30:00Z",
                    "last_order_at": "2026-10-30T11:02:00Z",
                    "all_time": FIGURES_EXAMPLE,
                    "time_frames": [FRAME_EXAMPLE],
                    "vip": PROFILE_VIP_EXAMPLE,
                    "orders": [PROFILE_ORDER_EXAMPLE],
                    "messages": [PROFILE_MESSAGE_EXAMPLE],
                }
            ]
        }
    )

    audience: AudienceIdText
    currency: str
    time_zone: str
    as_of: Instant
    first_order_at: Instant | None = Field(description="the first purchase; null before any")
    last_order_at: Instant | None = Field(description="the last purchase; null before any")
    all_time: Figures
    time_frames: list[FrameFigures] = Field(description="the seven named time frames, in the order of the drop-down")
    vip: VipMembership
    orders: list[ShownOrder] = Field(description="the last 10, newest first")
    messages: list[ShownMessage] = Field(description="the last 10, newest first")


class ExportedOrder(ShownOrder):
    """One of the customer's orders, deleted ones among them."""

    email: str | None = Field(description="the address of an order without a customer id")
    deleted_at: Instant | None


class Export(Customer):
    """Everything that is known of a person."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                CUSTOMER_EXAMPLE
                | {
                    "consent_history": [
                        {"marketing": "subscribed", "changed_by": "key_900001", "changed_at": "2026-02-01T08:00:00Z"}
                    ],
                    "addresses": ["ada@example.test"],
                    "orders": [PROFILE_ORDER_EXAMPLE | {"email": None, "deleted_at": None}],
                    "messages": [],
                }
            ]
        }
    )

    consent_history: list[Consent] = Field(description="oldest first")
    addresses: list[str] = Field(description="the addresses whose orders without a customer id belong to this customer")
    orders: list[ExportedOrder] = Field(description="newest first")
    messages: list[ExportedMessage] = Field(description="newest first")
