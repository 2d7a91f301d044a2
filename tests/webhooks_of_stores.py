"""Webhooks of stores: what Shopify and WooCommerce send, signed as they sign it."""

import base64
import hashlib
import hmac
import itertools
import json
from typing import Any

import httpx
from shop import Store

SECRET = "a-secret-of-the-shop"
DELIVERIES = (f"delivery-{number}" for number in itertools.count(1))


def signature(secret: str, body: bytes) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def shopify_headers(topic: str, body: bytes, secret: str = SECRET, **more: str) -> dict[str, str]:
    """The headers of a webhook of Shopify; further ones are named without their prefix."""
    own = {"Hmac-SHA256": signature(secret, body), "Topic": topic, "Webhook-Id": next(DELIVERIES)}
    own |= {name.replace("_", "-"): value for name, value in more.items()}
    return {f"X-Shopify-{name}": value for name, value in own.items()}


def woo_headers(topic: str, body: bytes, secret: str = SECRET, **more: str) -> dict[str, str]:
    own = {"Signature": signature(secret, body), "Topic": topic, "Delivery-ID": next(DELIVERIES)}
    own |= {name.replace("_", "-"): value for name, value in more.items()}
    return {f"X-WC-Webhook-{name}": value for name, value in own.items()}


HEADERS = {"shopify": shopify_headers, "woocommerce": woo_headers}


async def sent(store: Store, platform: str, topic: str, body: Any, secret: str = SECRET, **more: str) -> httpx.Response:
    """A webhook, signed with the secret."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = HEADERS[platform](topic, raw, secret, **more) | {"Content-Type": "application/json"}
    return await store.api.post(f"/webhooks/{store.source}/{platform}", content=raw, headers=headers)


def shopify_order(order_id: int, customer: int | None = 7, total: str = "40.00", **fields: Any) -> dict[str, Any]:
    """An order as Shopify's webhooks tell it, with only what is read of it."""
    money = {"amount": total, "currency_code": "EUR"}
    return {
        "id": order_id,
        "customer": {"id": customer, "first_name": "Ida", "last_name": "Marsh"} if customer else None,
        "email": "",
        "contact_email": None,
        "created_at": "2026-03-01T12:00:00+01:00",
        "processed_at": "2026-03-01T12:00:00+01:00",
        "updated_at": "2026-03-01T12:00:01+01:00",
        "total_price": total,
        "total_price_set": {"shop_money": money, "presentment_money": money},
        "currency": "EUR",
        "financial_status": "paid",
        "cancelled_at": None,
        "test": False,
        "line_items": [{"quantity": 2, "current_quantity": 2}],
        "refunds": [],
        **fields,
    }


def shopify_refund(refund_id: int, amount: str, order_id: int = 1) -> dict[str, Any]:
    """A refund as Shopify tells it, by itself or within its order."""
    return {
        "id": refund_id,
        "order_id": order_id,
        "transactions": [
            {"id": refund_id * 10, "kind": "refund", "status": "success", "amount": amount, "currency": None},
            {"id": refund_id * 10 + 1, "kind": "refund", "status": "failure", "amount": "1000.00"},
        ],
    }


def woo_order(order_id: int, total: str = "40.00", **fields: Any) -> dict[str, Any]:
    """An order as WooCommerce tells it, with only what is read of it."""
    return {
        "id": order_id,
        "number": f"A-{order_id}",
        "status": "completed",
        "currency": "EUR",
        "date_created": "2026-03-01T13:00:00",
        "date_created_gmt": "2026-03-01T12:00:00",
        "date_modified_gmt": "2026-03-01T12:00:01",
        "total": total,
        "customer_id": 7,
        "billing": {"first_name": "Ida", "last_name": "Marsh", "email": "IDA@shopper.example"},
        "refunds": [],
        "line_items": [{"quantity": 2}],
        **fields,
    }
