"""Shopify Admin API: how it is asked: its address, its tokens, its queries and what they cost."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from urllib.parse import urlencode

from app.sources.connector import (
    Json,
    LoginRefusedError,
    PulledPage,
    ShopAccess,
    ShopToken,
    StoreWebhook,
    TryLaterError,
    checked_answer,
    objects_in,
    text_in,
    whole_number,
)
from app.web.calls import CallFailedError, WebAnswer

API_VERSION = "2026-10"
SHOP_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}\.myshopify\.com", re.ASCII)
LONGEST_THROTTLE_SECONDS = 30.0
TOKEN_MARGIN = timedelta(minutes=5)
PAGES, BULK = "pages ", "bulk "
ORDERS_AT_ONCE = 100
BULK_ORDERS_AT_ONCE = 250
BULK_POLL_SECONDS = 2.0
UNAUTHORIZED, REFUSED_TOKEN = 401, {400, 401, 403}


CHECK = """{
    shop { name currencyCode ianaTimezone primaryDomain { url } }
    currentAppInstallation { accessScopes { handle } }
}"""
SUBSCRIPTIONS = "{ webhookSubscriptions(first: 250) { nodes { id topic uri } } }"
SUBSCRIBE = """mutation ($topic: WebhookSubscriptionTopic!, $uri: String!) {
    webhookSubscriptionCreate(topic: $topic, webhookSubscription: {uri: $uri, format: JSON}) { userErrors { message } }
}"""
CANCEL_SUBSCRIPTION = "mutation ($id: ID!) { webhookSubscriptionDelete(id: $id) { userErrors { message } } }"
ORDER = """
    legacyResourceId email createdAt processedAt updatedAt cancelledAt test displayFinancialStatus customerLocale
    discountCodes currentSubtotalLineItemsQuantity totalPriceSet { shopMoney { amount currencyCode } }
    customer { legacyResourceId firstName lastName defaultEmailAddress { emailAddress } }
    billingAddress { firstName lastName }
    refunds { legacyResourceId totalRefundedSet { shopMoney { amount } } }
"""
ORDER_PAGE = f"""query ($first: Int!, $after: String, $query: String) {{
    orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{
        nodes {{ {ORDER} }}
        pageInfo {{ hasNextPage endCursor }}
    }}
}}"""
ORDERS_BY_ID = f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Order {{ {ORDER} }} }} }}"
COUNT_ORDERS = "{ ordersCount(limit: null) { count } }"
START_BULK = """mutation ($query: String!) {
    bulkOperationRunQuery(query: $query) { bulkOperation { id } userErrors { message } }
}"""
ALL_ORDERS = f"{{ orders {{ edges {{ node {{ id {ORDER} }} }} }} }}"
BULK_STATE = "query ($id: ID!) { node(id: $id) { ... on BulkOperation { status url partialDataUrl } } }"


def admin_url(access: ShopAccess) -> str:
    """Where the shop's API is; a host that the operator allows may be named with its scheme."""
    shop = access.credentials["shop"].strip().lower().rstrip("/")
    if SHOP_NAME.fullmatch(shop.removeprefix("https://")):
        return f"https://{shop.removeprefix('https://')}/admin"
    if not access.web.guard.allows(shop):
        raise CallFailedError("not_a_shop")
    return f"{shop}/admin"


async def ask_admin(access: ShopAccess, query: str, /, **variables: object) -> Json:
    """The data of an answer of the GraphQL API; waits where the cost asks for it, and renews the token once."""
    for is_last in (False, True):
        token = await _token(access)
        content = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json", "X-Shopify-Access-Token": token}
        url = f"{admin_url(access)}/api/{API_VERSION}/graphql.json"
        answer = await access.web.call("POST", url, content=content, headers=headers)
        if answer.status == UNAUTHORIZED and "client_id" in access.credentials and not is_last:
            access.token = None
            continue
        return await _data_of(answer)
    raise LoginRefusedError


