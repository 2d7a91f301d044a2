"""WooCommerce: its orders, webhooks and REST API in the words of this service.

Instants are read from the fields whose names end in `_gmt`, which carry no offset and are UTC; the others are in the
site's own zone. Totals of embedded refunds are negative. `number` is changed by plug-ins, so `id` is the order's id.
Requests are signed by Basic over https, and by OAuth 1.0a over http, where the secret must not be sent.
"""

import base64
import hashlib
import hmac
import html
import json
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from app.sources.connector import (
    Json,
    PulledPage,
    ShopAccess,
    ShopFacts,
    StoreWebhook,
    Verdict,
    Wanted,
    checked_answer,
    codes_in,
    document_in,
    is_signed_in_base64,
    objects_in,
    required_id,
    text_in,
    total_of,
    whole_number,
)
from app.sources.shop_events import OrderDeleted, OrderSeen, ShopEvent
from app.vocabulary import OrderStatus
from app.web.calls import CallFailedError, WebAnswer

PING = re.compile(rb"webhook_id=\d{1,20}", re.ASCII)

STATUSES = {
    "pending": OrderStatus.PENDING,
    "on-hold": OrderStatus.PENDING,
    "checkout-draft": OrderStatus.PENDING,
    "processing": OrderStatus.PAID,
    "completed": OrderStatus.PAID,
    "cancelled": OrderStatus.CANCELLED,
    "refunded": OrderStatus.REFUNDED,
    "failed": OrderStatus.VOIDED,
}
"""A status of a plug-in is none of these and does not count."""
TRASH = "trash"
REST, WC = "/wp-json", "/wc/v3"
HOOK_NAME = "Loyalty Leaderboard"
PULLED_AT_ONCE = 100
GUEST = "0"


class WooCommerce:
    """The connector of WooCommerce."""

    credential_forms = (("url", "consumer_key", "consumer_secret"),)
    hook_topics = ("order.created", "order.updated", "order.deleted", "order.restored")

    async def check(self, access: ShopAccess) -> ShopFacts:
        """The currency asks for the rights that orders need too."""
        site = object_of(await ask_site(access, "/"))
        currency = object_of(await ask_site(access, f"{WC}/data/currencies/current"))
        return ShopFacts(
            name=html.unescape(text_in(site, "name")),
            currency=text_in(currency, "code"),
            time_zone=zone_of(site),
            url=text_in(site, "url") or None,
            api_version=WC.strip("/"),
        )

    def signing_secret(self, _credentials: Mapping[str, str], /) -> str | None:
        """The site signs with the secret that a webhook was made with."""
        return None

    async def subscribe(self, access: ShopAccess, address: str, secret: str) -> None:
        """A webhook that the site has disabled after failures is made active again."""
        known = {text_in(each, "topic"): each for each in await _hooks(access, address)}
        for topic in self.hook_topics:
            hook = known.get(topic)
            if hook is None:
                new = {"name": HOOK_NAME, "topic": topic, "delivery_url": address, "secret": secret, "status": "active"}
                await ask_site(access, f"{WC}/webhooks", method="POST", body=new)
            elif text_in(hook, "status") != "active":
                path = f"{WC}/webhooks/{required_id(hook, 'id')}"
                await ask_site(access, path, method="PUT", body={"status": "active", "secret": secret})

    async def unsubscribe(self, access: ShopAccess, address: str, /) -> None:
        """Webhooks have no trash, so each is deleted by force."""
        for each in await _hooks(access, address):
            await ask_site(access, f"{WC}/webhooks/{required_id(each, 'id')}", {"force": "true"}, method="DELETE")

    async def pull(self, access: ShopAccess, wanted: Wanted) -> AsyncIterator[PulledPage]:
        """Orders by the time of their last change, each page from where the last one ended.

        A number of a page would skip orders when one before it is deleted meanwhile.
        """
        if wanted.order_ids:
            yield await _read_orders(access, wanted.order_ids)
            return
        if wanted.since is not None and wanted.cursor is None:
            async for trashed in _pages(access, wanted, TRASH):
                yield PulledPage(trashed.webhooks)
        async for page in _pages(access, wanted, "any"):
            yield page

    def verify(self, webhook: StoreWebhook, secrets: Sequence[str]) -> Verdict:
        """WordPress decodes HTML entities in the secret before it signs."""
        signature = webhook.header("x-wc-webhook-signature")
        if not signature:
            return Verdict.PING if PING.fullmatch(webhook.body) else Verdict.FORGED
        decoded = [html.unescape(secret) for secret in secrets]
        is_signed = is_signed_in_base64(webhook, signature, [*dict.fromkeys([*secrets, *decoded])])
        return Verdict.SIGNED if is_signed else Verdict.FORGED

    def topic(self, webhook: StoreWebhook) -> str:
        """`order.updated`."""
        return webhook.header("x-wc-webhook-topic").strip().lower()

    def delivery_id(self, webhook: StoreWebhook) -> str:
        """Different orders of one second share it: only together with the body it names a delivery."""
        return webhook.header("x-wc-webhook-delivery-id")

    def parse(self, webhook: StoreWebhook) -> Sequence[ShopEvent]:
        """Topics other than those of orders say nothing."""
        topic = self.topic(webhook)
        if not topic.startswith("order."):
            return ()
        order = document_in(webhook.body)
        if topic == "order.deleted":
            return (OrderDeleted(required_id(order, "id")),)
        return (order_event(order, restores=topic == "order.restored"),)


