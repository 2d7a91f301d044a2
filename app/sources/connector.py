"""Connector: what every shop's module does, and the words in which it tells what a shop has said.

A connector is one file. It knows the documents, signatures and addresses of one platform and nothing of this
service's tables; nothing else knows the platform. `connectors.py` lists them.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol

from app.mail.http_provider import retry_after
from app.sources.shop_events import ShopEvent
from app.web.calls import CallFailedError, WebAnswer, WebCalls
from app.wire.instants import Clock
from app.wire.strict_json import refuse_constant
from app.words import Sentence

Json = dict[str, Any]
"""A JSON object of a shop; numbers with a fraction are text, so that no digit is lost."""

# ---------------------------------------------------------------- a webhook


@dataclass(frozen=True, slots=True)
class StoreWebhook:
    """A request that claims to come from a shop; the names of its headers are in lower case."""

    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        """A header; empty where there is none."""
        return self.headers.get(name, "")


class Verdict(Enum):
    """What the signature of a webhook says."""

    SIGNED = "signed"
    FORGED = "forged"
    PING = "ping"
    """Sent by the shop to try the address, without a signature: answered, not stored."""


class UnreadableDeliveryError(Exception):
    """`(code, sentence)`: why a signed webhook cannot be used; the sentence repeats nothing of its content."""


# ---------------------------------------------------------------- a shop that is asked


class LoginRefusedError(Exception):
    """The shop does not accept the credentials."""


class TryLaterError(Exception):
    """`(seconds,)`: the shop asks for a pause."""


@dataclass(slots=True)
class ShopToken:
    """A token that opens a shop's API for some time."""

    value: str
    expires_at: datetime


@dataclass(slots=True)
class ShopAccess:
    """What opens a shop's API, during one round; the token may be renewed meanwhile."""

    web: WebCalls
    credentials: Mapping[str, str]
    clock: Clock
    token: ShopToken | None = None


@dataclass(frozen=True, slots=True)
class ShopFacts:
    """What a shop says of itself."""

    name: str
    currency: str
    time_zone: str
    url: str | None
    api_version: str
    history_days: int | None = None
    """How far back its orders are shown; None: all of them."""
    is_customer_data_withheld: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which orders are asked for: those of these ids, or else those changed since a moment, or all.

    With a `cursor` an earlier round is taken up where its last page ended.
    """

    since: datetime | None = None
    cursor: str | None = None
    order_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PulledPage:
    """Some of the orders that were asked for, as the webhooks that would tell them.

    `cursor` is where the next page begins.
    """

    webhooks: Sequence[StoreWebhook]
    cursor: str | None = None
    expected: int | None = None
    """How many orders there will be in all, where the shop tells."""


# ---------------------------------------------------------------- a connector


class Connector(Protocol):
    """A platform whose shops connect themselves.

    What asks the shop raises LoginRefusedError, TryLaterError and CallFailedError.
    """

    @property
    def credential_forms(self) -> Sequence[Sequence[str]]:
        """The names of the credentials that are taken together."""

    @property
    def hook_topics(self) -> Sequence[str]:
        """The topics of the webhooks that are wanted, in the shop's own words."""

    async def check(self, access: ShopAccess) -> ShopFacts:
        """Ask the shop who it is."""

    async def subscribe(self, access: ShopAccess, address: str, secret: str, /) -> None:
        """Make sure that the webhooks which are wanted are sent to the address; safe to repeat."""

    async def unsubscribe(self, access: ShopAccess, address: str, /) -> None:
        """Ask the shop to send no webhooks to the address any more; safe to repeat."""

    def pull(self, access: ShopAccess, wanted: Wanted) -> AsyncIterator[PulledPage]:
        """Ask for orders, page by page. Of ids that are asked for, those that are gone are told as deleted."""

    def signing_secret(self, credentials: Mapping[str, str], /) -> str | None:
        """The secret that signs webhooks which were subscribed with these credentials; None: the one we choose."""

    def verify(self, webhook: StoreWebhook, secrets: Sequence[str]) -> Verdict:
        """Whether the webhook is signed with one of the secrets; compared in constant time."""

    def topic(self, webhook: StoreWebhook) -> str:
        """What the webhook is about, in the platform's word."""

    def delivery_id(self, webhook: StoreWebhook) -> str:
        """What a repetition of the same delivery has in common; empty where nothing tells it."""

    def parse(self, webhook: StoreWebhook) -> Sequence[ShopEvent]:
        """What the webhook says, nothing where it does not matter here.

        UnreadableDeliveryError where it cannot be read.
        """