async def _data_of(answer: WebAnswer) -> Json:
    read = checked_answer(answer).json()
    if not isinstance(read, dict):
        raise CallFailedError("unexpected_answer")
    pause = _pause_for_cost(read)
    codes = {text_in(each, "extensions", "code") for each in objects_in(read, "errors")}
    if "THROTTLED" in codes:
        raise TryLaterError(max(1, ceil(pause)))
    data = read.get("data")
    if not isinstance(data, dict) or (codes and not any(data.values())):
        raise LoginRefusedError if "ACCESS_DENIED" in codes else CallFailedError("refused_query")
    if pause:
        await asyncio.sleep(min(pause, LONGEST_THROTTLE_SECONDS))
    return data


def _pause_for_cost(read: Json) -> float:
    """How long to wait until the next request of the same cost can be paid."""
    cost = objects_in({"cost": [read.get("extensions", {}).get("cost")]}, "cost")
    if not cost:
        return 0.0
    status = cost[0].get("throttleStatus") or {}
    needed = _number(cost[0].get("requestedQueryCost")) - _number(status.get("currentlyAvailable"))
    return max(0.0, needed / (_number(status.get("restoreRate")) or 50.0))


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0


async def _token(access: ShopAccess) -> str:
    """A token of the app, which lives for a day, or the one that was given."""
    credentials = access.credentials
    if "access_token" in credentials:
        return credentials["access_token"]
    if access.token is None or access.token.expires_at - TOKEN_MARGIN < access.clock():
        form = {name: credentials[name] for name in ("client_id", "client_secret")}
        content = urlencode(form | {"grant_type": "client_credentials"}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await access.web.call(
            "POST", f"{admin_url(access)}/oauth/access_token", content=content, headers=headers
        )
        if answer.status in REFUSED_TOKEN:
            raise LoginRefusedError
        given = checked_answer(answer).json()
        value, seconds = text_in(given, "access_token"), whole_number(given.get("expires_in"))
        if not value:
            raise CallFailedError("unexpected_answer")
        access.token = ShopToken(value, access.clock() + timedelta(seconds=seconds or 3600))
    return access.token.value


# ---------------------------------------------------------------- orders in its answers


def pulled_order(order: Json) -> StoreWebhook:
    """An order of the GraphQL API as the webhook that would tell it."""
    money = order.get("totalPriceSet") or {}
    shop_money = {
        "amount": text_in(money, "shopMoney", "amount"),
        "currency_code": text_in(money, "shopMoney", "currencyCode"),
    }
    customer, billing = order.get("customer"), order.get("billingAddress")
    document = {
        "id": text_in(order, "legacyResourceId"),
        "email": text_in(order, "email"),
        "customer": _pulled_customer(customer) if isinstance(customer, dict) else None,
        "billing_address": _pulled_names(billing) if isinstance(billing, dict) else None,
        "created_at": text_in(order, "createdAt"),
        "processed_at": text_in(order, "processedAt"),
        "updated_at": text_in(order, "updatedAt"),
        "cancelled_at": text_in(order, "cancelledAt"),
        "test": order.get("test"),
        "financial_status": text_in(order, "displayFinancialStatus").lower(),
        "customer_locale": text_in(order, "customerLocale"),
        "discount_codes": [{"code": each} for each in order.get("discountCodes") or [] if isinstance(each, str)],
        "line_items": [{"current_quantity": whole_number(order.get("currentSubtotalLineItemsQuantity"))}],
        "total_price_set": {"shop_money": shop_money},
        "currency": shop_money["currency_code"],
        "refunds": [_pulled_refund(each) for each in objects_in(order, "refunds")],
    }
    return as_hook("orders/updated", document)


def _pulled_names(person: Json) -> Json:
    return {"first_name": text_in(person, "firstName"), "last_name": text_in(person, "lastName")}


def _pulled_customer(customer: Json) -> Json:
    found = {
        "id": text_in(customer, "legacyResourceId"),
        "email": text_in(customer, "defaultEmailAddress", "emailAddress"),
    }
    return found | _pulled_names(customer)


def _pulled_refund(refund: Json) -> Json:
    amount = text_in(refund, "totalRefundedSet", "shopMoney", "amount") or "0"
    return {
        "id": text_in(refund, "legacyResourceId"),
        "transactions": [{"kind": "refund", "status": "success", "amount": amount}],
    }


def as_hook(topic: str, document: Json) -> StoreWebhook:
    """A document as a webhook of this topic would bring it."""
    return StoreWebhook({"x-shopify-topic": topic}, json.dumps(document).encode())


# ---------------------------------------------------------------- pulling


async def order_pages(access: ShopAccess, since: datetime | None, after: str) -> AsyncIterator[PulledPage]:
    query = f"updated_at:>='{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'" if since else None
    while True:
        answered = await ask_admin(access, ORDER_PAGE, first=ORDERS_AT_ONCE, after=after or None, query=query)
        page = answered.get("orders")
        after = text_in(page, "pageInfo", "endCursor") or after
        yield PulledPage([*map(pulled_order, objects_in(page, "nodes"))], f"{PAGES}{after}")
        if not (
            isinstance(page, dict) and isinstance(page.get("pageInfo"), dict) and page["pageInfo"].get("hasNextPage")
        ):
            return


async def read_orders_by_id(access: ShopAccess, order_ids: Sequence[str]) -> PulledPage:
    ids = [f"gid://shopify/Order/{each}" for each in order_ids if each.isascii() and each.isdigit()]
    answered = await ask_admin(access, ORDERS_BY_ID, ids=ids)
    found = objects_in(answered, "nodes")
    gone = {*order_ids} - {text_in(each, "legacyResourceId") for each in found}
    return PulledPage([*map(pulled_order, found), *(as_hook("orders/delete", {"id": each}) for each in sorted(gone))])


async def bulk(access: ShopAccess, cursor: str) -> AsyncIterator[PulledPage]:
    """The lines of a bulk operation from where the cursor says; ends with a cursor of pages where it fails."""
    operation, _, line = cursor.removeprefix(BULK).partition(" ")
    if not operation:
        counted = await ask_admin(access, COUNT_ORDERS)
        started = await ask_admin(access, START_BULK, query=ALL_ORDERS)
        operation = text_in(started, "bulkOperationRunQuery", "bulkOperation", "id")
        yield PulledPage((), f"{BULK}{operation} 0" if operation else PAGES, _count_in(counted))
    if not operation:
        return
    while True:
        state = (await ask_admin(access, BULK_STATE, id=operation)).get("node")
        status, url = text_in(state, "status"), text_in(state, "url")
        if status not in {"CREATED", "RUNNING"}:
            break
        yield PulledPage((), f"{BULK}{operation} {whole_number(line)}")
        await asyncio.sleep(BULK_POLL_SECONDS)
    for address in filter(None, (url, text_in(state, "partialDataUrl"))):
        try:
            async for page in _bulk_lines(access, address, operation, whole_number(line)):
                yield page
        except (
            CallFailedError
        ):  # the address of a result expires, and a download may break off: pages have no end of life
            status = "FAILED"
    if status != "COMPLETED":
        yield PulledPage((), PAGES)


def _count_in(counted: Json) -> int | None:
    return whole_number(text_in(counted, "ordersCount", "count")) or None


async def _bulk_lines(access: ShopAccess, url: str, operation: str, skipped: int) -> AsyncIterator[PulledPage]:
    """Orders of a result, each with the lines of its children behind it."""
    orders: list[Json] = []
    number = 0
    async with access.web.lines(url) as lines:
        async for line in lines:
            read = _order_in(line)
            if read is None:
                continue
            number += 1
            if number <= skipped:
                continue
            if len(orders) >= BULK_ORDERS_AT_ONCE:
                yield PulledPage([*map(pulled_order, orders)], f"{BULK}{operation} {number - 1}")
                orders = []
            orders.append(read)
    yield PulledPage([*map(pulled_order, orders)], f"{BULK}{operation} {number}")


def _order_in(line: bytes) -> Json | None:
    """The order of a line; None for a child of one, because all that is read of an order stands in its own line."""
    try:
        read = json.loads(line, parse_float=str) if line.strip() else None
    except (ValueError, RecursionError):
        raise CallFailedError("not_json") from None
    return read if isinstance(read, dict) and "__parentId" not in read else None
