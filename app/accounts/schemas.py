"""Account forms: the JSON of accounts and keys."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.accounts.access import Scope
from app.wire import Instant, Name, Strict

Plan = Literal["free", "paid"]


class NewAccount(Strict):
    """What an operator says of a new account."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Ada's shops", "plan": "paid"}]})

    name: Name
    plan: Plan = "free"


class AccountChange(Strict):
    """What an operator may change."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"plan": "paid"}]})

    plan: Plan


class Account(BaseModel):
    """A tenant."""

    id: str
    name: str
    plan: Plan
    created_at: Instant


class OpenedAccount(Account):
    """A new account with its first key, which is shown this once."""

    api_key: str


class Me(Account):
    """Who is calling: the account, and the key that it is called with."""

    key: str = Field(description="the id of the key")
    scopes: list[Scope]


class NewKey(Strict):
    """What a key is for and what it may do."""

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
    """A new key, which is shown this once."""

    key: str


class KeyPage(BaseModel):
    """Keys, oldest first."""

    items: list[Key]
    next_cursor: str | None
