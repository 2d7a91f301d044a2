"""Shopify: its orders, webhooks and Admin API in the words of this service.

Only shop money is read, never the money of the buyer. Ids are beyond 2^53 and stay text. A blank e-mail is none.
Webhooks have the form of the REST API, whatever way orders are pulled.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal

from app.sources.connector import (
    Json,
    LoginRefusedError,
    PulledPage,
    ShopAccess,
    ShopFacts,
    StoreWebhook,
    UnreadableDeliveryError,
    Verdict,
    Wanted,
    codes_in,
    document_in,
    is_signed_in_base64,
    objects_in,
    required_id,
    text_in,
    total_of,
    whole_number,
)
from app.sources.shop_events import (
    ConsentSaid,
    CustomerSeen,
    CustomersMerged,
    Disconnected,
    OrderDeleted,
    OrderSeen,
    OrderToRead,
    PersonErased,
    PersonRequested,
    RefundMade,
    ShopEvent,
    StoreErased,
)
from app.sources.shopify_admin import (
    API_VERSION,
    CANCEL_SUBSCRIPTION,
    CHECK,
    PAGES,
    SUBSCRIBE,
    SUBSCRIPTIONS,
    ask_admin,
    bulk,
    order_pages,
    read_orders_by_id,
)
from app.vocabulary import OrderStatus
from app.web.calls import CallFailedError
from app.wire.money import CURRENCIES
from app.words import Sentence

STATUSES_OF_MONEY = {
    "pending": OrderStatus.PENDING,
    "expired": OrderStatus.VOIDED,
    **{status.value: status for status in OrderStatus if status not in {OrderStatus.PENDING, OrderStatus.CANCELLED}},
}
"""Another status does not count."""
ENDED_BY_MONEY = {OrderStatus.REFUNDED, OrderStatus.VOIDED}
"""A cancelled order keeps these statuses: they say more."""


CONSENTS = {"subscribed": "subscribed", "unsubscribed": "unsubscribed", "not_subscribed": "non_subscribed"}
"""Another state, such as `pending`, says nothing."""


class Shopify:
    """The connector of Shopify."""

    credential_forms = (("shop", "client_id", "client_secret"), ("shop", "access_token", "webhook_secret"))
    hook_topics = (
        *("orders/create", "orders/updated", "orders/cancelled", "orders/delete", "orders/edited", "refunds/create"),
        *("customers/update", "customers/merge", "customers_email_marketing_consent/update", "app/uninstalled"),
    )

    async def check(self, access: ShopAccess) -> ShopFacts:
        """Orders older than 60 days need the scope `read_all_orders`, names and addresses `read_customers`."""
        answered = await ask_admin(access, CHECK)
        scopes = {
            text_in(each, "handle") for each in objects_in(answered.get("currentAppInstallation"), "accessScopes")
        }
        if "read_orders" not in scopes and "read_all_orders" not in scopes:
            raise LoginRefusedError
        return ShopFacts(
            name=text_in(answered, "shop", "name"),
            currency=text_in(answered, "shop", "currencyCode"),
            time_zone=text_in(answered, "shop", "ianaTimezone"),
            url=text_in(answered, "shop", "primaryDomain", "url") or None,
            api_version=API_VERSION,
            history_days=None if "read_all_orders" in scopes else SHORT_HISTORY_DAYS,
            is_customer_data_withheld="read_customers" not in scopes,
        )

    def signing_secret(self, credentials: Mapping[str, str]) -> str | None:
        """The app's own secret signs what the app has subscribed."""
        return credentials.get("client_secret") or credentials.get("webhook_secret")

    async def subscribe(self, access: ShopAccess, address: str, _secret: str, /) -> None:
        """Shopify deletes a subscription after eight failures in a row."""
        known = {text_in(each, "topic") for each in await _subscriptions(access, address)}
        for topic in self.hook_topics:
            name = re.sub(r"[/-]", "_", topic).upper()
            if name not in known:
                made = await ask_admin(access, SUBSCRIBE, topic=name, uri=address)
                if objects_in(made.get("webhookSubscriptionCreate"), "userErrors"):
                    raise CallFailedError("subscription_refused")

    async def unsubscribe(self, access: ShopAccess, address: str, /) -> None:
        """Each topic is a subscription of its own."""
        for each in await _subscriptions(access, address):
            await ask_admin(access, CANCEL_SUBSCRIPTION, id=text_in(each, "id"))

    async def pull(self, access: ShopAccess, wanted: Wanted) -> AsyncIterator[PulledPage]:
        """All orders by a bulk operation, or by pages where it fails; those of a short time by pages."""
        if wanted.order_ids:
            yield await read_orders_by_id(access, wanted.order_ids)
            return
        cursor = wanted.cursor or ""
        if wanted.since is None and not cursor.startswith(PAGES):
            async for page in bulk(access, cursor):
                cursor = page.cursor or ""
                yield page
            if not cursor.startswith(PAGES):
                return
        async for page in order_pages(access, wanted.since, cursor.removeprefix(PAGES)):
            yield page

    def verify(self, webhook: StoreWebhook, secrets: Sequence[str]) -> Verdict:
        """Old and new secrets overlap for an hour after a rotation."""
        signature = webhook.header("x-shopify-hmac-sha256")
        return Verdict.SIGNED if is_signed_in_base64(webhook, signature, secrets) else Verdict.FORGED

    def topic(self, webhook: StoreWebhook) -> str:
        """`orders_updated`: one spelling, for Shopify writes topics with `/` and with `_`."""
        return re.sub(r"[/-]", "_", webhook.header("x-shopify-topic").strip().lower())

    def delivery_id(self, webhook: StoreWebhook) -> str:
        """The event, which several subscriptions may tell, else the delivery, which is retried."""
        return webhook.header("x-shopify-event-id") or webhook.header("x-shopify-webhook-id")

    def parse(self, webhook: StoreWebhook) -> Sequence[ShopEvent]:
        """Topics that are not listed say nothing."""
        read = PARSE.get(self.topic(webhook))
        return read(document_in(webhook.body), webhook) if read is not None else ()


