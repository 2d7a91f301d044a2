"""Nouns: what can be created can be read, listed, changed and deleted; every gap has a reason."""

import re
from typing import Any

from answers import operations

VERBS = {
    "create": (("POST", "collection"), ("PUT", "item")),
    "list": (("GET", "collection"),),
    "read": (("GET", "item"),),
    "change": (("PATCH", "item"), ("PUT", "item")),
    "delete": (("DELETE", "item"),),
}
"""The verbs, and the methods that do them on the path of a collection or of one of its items."""

NO_NOUNS = {
    "/problems": "pages that explain errors",
    "/unsubscribe": "the links in mails",
    "/webhooks/mail": "what providers call",
    "/webhooks/{source}": "what stores call",
}
"""Paths that end with a parameter and are about no noun of the product."""

GAPS = {
    ("/account/domains", "read"): "the list shows all of a domain",
    ("/account/domains", "change"): "a domain is looked up or removed, nothing else of it changes",
    ("/account/keys", "read"): "the list shows all that may be shown of a key",
    ("/account/keys", "change"): "what a key may do never changes: make another, then revoke it",
    ("/customers", "create"): "they come with orders, by `POST /sources/{id}/customers` or in a file",
    ("/messages", "change"): "a queued message is cancelled and written anew",
    ("/sources/{id}/imports", "change"): "an import is what has happened",
    ("/sources/{id}/imports", "delete"): "it goes with its store, and its refused rows after 30 days",
    ("/sources/{id}/orders", "change"): "a newer version of the order is sent, which changes it",
}
"""What cannot be done, and why."""


def collections(document: dict[str, Any]) -> set[str]:
    """The paths whose items have a path of their own."""
    items = (path for _, path, _ in operations(document) if path.endswith("}"))
    return {re.sub(r"/\{[^/]*\}$", "", path) for path in items} - {*NO_NOUNS}


async def test_every_noun_can_be_created_read_listed_changed_and_deleted_or_the_gap_is_named(document):
    known = {(method, re.sub(r"/\{[^/]*\}$", "/{}", path)) for method, path, _ in operations(document)}

    def can(noun: str, verb: str) -> bool:
        return any((method, noun if on == "collection" else f"{noun}/{{}}") in known for method, on in VERBS[verb])

    nouns = collections(document)
    assert {"/accounts", "/audiences", "/sources", "/customers", "/messages"} <= nouns
    assert {(noun, verb) for noun in nouns for verb in VERBS if not can(noun, verb)} == {*GAPS}
    assert {*NO_NOUNS} <= {re.sub(r"/\{[^/]*\}$", "", path) for _, path, _ in operations(document)}
