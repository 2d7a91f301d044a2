"""Fake shops: real HTTP servers that answer as the APIs of WooCommerce and Shopify do.

Each holds its true orders. A test changes them, takes faults into `trouble`, and reads in `asked` what was asked.
"""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from conftest import serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

Answer = Response | None


@dataclass
class FakeShop:
    """What both have in common."""

    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    hooks: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    trouble: list[Response | Callable[[Request], Answer]] = field(default_factory=list)
    """Answers that the next requests get instead of their own; a callable may return None to let one pass."""
    url: str = ""
    currency: str = "EUR"
    seconds: float = 0
    """How long it thinks about an answer."""

    def in_trouble(self, request: Request) -> Answer:
        if not self.trouble:
            return None
        first = self.trouble[0]
        if isinstance(first, Response):
            return self.trouble.pop(0)
        answer = first(request)
        if answer is not None:
            self.trouble.pop(0)
        return answer


def slow_down(seconds: int) -> Response:
    return Response(status_code=429, headers={"Retry-After": str(seconds)})


def broken(status: int = 500) -> Response:
    return PlainTextResponse("nothing to see", status)


def truncated(body: bytes = b'{"data": {"orders": {"nodes": [{"legacyRes') -> Response:
    return Response(body, media_type="application/json")


# ---------------------------------------------------------------- WooCommerce


@dataclass
class FakeWoo(FakeShop):
    key: str = "ck_the_key"
    secret: str = "cs_the_secret"
    zone: str = "Europe/Rome"

    @property
    def credentials(self) -> dict[str, str]:
        return {"url": self.url, "consumer_key": self.key, "consumer_secret": self.secret}

    def answer(self, request: Request) -> Response:
        self.asked.append(f"{request.method} {request.url.path}?{request.url.query}")
        trouble = self.in_trouble(request)
        if trouble is not None:
            return trouble
        if request.query_params.get("oauth_consumer_key") != self.key and not self.is_basic(request):
            return JSONResponse({"code": "woocommerce_rest_cannot_view"}, 401)
        path = request.url.path.removeprefix("/wp-json")
        if path in {"", "/"}:
            return JSONResponse(
                {"name": "Bottega &amp; Figli", "url": "https://bottega.example", "timezone_string": self.zone}
            )
        if path == "/wc/v3/data/currencies/current":
            return JSONResponse({"code": self.currency})
        if path == "/wc/v3/orders":
            return self.page(request)
        return JSONResponse({"code": "rest_no_route"}, 404)

    def is_basic(self, request: Request) -> bool:
        pair = base64.b64encode(f"{self.key}:{self.secret}".encode()).decode()
        return request.headers.get("authorization") == f"Basic {pair}"

    def page(self, request: Request) -> Response:
        query = request.query_params
        if "include" in query:
            wanted = {int(each) for each in query["include"].split(",")}
            return JSONResponse([self.orders[each] for each in sorted(wanted & {*self.orders}) if self.is_any(each)])
        trashed = query.get("status") == "trash"
        found = [each for number, each in self.orders.items() if self.is_any(number) is not trashed]
        after = query.get("modified_after", "")
        found = [each for each in found if each["date_modified_gmt"] > after]
        found.sort(key=lambda each: (each["date_modified_gmt"], each["id"]))
        size = int(query["per_page"])
        begin = (int(query["page"]) - 1) * size
        return JSONResponse(found[begin : begin + size], headers={"X-WP-Total": str(len(found))})

    def is_any(self, number: int) -> bool:
        return bool(self.orders[number]["status"] != "trash")

    async def serve_hooks(self, request: Request) -> Response:
        self.asked.append(f"{request.method} {request.url.path}")
        trouble = self.in_trouble(request)
        if trouble is not None:
            return trouble
        if request.method == "GET":
            return JSONResponse(self.hooks)
        if request.method == "DELETE":
            is_forced = request.query_params.get("force") == "true"  # webhooks have no trash
            gone = [each for each in self.hooks if is_forced and each["id"] == int(request.path_params["id"])]
            self.hooks = [each for each in self.hooks if each not in gone]
            return JSONResponse(gone[0] if gone else {}, 200 if gone else 501)
        given = json.loads(await request.body())
        if request.method == "PUT":
            hook = next(each for each in self.hooks if each["id"] == int(request.path_params["id"]))
            hook |= given
            return JSONResponse(hook)
        self.hooks.append({"id": max((each["id"] for each in self.hooks), default=0) + 1, **given})
        return JSONResponse(self.hooks[-1], 201)