async def _subscriptions(access: ShopAccess, address: str) -> list[Json]:
    """The subscriptions of the app that lead to an address."""
    answered = await ask_admin(access, SUBSCRIPTIONS)
    return [
        each for each in objects_in(answered.get("webhookSubscriptions"), "nodes") if text_in(each, "uri") == address
    ]


# ---------------------------------------------------------------- orders


def _order_events(order: Json, _webhook: StoreWebhook) -> Sequence[ShopEvent]:
    return (order_seen(order),)


def _deletion_events(order: Json, webhook: StoreWebhook) -> Sequence[ShopEvent]:
    return (OrderDeleted(required_id(order, "id"), webhook.header("x-shopify-triggered-at") or None),)


def _edit_events(edit: Json, _webhook: StoreWebhook) -> Sequence[ShopEvent]:
    return (OrderToRead(required_id(edit, "order_edit", "order_id")),)


def order_seen(order: Json) -> OrderSeen:
    """An order of the REST API or of a webhook, of any version."""
    refunds = {
        text_in(each, "id") or f"#{number}": _refunded(each, order)
        for number, each in enumerate(objects_in(order, "refunds"))
    }
    total = text_in(order, "total_price_set", "shop_money", "amount") or text_in(order, "total_price")
    row = {
        "order_id": required_id(order, "id"),
        "customer_id": text_in(order, "customer", "id") or None,
        "email": _buyer_email(order),
        **_buyer_names(order),
        "language": text_in(order, "customer_locale") or None,
        **_hint_of_consent(order),
        "ordered_at": text_in(order, "processed_at") or text_in(order, "created_at") or None,
        "total": total,
        "refunded": total_of(refunds.values()),
        "currency": shop_currency(order) or None,
        "items": sum(map(_quantity, objects_in(order, "line_items"))),
        "status": _status(order),
        "updated_at": text_in(order, "updated_at") or None,
        "test": order.get("test") is True,
    }
    return OrderSeen(row, refunds, codes_in(order, "discount_codes"))


def shop_currency(order: Json) -> str:
    """The currency of the shop."""
    return text_in(order, "total_price_set", "shop_money", "currency_code") or text_in(order, "currency")


def _buyer_email(order: Json) -> str | None:
    found = (text_in(order, "email"), text_in(order, "contact_email"), text_in(order, "customer", "email"))
    return next(filter(None, found), None)


def _buyer_names(order: Json) -> dict[str, str | None]:
    for place in ("customer", "billing_address"):
        first, last = (text_in(order, place, name) for name in ("first_name", "last_name"))
        if first or last:
            return {"first_name": first or None, "last_name": last or None}
    return {}


def _hint_of_consent(order: Json) -> dict[str, str]:
    """The box that a buyer has ticked: the weakest word about offers, and none where it is not ticked."""
    return {"marketing": "subscribed"} if order.get("buyer_accepts_marketing") is True else {}


def _quantity(line: Json) -> int:
    """What is left of a line after edits and refunds; older versions tell only what was ordered."""
    return whole_number(line["current_quantity"] if "current_quantity" in line else line.get("quantity"))


def _status(order: Json) -> str:
    status = STATUSES_OF_MONEY.get(text_in(order, "financial_status").lower(), OrderStatus.PENDING)
    if text_in(order, "cancelled_at") and status not in ENDED_BY_MONEY:
        return OrderStatus.CANCELLED.value
    return status.value


# ---------------------------------------------------------------- refunds


