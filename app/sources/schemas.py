"""Source forms: the JSON of audiences and sources."""

import re
from functools import cache
from typing import Annotated, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from app.vocabulary import Platform, SourceConnection, WeekStart
from app.wire.enums import OneOf
from app.wire.instants import Instant
from app.wire.money import CURRENCIES
from app.wire.strict_json import Strict
from app.wire.text import Name, header_text


@cache
def zones() -> frozenset[str]:
    """The IANA zones, without names that mean the machine itself."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def iana_zone(name: str) -> str:
    """A zone of the IANA database."""
    if name not in zones():
        raise ValueError("must be an IANA time zone such as Europe/Rome")
    return name


def iso_currency(code: str) -> str:
    """A currency that money can be in."""
    if code not in CURRENCIES:
        raise ValueError("must be an ISO 4217 code such as EUR")
    return code


WEB_ADDRESS = re.compile(r"https?://[^\s/?#@<>\"']+(?:[/?#][^\s<>\"']*)?", re.ASCII)

TimeZone = Annotated[str, AfterValidator(iana_zone), WithJsonSchema({"type": "string", "examples": ["Europe/Rome"]})]
Currency = Annotated[
    str, AfterValidator(iso_currency), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["EUR"]})
]


def web_address(url: str) -> str:
    """The address of a store on the web."""
    if not WEB_ADDRESS.fullmatch(url):
        raise ValueError("must be an address such as https://shop.example")
    return url


Url = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=500),
    AfterValidator(header_text),
    AfterValidator(web_address),
    WithJsonSchema({"type": "string", "format": "uri", "maxLength": 500, "examples": ["https://shop.example"]}),
]


class NewAudience(Strict):
    """A new list of contacts."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Everyone"}]})

    name: Name


class Audience(BaseModel):
    """A list of contacts."""

    id: str
    name: str
    created_at: Instant


class AudiencePage(BaseModel):
    """Audiences, oldest first."""

    items: list[Audience]
    next_cursor: str | None


class NewSource(Strict):
    """A store to connect; audience, platform and currency cannot be changed later."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "audience": "aud_1",
                    "name": "Shop Roma",
                    "platform": "custom",
                    "currency": "EUR",
                    "time_zone": "Europe/Rome",
                    "week_start": "monday",
                }
            ]
        }
    )

    audience: str
    name: Name
    platform: Platform
    currency: Currency
    time_zone: TimeZone
    week_start: WeekStart = WeekStart.MONDAY
    url: Url | None = Field(None, description="the web address of the store, which messages may show")


class SourceChange(Strict):
    """What can be changed in a connected store.

    After a new zone or first day of the week boards are counted anew within a minute; until then figures are counted
    from the orders, by the new calendar.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"time_zone": "Europe/Berlin"}]})

    name: Name | None = None
    time_zone: TimeZone | None = None
    week_start: WeekStart | None = None
    url: Url | None = Field(None, description="null removes it")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not any(self.model_dump().values()) and "url" not in self.model_fields_set:
            raise ValueError("name what to change: name, time_zone, week_start or url")
        return self

    def settings(self) -> dict[str, str | bool | None]:
        """The parameters of UPDATE_SOURCE."""
        return self.model_dump() | {"sets_url": "url" in self.model_fields_set}


class Source(BaseModel):
    """A connected store."""

    id: str
    audience: str
    name: str
    platform: Platform
    currency: str
    time_zone: str
    week_start: WeekStart
    url: str | None = Field(description="the web address of the store")
    connection: Annotated[str, OneOf(SourceConnection)] = Field(
        description="how orders come in by themselves; `none`: send them with POST /sources/{id}/orders or imports"
    )
    created_at: Instant


class Health(BaseModel):
    """The counts of a store's orders and customers."""

    orders: int = Field(description="orders that are not deleted")
    purchases: int = Field(description="orders that count")
    customers: int
    unattributed: int = Field(description="orders without customer id and e-mail: kept, never ranked")
    foreign_currency: int = Field(description="orders in another currency: kept, never ranked")
    history_from: Instant | None = Field(description="the first purchase")
    last_order_at: Instant | None = Field(description="the last purchase")


class SourceWithHealth(Source):
    """A connected store and how it is doing."""

    health: Health


class SourcePage(BaseModel):
    """Sources, oldest first."""

    items: list[Source]
    next_cursor: str | None
