"""Source forms: the JSON of audiences and sources."""

import re
from functools import cache
from typing import Annotated, Any, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator
from pydantic.config import JsonDict

from app.accounts.schemas import OwnAddress, PostalAddress
from app.invalid_values import InvalidValueError
from app.sources.connection_schemas import Sync
from app.vocabulary import Platform, SourceConnection, WeekStart
from app.wire.enums import OneOf
from app.wire.examples import showing
from app.wire.ids import AudienceIdText, SourceIdText
from app.wire.instants import Instant
from app.wire.money import CURRENCIES
from app.wire.strict_json import Strict
from app.wire.text import HeaderText, Name, header_text, plain
from app.words import Language, Sentence


@cache
def zones() -> frozenset[str]:
    """The IANA zones, without names that mean the machine itself."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def iana_zone(name: str) -> str:
    """A zone of the IANA database."""
    if name not in zones():
        raise InvalidValueError(Sentence("Give an IANA time zone such as Europe/Rome."))
    return name


def iso_currency(code: str) -> str:
    """A currency that money can be in."""
    if code not in CURRENCIES:
        raise InvalidValueError(Sentence("Give an ISO 4217 code such as EUR."))
    return code


WEB_ADDRESS = re.compile(r"https?://[^\s/?#@<>\"']+(?:[/?#][^\s<>\"']*)?", re.ASCII)

TimeZone = Annotated[str, AfterValidator(iana_zone), WithJsonSchema({"type": "string", "examples": ["Europe/Rome"]})]
Currency = Annotated[
    str, AfterValidator(iso_currency), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["EUR"]})
]


def web_address(url: str) -> str:
    """The address of a store on the web."""
    if not WEB_ADDRESS.fullmatch(url):
        raise InvalidValueError(Sentence("Give a web address such as https://shop.example."))
    return url


Url = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=500),
    AfterValidator(header_text),
    AfterValidator(web_address),
    WithJsonSchema({"type": "string", "format": "uri", "maxLength": 500, "examples": ["https://shop.example"]}),
]


WebhookSecrets = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(plain)]],
    Field(min_length=1, max_length=2, json_schema_extra={"writeOnly": True}),
]


Credentials = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern="^[a-z_]{1,40}$")],
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), AfterValidator(plain)],
    ],
    Field(min_length=1, max_length=5, json_schema_extra={"writeOnly": True}),
]
CREDENTIALS = (
    "opens the store's API, which is asked at once; never shown. Shopify: shop, client_id, client_secret, or shop,"
    " access_token, webhook_secret; WooCommerce: url, consumer_key, consumer_secret"
)


class NewAudience(Strict):
    """A new list of contacts."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Everyone"}]})

    name: Name


class Audience(BaseModel):
    """A list of contacts."""

    model_config = showing({"name": "Everyone", "created_at": "2026-01-05T08:00:00Z"})

    id: AudienceIdText
    name: str
    created_at: Instant


class AudiencePage(BaseModel):
    """Audiences, oldest first."""

    items: list[Audience]
    next_cursor: str | None


ConsentSentence = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=10, max_length=300), AfterValidator(plain)
]


class SourceSender(Strict):
    """Who a store's e-mails are from."""

    name: HeaderText
    email: OwnAddress
    reply_to: OwnAddress | None = None


STORE_SENDER_EXAMPLE: JsonDict = {"name": "Shop Roma", "email": "ciao@shop.example", "reply_to": "care@shop.example"}
OWN_SENDER = "who the store's e-mails are from; without it, the account's sender"
OWN_ADDRESS = "printed at the end of the store's e-mails; without it, the account's"
OWN_LANGUAGE = "language of messages that name none, to customers who have none; by default English"
OWN_SENTENCE = "why customers get its offers, in the footer of each; without it, a sentence in the reader's language"


