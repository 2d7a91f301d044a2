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