# ---------------------------------------------------------------- what connectors have in common


def is_hmac_sha256(secret: str, message: bytes, digest: bytes) -> bool:
    """Whether the digest is the message's HMAC, compared in constant time."""
    return hmac.compare_digest(hmac.digest(secret.encode(), message, hashlib.sha256), digest)


def is_signed_in_base64(webhook: StoreWebhook, signature: str, secrets: Sequence[str]) -> bool:
    """Whether the body is signed with one of the secrets; all are tried, and an empty body is never signed."""
    try:
        digest = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    matches = [is_hmac_sha256(secret, webhook.body, digest) for secret in secrets]
    return bool(webhook.body) and any(matches)


def document_in(body: bytes) -> Json:
    """The JSON object in a body; UnreadableDeliveryError where there is none."""
    try:
        read = json.loads(body, parse_float=str, parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        raise UnreadableDeliveryError("not_json", Sentence("Send JSON in UTF-8.")) from None
    if not isinstance(read, dict):
        raise UnreadableDeliveryError("not_an_object", A_JSON_OBJECT)
    return read


def text_in(parent: object, *path: str) -> str:
    """The text or number at a path of objects; empty where there is none."""
    for name in path:
        parent = parent.get(name) if isinstance(parent, dict) else None
    if isinstance(parent, str):
        return parent.strip()
    return str(parent) if isinstance(parent, int) and not isinstance(parent, bool) else ""


def objects_in(parent: object, name: str) -> list[Json]:
    """The objects of a list."""
    found = parent.get(name) if isinstance(parent, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def codes_in(parent: object, name: str) -> tuple[str, ...]:
    """The codes of a list of objects."""
    return tuple(filter(None, (text_in(each, "code") for each in objects_in(parent, name))))


def required_id(parent: object, *path: str) -> str:
    """An id that a webhook must have; UnreadableDeliveryError where it has none, or 0."""
    found = text_in(parent, *path)
    if found in {"", "0"}:
        raise UnreadableDeliveryError("missing_id", Sentence("Give {field}.", field=".".join(path)))
    return found


def whole_number(value: object) -> int:
    """A count; 0 where it is none."""
    if isinstance(value, bool):
        return 0
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else 0


A_JSON_OBJECT = Sentence("Give a JSON object.")
PLAIN_AMOUNT = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?", re.ASCII)


def total_of(amounts: Iterable[str]) -> str:
    """The sum of amounts; UnreadableDeliveryError where one is none."""
    written = [*amounts]
    if not all(map(PLAIN_AMOUNT.fullmatch, written)):
        raise UnreadableDeliveryError("invalid_amount", Sentence("Write amounts as decimal numbers."))
    return f"{sum(map(Decimal, written), Decimal()):f}"


def checked_answer(answer: WebAnswer) -> WebAnswer:
    """The answer of a shop's API, if it is a good one."""
    if answer.status in LOGIN_STATUSES:
        raise LoginRefusedError
    if answer.status in BUSY_STATUSES:
        raise TryLaterError(retry_after(answer.headers) or DEFAULT_PAUSE_SECONDS)
    if not answer.is_success:
        raise CallFailedError(f"status_{answer.status}")
    return answer


LOGIN_STATUSES, BUSY_STATUSES = {401, 403}, {429, 430}
DEFAULT_PAUSE_SECONDS = 5