async def _hooks(access: ShopAccess, address: str) -> list[Json]:
    """The webhooks of the site that lead to an address."""
    hooks = list_of(await ask_site(access, f"{WC}/webhooks", {"per_page": "100"}))
    return [each for each in hooks if text_in(each, "delivery_url") == address]


def order_event(order: Json, *, restores: bool = False) -> OrderSeen | OrderDeleted:
    """An order of the REST API; one in the trash is deleted."""
    order_id = required_id(order, "id")
    status = text_in(order, "status")
    if status == TRASH:
        return OrderDeleted(order_id)
    refunded = total_of(_absolute(text_in(each, "total")) for each in objects_in(order, "refunds"))
    row = {
        "order_id": order_id,
        "customer_id": _known_customer(order),
        "email": text_in(order, "billing", "email") or None,
        "first_name": text_in(order, "billing", "first_name") or None,
        "last_name": text_in(order, "billing", "last_name") or None,
        "ordered_at": _utc(order, "date_created_gmt"),
        "total": text_in(order, "total"),
        "refunded": refunded,
        "currency": text_in(order, "currency") or None,
        "items": sum(whole_number(each.get("quantity")) for each in objects_in(order, "line_items")),
        "status": STATUSES.get(status, OrderStatus.PENDING).value,
        "updated_at": _utc(order, "date_modified_gmt"),
    }
    return OrderSeen(row, discount_codes=codes_in(order, "coupon_lines"), restores=restores)


def _known_customer(order: Json) -> str | None:
    customer = text_in(order, "customer_id")
    return customer if customer not in {"", GUEST} else None


def _utc(order: Json, name: str) -> str | None:
    """An instant without its offset."""
    moment = text_in(order, name)
    return moment if not moment or moment.endswith("Z") else f"{moment}Z"


def _absolute(amount: str) -> str:
    return amount.removeprefix("-").removeprefix("\N{NON-BREAKING HYPHEN}")


async def _read_orders(access: ShopAccess, order_ids: Sequence[str]) -> PulledPage:
    query = {"include": ",".join(order_ids), "per_page": str(PULLED_AT_ONCE), "status": "any"}
    orders = list_of(await ask_site(access, f"{WC}/orders", query))
    gone = {*order_ids} - {text_in(each, "id") for each in orders}
    deleted = [_as_webhook("order.deleted", {"id": each}) for each in sorted(gone)]
    return PulledPage([*(_as_webhook("order.updated", each) for each in orders), *deleted])


