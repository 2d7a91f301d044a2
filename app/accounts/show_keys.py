"""Showing keys: the keys and the audit log of an account, shown alike to its admins and to the operator."""

import json
from datetime import datetime

from fastapi import Request, Response

from app.accounts.access import credential_of
from app.accounts.answer_once import Done, Secret, answer_once, unquoted
from app.accounts.api_key import derived_key, fresh_key
from app.accounts.audit import LAST_ENTRY, SELECT_AUDIT_ENTRIES, AuditRow
from app.accounts.keys import store_key
from app.accounts.schemas import AuditEntry, AuditPage, Key, KeyPage, NewKey, OpenedKey
from app.accounts.statements import SELECT_KEYS, KeyRow
from app.database.pools import Connection
from app.database.rows import all_rows
from app.vocabulary import Scope
from app.wire.ids import public_id
from app.wire.instants import rfc3339
from app.wire.pages import Listing

CREATE_KEY = "createKey"


async def answer_with_key(
    conn: Connection, account_id: int, new: NewKey, by: str, request: Request, now: datetime, named: str | None
) -> Response:
    """Create a key of the account and show it; a repeat with the same Idempotency-Key, `named`, shows the same key."""
    made = fresh_key(account_id)
    if named is not None:
        made = derived_key(account_id, credential_of(request), f"{CREATE_KEY} {unquoted(named)}")
    scopes = [scope for scope in Scope if scope in new.scopes]

    async def create() -> Done:
        key_id = await store_key(conn, account_id, made, new.name, scopes, by, now)
        shown = {"id": public_id("key", key_id), "name": new.name, "scopes": scopes, "created_at": rfc3339(now)}
        return Done(OpenedKey(**shown, key=made))

    return await answer_once(conn, account_id, CREATE_KEY, named, new, now, create, secret=Secret("key", made))


async def key_page(conn: Connection, account_id: int, listing: Listing) -> KeyPage:
    """The keys that are not revoked, oldest first."""
    bound = {"account_id": account_id, "after": listing.start([0])[0], "limit": listing.page.limit + 1}
    rows = await all_rows(conn, SELECT_KEYS, bound, KeyRow)
    items, next_cursor = listing.cut(rows, lambda row: [row.id])
    return KeyPage(items=[key_of(row) for row in items], next_cursor=next_cursor)


def key_of(row: KeyRow) -> Key:
    """A key as it is shown."""
    return Key(id=public_id("key", row.id), name=row.name, scopes=row.scopes, created_at=rfc3339(row.created_at))


async def audit_page(conn: Connection, account_id: int, listing: Listing) -> AuditPage:
    """The audit log, newest first."""
    bound = {"account_id": account_id, "before": listing.start([LAST_ENTRY])[0], "limit": listing.page.limit + 1}
    rows = await all_rows(conn, SELECT_AUDIT_ENTRIES, bound, AuditRow)
    shown, next_cursor = listing.cut(rows, lambda row: [row.id])
    items = [AuditEntry(at=rfc3339(row.at), by=row.by, action=row.action, about=json.loads(row.about)) for row in shown]
    return AuditPage(items=items, next_cursor=next_cursor)
