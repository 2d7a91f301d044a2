"""Keys: making and revoking them, for admins, the operator and commands alike."""

from collections.abc import Sequence
from datetime import datetime

from app.accounts.answer_once import IdempotencyKeyReused
from app.accounts.api_key import hash_of
from app.accounts.audit import note_action
from app.accounts.statements import INSERT_KEY, LOCK_ACCOUNT, REVOKE_KEY, SELECT_KEYS, AccountRow, KeyRow
from app.database.pools import Connection
from app.database.rows import all_rows, change_rows, first_row
from app.problems import NotFound, Problem
from app.vocabulary import AuditAction, Scope
from app.wire.ids import public_id


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


async def locked_account(conn: Connection, account_id: int) -> AccountRow:
    """The account, which nobody else changes until the transaction ends; UnknownAccount where there is none."""
    account = await first_row(conn, LOCK_ACCOUNT, {"account_id": account_id}, AccountRow)
    if account is None:
        raise UnknownAccount
    return account


async def store_key(
    conn: Connection, account_id: int, key: str, name: str, scopes: Sequence[Scope], by: str, now: datetime
) -> int:
    """Store a new key, of which only the hash is kept, and return its id."""
    stored = {"account_id": account_id, "name": name, "scopes": [*scopes], "hash": hash_of(key), "now": now}
    key_id: int | None = (await conn.execute(INSERT_KEY, stored)).scalar_one_or_none()
    if key_id is None:
        raise IdempotencyKeyReused
    about = {"key": public_id("key", key_id), "name": name, "scopes": [*scopes]}
    await note_action(conn, account_id, by, AuditAction.KEY_CREATED, now, **about)
    return key_id


async def live_keys(conn: Connection, account_id: int) -> list[KeyRow]:
    """All keys of the account that are not revoked, oldest first."""
    return await all_rows(conn, SELECT_KEYS, {"account_id": account_id, "after": 0, "limit": None}, KeyRow)


async def revoke_key(conn: Connection, account_id: int, key_id: int, by: str, now: datetime) -> None:
    """Revoke a key; LastAdminKey when nobody could make another one afterwards."""
    await locked_account(conn, account_id)
    live = {row.id: row.scopes for row in await live_keys(conn, account_id)}
    if key_id not in live:
        raise UnknownKey
    if not any(Scope.ADMIN in scopes for other, scopes in live.items() if other != key_id):
        raise LastAdminKey
    await change_rows(conn, REVOKE_KEY, {"account_id": account_id, "key_id": key_id, "now": now})
    await note_action(conn, account_id, by, AuditAction.KEY_REVOKED, now, key=public_id("key", key_id))