class NewSource(Strict):
    """A store to connect; audience, platform and currency cannot be changed later."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "audience": "aud_900001",
                    "name": "Shop Roma",
                    "platform": "custom",
                    "currency": "EUR",
                    "time_zone": "Europe/Rome",
                    "week_start": "monday",
                    "language": "it",
                }
            ]
        }
    )

    audience: str
    name: Name | None = Field(None, description="required without `credentials`; default: what the store calls itself")
    platform: Platform
    currency: Currency | None = Field(None, description="required without `credentials`; with them the store's own")
    time_zone: TimeZone | None = Field(
        None, description="required without `credentials`; default: the zone of the store"
    )
    week_start: WeekStart = WeekStart.MONDAY
    url: Url | None = Field(None, description="the web address of the store, which messages may show")
    sender: SourceSender | None = Field(None, description=OWN_SENDER)
    postal_address: PostalAddress | None = Field(None, description=OWN_ADDRESS)
    language: Language | None = Field(None, description=OWN_LANGUAGE)
    consent_sentence: ConsentSentence | None = Field(None, description=OWN_SENTENCE)
    webhook_secrets: WebhookSecrets | None = Field(
        None,
        description="the secrets that the store signs its webhooks with, one or two (Shopify and WooCommerce);"
        " never shown. Let the store send to /webhooks/{source}/{platform}.",
        repr=False,
    )
    credentials: Credentials | None = Field(None, description=CREDENTIALS, repr=False)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.credentials is not None and self.webhook_secrets is not None:
            raise InvalidValueError(Sentence("Give credentials or webhook_secrets, not both."))
        missing = [name for name in ("name", "currency", "time_zone") if getattr(self, name) is None]
        if missing and self.credentials is None:
            raise InvalidValueError(Sentence("Give {fields}, or credentials.", fields=", ".join(missing)))
        return self

    def settings(self) -> dict[str, Any]:
        """The parameters of INSERT_SOURCE."""
        return self.model_dump(exclude={"audience", "sender", "webhook_secrets", "credentials"}) | sender_columns(
            self.sender
        )


class SourceChange(Strict):
    """What can be changed in a connected store.

    After a new zone or first day of the week boards are counted anew within a minute; until then figures are counted
    from the orders, by the new calendar.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"time_zone": "Europe/Berlin"}, {"sender": STORE_SENDER_EXAMPLE}]}
    )

    name: Name | None = None
    time_zone: TimeZone | None = None
    week_start: WeekStart | None = None
    url: Url | None = Field(None, description="null removes it")
    sender: SourceSender | None = Field(None, description=f"{OWN_SENDER}; null removes it")
    postal_address: PostalAddress | None = Field(None, description=f"{OWN_ADDRESS}; null removes it")
    language: Language | None = Field(None, description=f"{OWN_LANGUAGE}; null removes it")
    consent_sentence: ConsentSentence | None = Field(None, description=f"{OWN_SENTENCE}; null removes it")
    webhook_secrets: WebhookSecrets | None = Field(
        None, description="replaces the secrets; name the old and the new one while the store changes over", repr=False
    )
    credentials: Credentials | None = Field(None, description="connects the store again", repr=False)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not any(self.model_dump().values()) and not REMOVABLE & self.model_fields_set:
            fields = ", ".join(type(self).model_fields)
            raise InvalidValueError(Sentence("Give what is to change: {fields}.", fields=fields))
        return self

    def settings(self) -> dict[str, Any]:
        """The parameters of UPDATE_SOURCE."""
        sets = {f"sets_{name}": name in self.model_fields_set for name in REMOVABLE}
        return (
            self.model_dump(exclude={"sender", "webhook_secrets", "credentials"}) | sender_columns(self.sender) | sets
        )


SECRET_FIELDS = ("webhook_secrets", "credentials")
"""They are no settings: they are stored encrypted, with the connection."""

REMOVABLE = {"url", "sender", "postal_address", "language", "consent_sentence"}
"""What null removes; of the other settings null changes nothing."""


def sender_columns(sender: SourceSender | None) -> dict[str, str | None]:
    """A sender by the columns that hold it."""
    return {f"sender_{name}": getattr(sender, name, None) for name in SourceSender.model_fields}


class ShownSourceSender(BaseModel):
    """Who a store's e-mails are from."""

    model_config = showing(STORE_SENDER_EXAMPLE)

    name: str
    email: str
    reply_to: str | None


class Source(BaseModel):
    """A connected store."""

    model_config = showing(
        {
            "name": "Shop Roma",
            "url": "https://shop.example",
            "postal_address": "Via Roma 1\n20121 Milano, Italy",
            "consent_sentence": "Ricevi questa offerta perché ti sei iscritto alle novità di Shop Roma.",
            "connection": "live",
            "created_at": "2026-01-05T08:00:00Z",
        }
    )

    id: SourceIdText
    audience: AudienceIdText
    name: str
    platform: Platform
    currency: str
    time_zone: str
    week_start: WeekStart
    url: str | None = Field(description="the web address of the store")
    sender: ShownSourceSender | None = Field(description=OWN_SENDER)
    postal_address: str | None = Field(description=OWN_ADDRESS)
    language: Language | None = Field(description=OWN_LANGUAGE)
    consent_sentence: str | None = Field(description=OWN_SENTENCE)
    connection: Annotated[str, OneOf(SourceConnection)] = Field(
        description="how this service gets the orders; `none`: you send them with POST /sources/{id}/orders or imports;"
        " else the state of the connection to the store"
    )
    created_at: Instant


class Health(BaseModel):
    """The counts of a store's orders and customers."""

    model_config = showing(
        {
            "orders": 51230,
            "purchases": 49871,
            "customers": 20418,
            "unattributed": 12,
            "foreign_currency": 3,
            "quarantined": 0,
            "history_from": "2021-03-14T10:12:00Z",
        }
    )

    orders: int = Field(description="orders that are not deleted")
    purchases: int = Field(description="orders that count")
    customers: int
    unattributed: int = Field(description="orders without customer id and e-mail: kept, never ranked")
    foreign_currency: int = Field(description="orders in another currency: kept, never ranked")
    quarantined: int = Field(description="webhooks that could not be used; see GET /sources/{id}/inbox")
    history_from: Instant | None = Field(description="the first purchase")
    last_order_at: Instant | None = Field(description="the last purchase")


class SourceWithHealth(Source):
    """A connected store and how it is doing."""

    health: Health
    sync: Sync | None = Field(description="null where orders are sent by somebody else")


class SourcePage(BaseModel):
    """Sources, oldest first."""

    items: list[Source]
    next_cursor: str | None
