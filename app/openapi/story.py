"""Story: what the fields of examples hold by their names, so that all examples tell of the same store and customer."""

from typing import Any

EXAMPLES_BY_NAME: dict[str, Any] = {
    # the customer
    "email": "ada@example.test",
    "external_id": "00042",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "language": "it",
    "marketing": "subscribed",
    "messageable": True,
    "suppressed": None,
    # the store
    "created_at": "2026-01-05T08:00:00Z",
    "currency": "EUR",
    "plan": "paid",
    "time_zone": "Europe/Rome",
    "platform": "shopify",
    "week_start": "monday",
    # boards and VIPs
    "rank_by": "total_spend",
    "time_frame": "last_month",
    # what a shop is asked and asks for
    "api_version_ends": "2027-10-01",
    # orders and rows
    "customer_id": "00042",
    "order_id": "1001",
    "test": False,
    # messages
    "kind": "marketing",
    "reason": None,
    "template": None,
    # lists
    "next_cursor": None,
}
"""The examples of answers."""

PARAMETERS_BY_NAME: dict[str, Any] = {
    "Idempotency-Key": "5f0c6d1e-spring-42",
    "address": "ada@example.test",
    "around": "cus_900042",
    "charset": "windows-1252",
    "columns": '{"Order number": "order_id", "Paid": "total"}',
    "compare": "previous",
    "dates": "dmy",
    "decimal": ",",
    "delimiter": ";",
    "domain": "shop.example",
    "dry_run": True,
    "email": "ada@example.test",
    "end": "2026-11-01",
    "external_id": "00042",
    "min_orders": 2,
    "min_spend": "100.00",
    "order_id": "1001",
    "platform": "shopify",
    "provider": "postmark",
    "q": "ada",
    "slug": "plan-required",
    "start": "2026-10-01",
    "token": "AAAAAAAAAAEAAAAAAA27qgAAAAAADbuHk3rT9wQb2xVn5yH8sLdE",
    "unattributed": True,
}
"""The examples of parameters; what is missing here shows its default, or the example of its type."""