@asynccontextmanager
async def fake_woo() -> AsyncIterator[FakeWoo]:
    shop = FakeWoo()

    async def answer(request: Request) -> Response:
        await asyncio.sleep(shop.seconds)
        return shop.answer(request)

    hooks = "/wp-json/wc/v3/webhooks"
    app = Starlette(
        routes=[
            Route(hooks, shop.serve_hooks, methods=["GET", "POST"]),
            Route(f"{hooks}/{{id}}", shop.serve_hooks, methods=["PUT", "DELETE"]),
            Route("/wp-json{path:path}", answer),
        ]
    )
    async with serving(app) as url:
        shop.url = url
        yield shop


# ---------------------------------------------------------------- Shopify


@dataclass
class FakeShopify(FakeShop):
    client_id: str = "the-client"
    client_secret: str = "shpss_the_secret"
    tokens: int = 0
    made: int = 0
    good_tokens: set[str] = field(default_factory=set)
    given: list[str] = field(default_factory=list)
    scopes: tuple[str, ...] = ("read_orders", "read_all_orders", "read_customers")
    bulk: dict[str, Any] = field(default_factory=lambda: {"works": True, "polls": 1})
    page_size: int = 100

    @property
    def credentials(self) -> dict[str, str]:
        return {"shop": self.url, "client_id": self.client_id, "client_secret": self.client_secret}

    async def give_token(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        if form.get("client_secret") != [self.client_secret]:
            return JSONResponse({"error": "invalid_client"}, 401)
        self.tokens += 1
        token = f"shpat_given_for_a_day_{self.tokens}"
        self.good_tokens = {token}
        self.given.append(token)
        return JSONResponse({"access_token": token, "scope": "read_orders", "expires_in": 86399})

    async def graphql(self, request: Request) -> Response:
        body = json.loads(await request.body())
        query, variables = body["query"], body["variables"]
        name = next(each for each in QUERIES if each in query)
        self.asked.append(name)
        trouble = self.in_trouble(request)
        if trouble is not None:
            return trouble
        if request.headers.get("x-shopify-access-token") not in self.good_tokens:
            return JSONResponse({"errors": "[API] Invalid API key or access token"}, 401)
        data = getattr(self, QUERIES[name])(variables)
        if isinstance(data, Response):
            return data
        cost = {"requestedQueryCost": 10, "throttleStatus": {"currentlyAvailable": 1990, "restoreRate": 100}}
        return JSONResponse({"data": data, "extensions": {"cost": cost}})

    def check(self, _variables: Any) -> Any:
        shop = {"name": "Bottega", "currencyCode": self.currency, "ianaTimezone": "Europe/Rome"}
        shop["primaryDomain"] = {"url": "https://bottega.example"}
        return {"shop": shop, "currentAppInstallation": {"accessScopes": [{"handle": each} for each in self.scopes]}}

    def subscriptions(self, _variables: Any) -> Any:
        return {"webhookSubscriptions": {"nodes": self.hooks}}

    def subscribe(self, variables: Any) -> Any:
        self.made += 1
        gid = f"gid://shopify/WebhookSubscription/{self.made}"
        self.hooks.append({"id": gid, "topic": variables["topic"], "uri": variables["uri"]})
        return {"webhookSubscriptionCreate": {"userErrors": []}}

    def unsubscribe(self, variables: Any) -> Any:
        self.hooks = [each for each in self.hooks if each["id"] != variables["id"]]
        return {"webhookSubscriptionDelete": {"userErrors": []}}

    def count(self, _variables: Any) -> Any:
        return {"ordersCount": {"count": len(self.orders)}}

    def by_id(self, variables: Any) -> Any:
        ids = [int(each.rpartition("/")[2]) for each in variables["ids"]]
        return {"nodes": [self.orders.get(each) for each in ids]}

    def page(self, variables: Any) -> Any:
        found = sorted(self.orders.values(), key=lambda each: (each["updatedAt"], each["legacyResourceId"]))
        since = re.search(r"updated_at:>='([^']+)'", variables["query"] or "")
        if since:
            found = [each for each in found if moment(each["updatedAt"]) >= moment(since[1])]
        begin = int(variables["after"] or 0)
        nodes = found[begin : begin + min(self.page_size, variables["first"])]
        end = begin + len(nodes)
        return {"orders": {"nodes": nodes, "pageInfo": {"hasNextPage": end < len(found), "endCursor": str(end)}}}

    def start_bulk(self, _variables: Any) -> Any:
        if not self.bulk["works"]:
            return {"bulkOperationRunQuery": {"bulkOperation": None, "userErrors": [{"message": "five at once"}]}}
        return {"bulkOperationRunQuery": {"bulkOperation": {"id": "gid://shopify/BulkOperation/7"}, "userErrors": []}}

    def bulk_state(self, _variables: Any) -> Any:
        if self.bulk["polls"] > 0:
            self.bulk["polls"] -= 1
            return {"node": {"status": "RUNNING", "url": None, "partialDataUrl": None}}
        node = {"status": self.bulk.get("status", "COMPLETED"), "url": f"{self.url}/bulk.jsonl", "partialDataUrl": None}
        if node["status"] != "COMPLETED":
            node |= {"url": None, "partialDataUrl": f"{self.url}/bulk.jsonl"}
        return {"node": node}

    async def bulk_result(self, request: Request) -> Response:
        self.asked.append("bulk result")
        trouble = self.in_trouble(request)
        if trouble is not None:
            return trouble
        lines = []
        for number, order in self.orders.items():
            gid = f"gid://shopify/Order/{number}"
            lines += [{"id": gid, **order}, {"id": "gid://shopify/LineItem/1", "quantity": 2, "__parentId": gid}]
        whole = "\n".join(map(json.dumps, lines)) + "\n"
        return Response(whole[: self.bulk.get("cut_at", len(whole))], media_type="application/jsonl")


QUERIES = {
    "currentAppInstallation": "check",
    "webhookSubscriptions(": "subscriptions",
    "webhookSubscriptionCreate": "subscribe",
    "webhookSubscriptionDelete": "unsubscribe",
    "ordersCount": "count",
    "nodes(ids": "by_id",
    "sortKey: UPDATED_AT": "page",
    "bulkOperationRunQuery": "start_bulk",
    "on BulkOperation": "bulk_state",
}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@asynccontextmanager
async def fake_shopify() -> AsyncIterator[FakeShopify]:
    shop = FakeShopify()
    app = Starlette(
        routes=[
            Route("/admin/oauth/access_token", shop.give_token, methods=["POST"]),
            Route("/admin/api/{version}/graphql.json", shop.graphql, methods=["POST"]),
            Route("/bulk.jsonl", shop.bulk_result),
        ]
    )
    async with serving(app) as url:
        shop.url = url
        yield shop


def pulled_form(order: dict[str, Any]) -> dict[str, Any]:
    """An order of Shopify's webhooks as its GraphQL API shows it."""
    money = order["total_price_set"]["shop_money"]
    customer = order["customer"]
    return {
        "legacyResourceId": str(order["id"]),
        "email": order["email"] or None,
        "createdAt": order["created_at"],
        "processedAt": order["processed_at"],
        "updatedAt": order["updated_at"],
        "cancelledAt": order["cancelled_at"],
        "test": order["test"],
        "displayFinancialStatus": order["financial_status"].upper(),
        "customerLocale": order.get("customer_locale"),
        "discountCodes": [each["code"] for each in order.get("discount_codes", [])],
        "currentSubtotalLineItemsQuantity": sum(each["current_quantity"] for each in order["line_items"]),
        "totalPriceSet": {"shopMoney": {"amount": money["amount"], "currencyCode": money["currency_code"]}},
        "customer": {
            "legacyResourceId": str(customer["id"]),
            "firstName": customer["first_name"],
            "lastName": customer["last_name"],
            "defaultEmailAddress": None,
        }
        if customer
        else None,
        "billingAddress": None,
        "refunds": [
            {
                "legacyResourceId": str(each["id"]),
                "totalRefundedSet": {"shopMoney": {"amount": each["transactions"][0]["amount"]}},
            }
            for each in order["refunds"]
        ],
    }
