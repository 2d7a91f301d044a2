"""Every operation: a request of each, for tests that walk over the OpenAPI document."""

import json
from typing import Any

import httpx
from postal import SENDER
from shop import Store, order

WORDS = {"subject": "Hello", "text": "A word."}


def requests(store: Store) -> dict[str, dict[str, Any]]:
    """A request of each operation that would be answered, where the key may."""
    return {
        **_about_accounts(store),
        **_about_sources(store),
        "readLeaderboard": {"params": store.board(time_frame="all_time")},
        "readVips": {"params": store.board()},
        "exportLeaderboard": {"params": store.board(time_frame="all_time")},
        "exportVips": {"params": store.board()},
        "previewVips": {"params": store.board()},
        "findCustomers": {"params": {"source": store.source}},
        "readCustomer": {"path": {"id": "cus_999"}},
        "exportCustomer": {"path": {"id": "cus_999"}},
        "changeCustomer": {"path": {"id": "cus_999"}, "json": {"marketing": "subscribed"}},
        "eraseCustomer": {"path": {"id": "cus_999"}},
        "storeCustomers": {"path": {"id": store.source}, "json": {"customers": [{"customer_id": "ada"}]}},
        "mergeCustomer": {"path": {"id": "cus_999"}, "json": {"into": "cus_998"}},
        "readSuppression": {"path": {"address": "nobody@example.test"}},
        "importSuppressions": {
            "content": "address\nnobody@example.test\n",
            "headers": {"Content-Type": "text/csv"},
        },
        "suppressAddress": {"path": {"address": "nobody@example.test"}, "json": {"reason": "left"}},
        "liftSuppression": {
            "path": {"address": "nobody@example.test"},
            "params": {"opted_in_at": "2026-03-01T00:00:00Z"},
        },
        "changeOwnAccount": {"json": {"sender": SENDER}},
        "sendMessage": {"json": WORDS | {"customer": "cus_999"}, "headers": {"Idempotency-Key": "one"}},
        "sendMessages": {"json": WORDS | {"to": {"customers": ["cus_999"]}}, "headers": {"Idempotency-Key": "many"}},
        "previewMessage": {"json": WORDS},
        "readMessage": {"path": {"id": "msg_999"}},
        "cancelMessage": {"path": {"id": "msg_999"}},
        "showUnsubscribe": {"path": {"token": "x"}},
        "unsubscribe": {"path": {"token": "x"}},
        "reportMail": {"path": {"provider": "postmark"}},
        "readProblem": {"path": {"slug": "not-found"}},
    }


def _about_accounts(store: Store) -> dict[str, dict[str, Any]]:
    """Requests about accounts, their keys, tokens and domains."""
    return {
        "createAccount": {"json": {"name": "More"}},
        "changeAccount": {"path": {"id": "acc_999"}, "json": {"plan": "free"}},
        "readAccountAsOperator": {"path": {"id": "acc_999"}},
        "deleteAccount": {"path": {"id": "acc_999"}},
        "readAccountDeletion": {"path": {"id": "acc_999"}},
        "createKeyAsOperator": {"path": {"id": "acc_999"}, "json": {"name": "k", "scopes": ["read"]}},
        "readAuditAsOperator": {"path": {"id": "acc_999"}},
        "grantDomain": {"path": {"id": "acc_999"}, "json": {"domain": "shop.example"}},
        "addDomain": {"json": {"domain": "shop.example"}},
        "verifyDomain": {"path": {"domain": "other.example"}},
        "removeDomain": {"path": {"domain": "other.example"}},
        "createKey": {"json": {"name": "k", "scopes": ["read"]}},
        "revokeKey": {"path": {"id": "key_999"}},
        "createToken": {"json": {"sources": [store.source], "operations": ["board"]}},
    }


def _about_sources(store: Store) -> dict[str, dict[str, Any]]:
    """Requests about audiences, sources, and what a source is sent."""
    row = order("1", "ada")
    return {
        "listImports": {"path": {"id": store.source}},
        "readImport": {"path": {"id": store.source, "import_id": "imp_999"}},
        "createAudience": {"json": {"name": "More"}},
        "readAudience": {"path": {"id": store.audience}},
        "changeAudience": {"path": {"id": store.audience}, "json": {"name": "Renamed"}},
        "deleteAudience": {"path": {"id": "aud_999"}},
        "listSources": {"params": {"audience": store.audience}},
        "connectSource": {
            "json": {
                "audience": store.audience,
                "name": "More",
                "platform": "custom",
                "currency": "EUR",
                "time_zone": "UTC",
            }
        },
        "deleteSource": {"path": {"id": "src_999"}},
        "readSourceDeletion": {"path": {"id": "src_999"}},
        "readSource": {"path": {"id": store.source}},
        "changeSource": {"path": {"id": store.source}, "json": {"name": "Renamed"}},
        "listInbox": {"path": {"id": store.source}},
        "readSetup": {"path": {"id": store.source}},
        "replayDelivery": {"path": {"id": store.source, "delivery": "inb_999"}},
        "receiveWebhook": {"path": {"source": store.source, "platform": "shopify"}, "content": "{}"},
        "storeOrders": {"path": {"id": store.source}, "json": {"orders": [row]}},
        "listOrders": {"path": {"id": store.source}},
        "readOrder": {"path": {"id": store.source, "order_id": "1"}},
        "deleteOrder": {"path": {"id": store.source, "order_id": "9"}},
        "importOrders": {
            "path": {"id": store.source},
            "content": json.dumps(row),
            "headers": {"Content-Type": "application/x-ndjson"},
        },
    }


async def call(
    api: httpx.AsyncClient, method: str, path: str, request: dict[str, Any], auth: dict[str, str]
) -> httpx.Response:
    request = dict(request)
    headers = request.pop("headers", {}) | auth
    return await api.request(method, path.format(**request.pop("path", {})), headers=headers, **request)
