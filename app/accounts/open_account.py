"""Opening an account: the account and its first key, in one transaction."""

import secrets
from datetime import datetime

from app.accounts.api_key import fresh_key
from app.accounts.audit import note_action
from app.accounts.keys import store_key
from app.accounts.statements import INSERT_ACCOUNT, INSERT_NAMED_ACCOUNT
from app.database.pools import Connection
from app.vocabulary import AuditAction, Scope

FIRST_KEY = "first key"
CURSOR_SECRET_BYTES = 32


async def open_account(conn: Connection, name: str, plan: str, by: str, now: datetime) -> tuple[int, str]:
    """A new account and its first key, with every scope: `(account_id, key)`."""
    account = {"name": name, "plan": plan, "cursor_secret": secrets.token_bytes(CURSOR_SECRET_BYTES), "now": now}
    account_id: int = (await conn.execute(INSERT_ACCOUNT, account)).scalar_one()
    key = fresh_key(account_id)
    await give_first_key(conn, account_id, plan, key, by, now)
    return account_id, key


async def ensure_account(conn: Connection, account_id: int, name: str, plan: str, now: datetime) -> None:
    """Insert the account of a request that may be repeated, unless the first request has."""
    secret = secrets.token_bytes(CURSOR_SECRET_BYTES)
    account = {"account_id": account_id, "name": name, "plan": plan, "cursor_secret": secret, "now": now}
    await conn.execute(INSERT_NAMED_ACCOUNT, account)


async def give_first_key(conn: Connection, account_id: int, plan: str, key: str, by: str, now: datetime) -> None:
    """Give a new account its first key."""
    await note_action(conn, account_id, by, AuditAction.ACCOUNT_OPENED, now, plan=plan)
    await store_key(conn, account_id, key, FIRST_KEY, [*Scope], by, now)