def _refund_events(refund: Json, _webhook: StoreWebhook) -> Sequence[ShopEvent]:
    """A refund counts at once where its money is known to be the shop's; the order is read again in any case."""
    order_id = required_id(refund, "order_id")
    again = OrderToRead(order_id)
    succeeded = _successful(refund)
    shops = text_in(refund, "total_duties_set", "shop_money", "currency_code")
    if not succeeded or any(text_in(each, "currency") not in {"", shops} for each in succeeded):
        return (again,)
    return RefundMade(order_id, required_id(refund, "id"), _sum_of(succeeded)), again


def _refunded(refund: Json, order: Json) -> str:
    """What a refund took off, in the currency of the shop."""
    amount, foreign = Decimal(), Decimal()
    for each in _successful(refund):
        money = Decimal(total_of([text_in(each, "amount") or "0"]))
        if text_in(each, "currency") in {"", shop_currency(order)}:
            amount += money
        else:
            foreign += money
    if foreign:
        total, paid = (
            Decimal(total_of([text_in(order, "total_price_set", money, "amount") or "0"]))
            for money in ("shop_money", "presentment_money")
        )
        unit = Decimal(1).scaleb(-CURRENCIES.get(shop_currency(order), 2))
        amount += (foreign * total / paid if paid else foreign).quantize(unit, ROUND_HALF_UP)
    return f"{amount:f}"


def _successful(refund: Json) -> list[Json]:
    return [
        each
        for each in objects_in(refund, "transactions")
        if text_in(each, "kind") == "refund" and text_in(each, "status") == "success"
    ]


def _sum_of(transactions: list[Json]) -> str:
    return total_of(text_in(each, "amount") or "0" for each in transactions)


SHORT_HISTORY_DAYS = 60

# ---------------------------------------------------------------- people


def _customer_events(customer: Json, _webhook: StoreWebhook) -> Sequence[ShopEvent]:
    row = {
        "customer_id": required_id(customer, "id"),
        "email": text_in(customer, "email") or None,
        "first_name": text_in(customer, "first_name") or None,
        "last_name": text_in(customer, "last_name") or None,
        "updated_at": text_in(customer, "updated_at") or None,
    }
    return (CustomerSeen(row),)


def _consent_events(consent: Json, webhook: StoreWebhook) -> Sequence[ShopEvent]:
    """A choice without a date is as new as the event."""
    told = consent.get("email_marketing_consent")
    marketing = CONSENTS.get(text_in(told, "state").lower())
    if marketing is None:
        return ()
    at = text_in(told, "consent_updated_at") or webhook.header("x-shopify-triggered-at") or None
    customer_id, email = required_id(consent, "customer_id"), text_in(consent, "email_address") or None
    return (ConsentSaid(customer_id, email, marketing, at),)


def _merge_events(merge: Json, _webhook: StoreWebhook) -> Sequence[ShopEvent]:
    if text_in(merge, "status").lower() != "completed":
        return ()
    names = ("admin_graphql_api_customer_kept_id", "admin_graphql_api_customer_deleted_id")
    return (CustomersMerged(*(required_id(merge, name).rpartition("/")[2] for name in names)),)


def _person_in(document: Json) -> tuple[str | None, str | None]:
    """The id and the address of the person in a request of data protection; one of both at least."""
    customer_id, email = (text_in(document, "customer", name) or None for name in ("id", "email"))
    if customer_id is None and email is None:
        raise UnreadableDeliveryError("missing_id", Sentence("Give the id or the address of the customer."))
    return customer_id, email


def _erasure_events(document: Json, _webhook: StoreWebhook) -> Sequence[ShopEvent]:
    return (PersonErased(*_person_in(document)),)


def _request_events(document: Json, _webhook: StoreWebhook) -> Sequence[ShopEvent]:
    return (PersonRequested(*_person_in(document)),)


def _end_events(_document: Json, _webhook: StoreWebhook) -> Sequence[ShopEvent]:
    return (Disconnected("uninstalled"),)


def _store_erasure_events(_document: Json, _webhook: StoreWebhook) -> Sequence[ShopEvent]:
    """Sent 48 hours after the app was removed."""
    return (StoreErased(),)


PARSE = {
    **dict.fromkeys(
        ("orders_create", "orders_updated", "orders_cancelled", "orders_paid", "orders_fulfilled"), _order_events
    ),
    "orders_delete": _deletion_events,
    "orders_edited": _edit_events,
    "refunds_create": _refund_events,
    "customers_create": _customer_events,
    "customers_update": _customer_events,
    "customers_email_marketing_consent_update": _consent_events,
    "customers_merge": _merge_events,
    "customers_redact": _erasure_events,
    "customers_data_request": _request_events,
    "shop_redact": _store_erasure_events,
    "app_uninstalled": _end_events,
}
"""What is read of each topic; others say nothing."""
