"""Account forms: the JSON of accounts and keys."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StringConstraints
from pydantic.config import JsonDict

from app.vocabulary import AuditAction, Plan, Scope, TokenOperation
from app.wire.addresses import domain_name, sender_address
from app.wire.enums import OneOf
from app.wire.examples import showing
from app.wire.ids import AccountIdText, KeyIdText, SourceIdText
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


SHOWN_KEY = "llb_shown-once-so-keep-it-where-secrets-are-kept"

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

    model_config = showing({"name": "Ada's shops"})

    id: AccountIdText
    name: str
    plan: PlanValue
    created_at: Instant


class AccountOfOperator(Account):
    """A tenant, as the operator sees it."""

    model_config = showing({"name": "Ada's shops", "closed_at": None})

    closed_at: Instant | None = Field(description="since when it is closed; null while it is open")


class AccountPage(BaseModel):
    """Accounts, oldest first."""

    items: list[AccountOfOperator]
    next_cursor: str | None


class AuditEntry(BaseModel):
    """What the operator or an admin key did."""

    model_config = showing({"action": "key_created", "about": {"key": "key_900004"}})

    at: Instant
    by: str = Field(
        description="the id of a key, `operator`, `command` for one run on the machine, or `store` for a store itself",
        examples=["key_900003"],
    )
    action: Annotated[str, OneOf(AuditAction)]
    about: dict[str, Any] = Field(description="such as the id of the key", examples=[{"key": "key_900004"}])


class AuditPage(BaseModel):
    """The audit log, newest first."""

    items: list[AuditEntry]
    next_cursor: str | None


class Deletion(BaseModel):
    """The deletion of an account or a store."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": "src_900001", "asked_at": "2026-11-21T20:15:00Z", "gone_at": None}]}
    )

    id: SourceIdText = Field(description="the id of what is deleted")
    asked_at: Instant = Field(description="since then it is unknown everywhere")
    gone_at: Instant | None = Field(description="when its last row was removed; null while some are left")


class AccountDeletion(Deletion):
    """The deletion of an account."""

    model_config = showing({"id": "acc_900001", "asked_at": "2026-11-21T20:15:00Z", "gone_at": None})


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

    model_config = showing({"domain": "shop.example", "status": "verified"})

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

    model_config = showing(SENDER_EXAMPLE)

    name: str
    email: str
    reply_to: str | None
    postal_address: str


class Pause(BaseModel):
    """Why the account's e-mails are paused, and until when; setting the sender ends the pause at once."""

    until: Instant
    because: str = Field(examples=["The mail server refuses the login."])


class OpenedAccount(Account):
    """A new account with its first key, which is shown only here."""

    api_key: str = Field(examples=[SHOWN_KEY])


class Me(Account):
    """The account of this call, and the key that was used."""

    model_config = showing(
        {"name": "Ada's shops", "scopes": ["read", "write", "send", "admin"], "sending_paused": None}
    )

    key: KeyIdText = Field(description="the id of the key")
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


LONGEST_TOKEN_SECONDS = 24 * 60 * 60
MOST_TOKEN_SOURCES = 100


class NewToken(Strict):
    """What a browser token admits; what is not named here it refuses."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"sources": ["src_900001"], "operations": ["board", "vips"]}]}
    )

    sources: Annotated[
        list[Annotated[str, Field(max_length=40)]], Field(min_length=1, max_length=MOST_TOKEN_SOURCES)
    ] = Field(description="the stores that it shows", examples=[["src_900001"]])
    operations: Annotated[list[TokenOperation], Field(min_length=1, max_length=len(TokenOperation))] = Field(
        description="`board`: leaderboards and what their drop-downs offer. `vips`: VIPs and previews of thresholds."
        " `profile`: customers are found and shown. `message`: messages to one customer, with preview and templates"
    )
    lifetime_seconds: Annotated[int, Field(ge=60, le=LONGEST_TOKEN_SECONDS)] = Field(
        900, description="how long it lives, from a minute to a day"
    )
    emails: StrictBool = Field(
        default=False,
        description="whether it shows e-mail addresses; false masks them as `a***@***` and finds nobody by them",
    )
    requests_per_minute: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        None, description="a limit of its own, apart from that of the key; default and most: what the operator grants"
    )


class OpenedToken(BaseModel):
    """A new browser token, which is shown only here, and what it admits."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "token": "llt_7_3.eyJpZCI6NDJ9.3q2-7w0pQ9bq1ZrY5n8mVx4uTgk2sJdLhC6eWfA1oRM",
                    "expires_at": "2026-11-21T20:30:00Z",
                    "sources": ["src_900001"],
                    "operations": ["board", "vips"],
                    "emails": False,
                    "requests_per_minute": 120,
                }
            ]
        }
    )

    token: str = Field(description="send it as `Authorization: Bearer llt_…`")
    expires_at: Instant
    sources: list[str]
    operations: list[TokenOperation]
    emails: bool
    requests_per_minute: int | None = Field(description="null means no limit")


class Key(BaseModel):
    """An API key, without the key."""

    model_config = showing({"name": "shop front", "scopes": ["read"]})

    id: KeyIdText
    name: str
    scopes: list[Scope]
    created_at: Instant


class OpenedKey(Key):
    """A new key, which is shown only here."""

    key: str = Field(examples=[SHOWN_KEY])


class KeyPage(BaseModel):
    """Keys, oldest first."""

    items: list[Key]
    next_cursor: str | None
