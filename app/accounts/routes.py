"""Account routes: accounts for the operator, keys for their admins."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.accounts import keys, senders
from app.accounts.access import (
    Admin,
    AnyKey,
    Caller,
    GuardedRoute,
    KeyRequired,
    Operator,
    Scope,
    ScopeRequired,
)
from app.accounts.api_key import fresh_key, hash_of
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
from app.database.pools import ReadConn, WriteConn
from app.problems import InvalidRequest, NotFound, Problem, UnreadableBody, documented
from app.wire.ids import PublicId, public_id
from app.wire.instants import Now, rfc3339
from app.wire.pages import Cursor, InvalidCursor, link_next, seal, unseal

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


AccountId = Annotated[int, PublicId("acc", UnknownAccount)]
KeyId = Annotated[int, PublicId("key", UnknownKey)]


@router.post(
    "/accounts",
    status_code=201,
    operation_id="createAccount",
    responses=documented(KeyRequired, UnreadableBody, InvalidRequest),
)
async def create_account(new: NewAccount, _operator: Operator, conn: WriteConn, now: Now) -> OpenedAccount:
    """Open an account; its first key has every scope and is shown this once."""
    account_id, key = await open_account(conn, new.name, new.plan, now)
    return OpenedAccount(
        id=public_id("acc", account_id), name=new.name, plan=new.plan, created_at=rfc3339(now), api_key=key
    )


@router.patch(
    "/accounts/{id}",
    operation_id="changeAccount",
    responses=documented(KeyRequired, UnknownAccount, UnreadableBody, InvalidRequest),
)
async def change_account(id: AccountId, change: AccountChange, _operator: Operator, conn: WriteConn) -> Account:  # noqa: A002 - the name in the path
    """Change an account's plan; calls know it within 5 seconds."""
    row = (await conn.execute(keys.changed_plan(id, change.plan))).one_or_none()
    if row is None:
        raise UnknownAccount
    return Account(id=public_id("acc", row.id), name=row.name, plan=row.plan, created_at=rfc3339(row.created_at))


@router.get("/account", operation_id="readAccount", responses=documented(KeyRequired))
async def read_account(caller: AnyKey, conn: ReadConn, now: Now) -> Me:
    """Tell who is calling, what this key may do, and who e-mails are from."""
    return me(caller, (await conn.execute(senders.ACCOUNT, {"account_id": caller.account_id})).one(), now)


@router.patch(
    "/account",
    operation_id="changeOwnAccount",
    responses=documented(KeyRequired, ScopeRequired, UnreadableBody, InvalidRequest),
)
async def change_own_account(change: OwnChange, caller: Admin, conn: WriteConn, now: Now) -> Me:
    """Set who the account's e-mails are from; sending goes on where a refused login had paused it."""
    account = {"account_id": caller.account_id}
    await conn.execute(senders.SET, account | change.sender.model_dump() | {"now": now})
    return me(caller, (await conn.execute(senders.ACCOUNT, account)).one(), now)


def me(caller: Caller, row: Any, now: datetime) -> Me:  # noqa: ANN401 - a row of senders.ACCOUNT
    """The account as its own keys see it."""
    is_paused = row.paused_until is not None and row.paused_until > now
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
        sending_paused=Pause(until=rfc3339(row.paused_until), because=row.paused_because) if is_paused else None,
    )


def key_of(row: keys.KeyRow) -> Key:
    """A key as it is shown."""
    return Key(id=public_id("key", row.id), name=row.name, scopes=row.scopes, created_at=rfc3339(row.created_at))


@router.get(
    "/account/keys",
    operation_id="listKeys",
    responses=documented(KeyRequired, ScopeRequired, InvalidCursor, InvalidRequest),
)
async def list_keys(
    caller: Admin,
    conn: ReadConn,
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: Cursor | None = None,
) -> KeyPage:
    """List the keys that are not revoked, oldest first."""
    after = unseal(caller.cursor_secret, "keys", cursor)[0] if cursor else 0
    rows = (await conn.execute(keys.live_keys(caller.account_id, after=after, limit=limit + 1))).all()
    following = seal(caller.cursor_secret, "keys", [rows[limit - 1].id]) if len(rows) > limit else None
    link_next(request, response, following)
    return KeyPage(items=[key_of(row) for row in rows[:limit]], next_cursor=following)


@router.post(
    "/account/keys",
    status_code=201,
    operation_id="createKey",
    responses=documented(KeyRequired, ScopeRequired, UnreadableBody, InvalidRequest),
)
async def create_key(new: NewKey, caller: Admin, conn: WriteConn, now: Now) -> OpenedKey:
    """Create a key; it is shown this once."""
    key = fresh_key(caller.account_id)
    scopes = [scope for scope in Scope if scope in new.scopes]
    key_id = (await conn.execute(keys.new_key(caller.account_id, new.name, scopes, hash_of(key), now))).scalar_one()
    return OpenedKey(id=public_id("key", key_id), name=new.name, scopes=scopes, created_at=rfc3339(now), key=key)


@router.delete(
    "/account/keys/{id}",
    status_code=204,
    operation_id="revokeKey",
    responses=documented(KeyRequired, ScopeRequired, UnknownKey, LastAdminKey),
)
async def revoke_key(id: KeyId, caller: Admin, conn: WriteConn, now: Now) -> None:  # noqa: A002 - the name in the path
    """Revoke a key; it opens nothing any more after 5 seconds at the latest."""
    await conn.execute(keys.account_locked(caller.account_id))
    live = {row.id: row.scopes for row in await conn.execute(keys.live_keys(caller.account_id))}
    if id not in live:
        raise UnknownKey
    if not any(Scope.ADMIN in scopes for key_id, scopes in live.items() if key_id != id):
        raise LastAdminKey
    await conn.execute(keys.revoked(caller.account_id, id, now))
