"""Account forms: the JSON of accounts and keys."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StringConstraints
from pydantic.config import JsonDict

from app.vocabulary import AuditAction, Plan, Scope
from app.wire.addresses import domain_name, sender_address
from app.wire.enums import OneOf
from app.wire.instants import Instant
from app.wire.strict_json import Strict
from app.wire.text import HeaderText, Name, plain

PlanValue = Annotated[str, OneOf(Plan)]


def lines(text: str) -> str:
    """Text of several lines."""
    for line in text.splitlines():
        plain(line)
    return "\n".join(line.strip() for line in text.splitlines())


OwnAddress = Annotated[str, StringConstraints(strip_whitespace=True, max_length=254), AfterValidator(sender_address)]
PostalAddress = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=5, max_length=500), AfterValidator(lines)
]


SENDER_EXAMPLE: JsonDict = {
    "name": "Ada's shop",
    "email": "hello@shop.example",
    "reply_to": "care@shop.example",
    "postal_address": "Via Roma 1\n20121 Milano, Italy",
}


class NewAccount(Strict):
    """A new account, as the operator describes it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Ada's shops", "plan": "paid"}]})

    name: Name
    plan: PlanValue = Plan.FREE.value


class AccountChange(Strict):
    """What an operator may change of an account; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"plan": "paid"}]})

    plan: PlanValue | None = None
    closed: StrictBool | None = Field(
        None, description="true refuses the account's keys and cancels its messages; false opens it again"
    )


class Account(BaseModel):
    """A tenant."""

    id: str
    name: str
    plan: PlanValue
    created_at: Instant


class AccountOfOperator(Account):
    """A tenant, as the operator sees it."""

    closed_at: Instant | None = Field(description="since when it is closed; null while it is open")


class AccountPage(BaseModel):
    """Accounts, oldest first."""

    items: list[AccountOfOperator]
    next_cursor: str | None


class AuditEntry(BaseModel):
    """What the operator or an admin key did."""

    at: Instant
    by: str = Field(
        description="the id of a key, `operator`, `command` for one run on the machine, or `store` for a store itself",
        examples=["key_3"],
    )
    action: Annotated[str, OneOf(AuditAction)]
    about: dict[str, Any] = Field(description="such as the id of the key", examples=[{"key": "key_4"}])


class AuditPage(BaseModel):
    """The audit log, newest first."""

    items: list[AuditEntry]
    next_cursor: str | None


class Deletion(BaseModel):
    """The deletion of an account or a store."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": "src_1", "asked_at": "2026-11-21T20:15:00Z", "gone_at": None}]}
    )

    id: str = Field(description="the id of what is deleted")
    asked_at: Instant = Field(description="since then it is unknown everywhere")
    gone_at: Instant | None = Field(description="when its last row was removed; null while some are left")


class Sender(Strict):
    """The sender of the e-mails of stores that have none of their own; each ends with the postal address, as is law."""

    model_config = ConfigDict(json_schema_extra={"examples": [SENDER_EXAMPLE]})

    name: HeaderText
    email: OwnAddress
    reply_to: OwnAddress | None = None
    postal_address: PostalAddress


DomainName = Annotated[str, StringConstraints(max_length=300), AfterValidator(domain_name)]


class NewDomain(Strict):
    """A domain to send from."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"domain": "shop.example"}]})

    domain: DomainName


class DnsRecord(BaseModel):
    """A record to publish in the DNS of a domain."""

    type: Literal["TXT"]
    name: str = Field(examples=["_loyalty-leaderboard.shop.example"])
    value: str = Field(examples=["loyalty-leaderboard=6kTqVn0XbqJ2w8r4Zc1mYh5dPu3sLf7A"])


class SenderDomain(BaseModel):
    """A domain of the account; e-mails can be sent from it once it is verified."""

    domain: str
    status: Literal["pending", "verified"]
    record: DnsRecord = Field(description="proves that the domain is yours; keep it published")
    created_at: Instant
    verified_at: Instant | None


class DomainPage(BaseModel):
    """Domains by name."""

    items: list[SenderDomain]
    next_cursor: str | None


class OwnChange(Strict):
    """What an account may change about itself."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sender": SENDER_EXAMPLE}]})

    sender: Sender


class ShownSender(BaseModel):
    """The sender of the e-mails of stores that have none of their own."""

    name: str
    email: str
    reply_to: str | None
    postal_address: str


class Pause(BaseModel):
    """Why the account's e-mails are paused, and until when; setting the sender ends the pause at once."""

    until: Instant
    because: str


class OpenedAccount(Account):
    """A new account with its first key, which is shown only here."""

    api_key: str


class Me(Account):
    """The account of this call, and the key that was used."""

    key: str = Field(description="the id of the key")
    scopes: list[Scope]
    sender: ShownSender | None = Field(
        description="for stores that have no sender of their own; without any sender nothing can be sent"
    )
    sending_paused: Pause | None


class NewKey(Strict):
    """The name and the scopes of a new key."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "shop front", "scopes": ["read"]}]})

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)]


class Key(BaseModel):
    """An API key, without the key."""

    id: str
    name: str
    scopes: list[Scope]
    created_at: Instant


class OpenedKey(Key):
    """A new key, which is shown only here."""

    key: str


class KeyPage(BaseModel):
    """Keys, oldest first."""

    items: list[Key]
    next_cursor: str | None
