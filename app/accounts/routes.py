"""Account routes: accounts for the operator, keys for their admins."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.accounts import statements
from app.accounts.access import Admin, AnyKey, Caller, Operator
from app.accounts.api_key import fresh_key, hash_of
from app.accounts.guarded_route import GuardedRoute
from app.accounts.open_account import open_account
from app.accounts.schemas import (
    Account,
    AccountChange,
    Key,
    KeyPage,
    Me,
    NewAccount,
    NewKey,
    OpenedAccount,
    OpenedKey,
    OwnChange,
    Pause,
    Sender,
)
from app.accounts.statements import AccountRow, AccountWithSender, KeyRow
from app.database.pools import ReadConn, WriteConn
from app.database.rows import all_rows, first_row, one_row
from app.problems import NotFound, Problem, documented
from app.vocabulary import Scope
from app.wire.ids import PublicId, public_id
from app.wire.instants import Now, rfc3339
from app.wire.pages import Listing, PageQuery

router = APIRouter(route_class=GuardedRoute, tags=["accounts"])


class UnknownAccount(NotFound):
    """There is no such account."""

    slug = "unknown-account"
    title = "No such account"


class UnknownKey(NotFound):
    """There is no such key, or it is revoked."""

    slug = "unknown-key"
    title = "No such key"


class LastAdminKey(Problem):
    """This is the account's last key with the scope `admin`; create another one before you revoke it."""

    slug = "last-admin-key"
    title = "The last admin key stays"
    status = 409


AccountId = Annotated[int, Path(alias="id"), PublicId("acc", UnknownAccount)]
KeyId = Annotated[int, Path(alias="id"), PublicId("key", UnknownKey)]


@router.post(
    "/accounts",
    status_code=201,
    operation_id="createAccount",
)
async def create_account(new: NewAccount, _operator: Operator, conn: WriteConn, now: Now) -> OpenedAccount:
    """Open an account; its first key has every scope and is shown only in this answer."""
    account_id, key = await open_account(conn, new.name, new.plan, now)
    return OpenedAccount(
        id=public_id("acc", account_id), name=new.name, plan=new.plan, created_at=rfc3339(now), api_key=key
    )


@router.patch(
    "/accounts/{id}",
    operation_id="changeAccount",
)
async def change_account(account_id: AccountId, change: AccountChange, _operator: Operator, conn: WriteConn) -> Account:
    """Change an account's plan; the change takes effect within 5 seconds."""
    row = await first_row(conn, statements.SET_PLAN, {"account_id": account_id, "plan": change.plan}, AccountRow)
    if row is None:
        raise UnknownAccount
    return Account(id=public_id("acc", row.id), name=row.name, plan=row.plan, created_at=rfc3339(row.created_at))


@router.get("/account", operation_id="readAccount")
async def read_account(caller: AnyKey, conn: ReadConn, now: Now) -> Me:
    """Show the account, the key of this call with its scopes, and the sender of e-mails."""
    account = {"account_id": caller.account_id}
    return me(caller, await one_row(conn, statements.SELECT_ACCOUNT_WITH_SENDER, account, AccountWithSender), now)


@router.patch(
    "/account",
    operation_id="changeOwnAccount",
)
async def change_own_account(change: OwnChange, caller: Admin, conn: WriteConn, now: Now) -> Me:
    """Set the sender of the account's e-mails; this also ends a pause after a refused login."""
    account = {"account_id": caller.account_id}
    await conn.execute(statements.UPSERT_SENDER, account | change.sender.model_dump() | {"now": now})
    return me(caller, await one_row(conn, statements.SELECT_ACCOUNT_WITH_SENDER, account, AccountWithSender), now)


def me(caller: Caller, row: AccountWithSender, now: datetime) -> Me:
    """The account, as callers with one of its keys see it."""
    pause = None
    if row.paused_until is not None and row.paused_until > now:
        pause = Pause(until=rfc3339(row.paused_until), because=row.paused_because or "")
    return Me(
        id=public_id("acc", row.id),
        name=row.name,
        plan=row.plan,
        created_at=rfc3339(row.created_at),
        key=public_id("key", caller.key_id),
        scopes=[scope for scope in Scope if scope in caller.scopes],
        sender=Sender.model_construct(**{name: getattr(row, f"sender_{name}") for name in Sender.model_fields})
        if row.sender_email is not None
        else None,
        sending_paused=pause,
    )


def key_of(row: KeyRow) -> Key:
    """A key as it is shown."""
    return Key(id=public_id("key", row.id), name=row.name, scopes=row.scopes, created_at=rfc3339(row.created_at))


@router.get(
    "/account/keys",
    operation_id="listKeys",
)
async def list_keys(
    caller: Admin, conn: ReadConn, request: Request, response: Response, page: Annotated[PageQuery, Query()]
) -> KeyPage:
    """List the keys that are not revoked, oldest first."""
    listing = Listing(request, response, caller.cursor_secret, "keys", page)
    bound = {"account_id": caller.account_id, "after": listing.start([0])[0], "limit": page.limit + 1}
    rows = await all_rows(conn, statements.SELECT_KEYS, bound, KeyRow)
    items, next_cursor = listing.cut(rows, lambda row: [row.id])
    return KeyPage(items=[key_of(row) for row in items], next_cursor=next_cursor)


@router.post(
    "/account/keys",
    status_code=201,
    operation_id="createKey",
)
async def create_key(new: NewKey, caller: Admin, conn: WriteConn, now: Now) -> OpenedKey:
    """Create a key; it is shown only in this answer."""
    key = fresh_key(caller.account_id)
    scopes = [scope for scope in Scope if scope in new.scopes]
    stored = {"account_id": caller.account_id, "name": new.name, "scopes": scopes, "hash": hash_of(key), "now": now}
    key_id = (await conn.execute(statements.INSERT_KEY, stored)).scalar_one()
    return OpenedKey(id=public_id("key", key_id), name=new.name, scopes=scopes, created_at=rfc3339(now), key=key)


@router.delete(
    "/account/keys/{id}",
    status_code=204,
    operation_id="revokeKey",
    responses=documented(LastAdminKey),
)
async def revoke_key(key_id: KeyId, caller: Admin, conn: WriteConn, now: Now) -> None:
    """Revoke a key; it stops working within 5 seconds."""
    account = {"account_id": caller.account_id}
    await conn.execute(statements.LOCK_ACCOUNT, account)
    rows = await all_rows(conn, statements.SELECT_KEYS, account | {"after": 0, "limit": None}, KeyRow)
    live = {row.id: row.scopes for row in rows}
    if key_id not in live:
        raise UnknownKey
    if not any(Scope.ADMIN in scopes for other, scopes in live.items() if other != key_id):
        raise LastAdminKey
    await conn.execute(statements.REVOKE_KEY, account | {"key_id": key_id, "now": now})
