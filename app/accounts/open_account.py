"""Opening an account: the account and its first key, in one transaction."""

import secrets
from datetime import datetime

from app.accounts.api_key import fresh_key, hash_of
from app.accounts.statements import INSERT_ACCOUNT, INSERT_KEY
from app.database.pools import Connection
from app.vocabulary import Scope


async def open_account(conn: Connection, name: str, plan: str, now: datetime) -> tuple[int, str]:
    """A new account and its first key, with every scope: `(account_id, key)`."""
    account = {"name": name, "plan": plan, "cursor_secret": secrets.token_bytes(32), "now": now}
    account_id: int = (await conn.execute(INSERT_ACCOUNT, account)).scalar_one()
    key = fresh_key(account_id)
    first_key = {"account_id": account_id, "name": "first key", "scopes": [*Scope], "hash": hash_of(key), "now": now}
    await conn.execute(INSERT_KEY, first_key)
    return account_id, key
