"""Account forms: the JSON of accounts and keys."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from app.vocabulary import Plan, Scope
from app.wire.addresses import sender_address
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
    """What an operator may change of an account."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"plan": "paid"}]})

    plan: PlanValue


class Account(BaseModel):
    """A tenant."""

    id: str
    name: str
    plan: PlanValue
    created_at: Instant


class Sender(Strict):
    """The sender of an account's e-mails; the postal address is printed at the end of each, as the law requires."""

    model_config = ConfigDict(json_schema_extra={"examples": [SENDER_EXAMPLE]})

    name: HeaderText
    email: OwnAddress
    reply_to: OwnAddress | None = None
    postal_address: PostalAddress


class OwnChange(Strict):
    """What an account may change about itself."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sender": SENDER_EXAMPLE}]})

    sender: Sender


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
    sender: Sender | None = Field(description="must be set before e-mail can be sent")
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