async def _pages(access: ShopAccess, wanted: Wanted, status: str) -> AsyncIterator[PulledPage]:
    since = f"{wanted.since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}" if wanted.since else ""
    after, page, seen, is_first = wanted.cursor or since, 1, set[tuple[str, str]](), wanted == Wanted()
    while True:
        query = {"status": status, "orderby": "modified", "order": "asc", "per_page": str(PULLED_AT_ONCE)}
        query |= {"page": str(page), "dates_are_gmt": "true"} | ({"modified_after": after} if after else {})
        answer = await ask_site(access, f"{WC}/orders", query)
        orders = list_of(answer)
        fresh = [each for each in orders if _version_of(each) not in seen]
        reached = _a_second_before(text_in(orders[-1], "date_modified_gmt")) if orders else after
        seen = (seen if reached <= after else set()) | {_version_of(each) for each in orders}
        page, after = (page + 1, after) if reached <= after else (1, reached)
        expected = whole_number(answer.headers.get("x-wp-total")) if is_first else None
        is_first = False
        yield PulledPage([_as_webhook("order.updated", each) for each in fresh], after, expected)
        if len(orders) < PULLED_AT_ONCE:
            return


def _as_webhook(topic: str, order: Json) -> StoreWebhook:
    return StoreWebhook({"x-wc-webhook-topic": topic}, json.dumps(order).encode())


def _version_of(order: Json) -> tuple[str, str]:
    return text_in(order, "id"), text_in(order, "date_modified_gmt")


def _a_second_before(moment: str) -> str:
    """The site compares whole seconds, and leaves out the second that is named."""
    try:
        return f"{datetime.fromisoformat(moment) - timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}"
    except ValueError:
        raise CallFailedError("unexpected_answer") from None


def zone_of(site: Json) -> str:
    """The zone of a site; one that has only an offset gets the zone of that offset, in whole hours."""
    named = text_in(site, "timezone_string")
    if named:
        return named
    offset = text_in(site, "gmt_offset").removesuffix(".0")
    hours = int(offset) if re.fullmatch(r"-?1?[0-9]", offset, re.ASCII) else 0
    return f"Etc/GMT{-hours:+d}" if hours else "UTC"


# ---------------------------------------------------------------- requests


async def ask_site(
    access: ShopAccess,
    path: str,
    query: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    body: Json | None = None,
) -> WebAnswer:
    """A good answer of the site's API."""
    url = f"{access.credentials['url'].rstrip('/')}{REST}{path}"
    given = dict(query or {})
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if url.startswith("https://"):
        pair = f"{access.credentials['consumer_key']}:{access.credentials['consumer_secret']}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        given |= oauth_parameters(access, method, url, given)
    content = None if body is None else json.dumps(body).encode()
    target = f"{url}?{urlencode(given, quote_via=quote)}" if given else url
    return checked_answer(await access.web.call(method, target, content=content, headers=headers))


def oauth_parameters(access: ShopAccess, method: str, url: str, query: Mapping[str, str]) -> dict[str, str]:
    """The parameters that sign a request over http (OAuth 1.0a, one-legged): the secret itself is not sent."""
    parameters = {
        "oauth_consumer_key": access.credentials["consumer_key"],
        "oauth_nonce": secrets.token_hex(16),
        "oauth_signature_method": "HMAC-SHA256",
        "oauth_timestamp": str(int(access.clock().timestamp())),
    }
    pairs = sorted((_escaped(name), _escaped(value)) for name, value in {**query, **parameters}.items())
    written = "&".join(f"{name}={value}" for name, value in pairs)
    base = "&".join(map(_escaped, (method, url, written)))
    key = f"{access.credentials['consumer_secret']}&".encode()
    digest = hmac.digest(key, base.encode(), hashlib.sha256)
    return parameters | {"oauth_signature": base64.b64encode(digest).decode()}


def _escaped(text: str) -> str:
    return quote(text, safe="~")


def object_of(answer: WebAnswer) -> Json:
    """The object in an answer; CallFailedError where it is none."""
    found = answer.json()
    if not isinstance(found, dict):
        raise CallFailedError("unexpected_answer")
    return found


def list_of(answer: WebAnswer) -> list[Json]:
    """The objects in an answer; CallFailedError where they are no list."""
    found: Any = answer.json()
    if not isinstance(found, list):
        raise CallFailedError("unexpected_answer")
    return [each for each in found if isinstance(each, dict)]
