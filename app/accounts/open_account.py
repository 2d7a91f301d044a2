"""Opening an account: the account and its first key, in one transaction."""

import secrets
from datetime import datetime

from app.accounts import keys
from app.accounts.access import Scope
from app.accounts.api_key import fresh_key, hash_of
from app.database.pools import Connection


async def open_account(conn: Connection, name: str, plan: str, now: datetime) -> tuple[int, str]:
    """A new account and its first key, with every scope: `(account_id, key)`."""
    account_id = (await conn.execute(keys.new_account(name, plan, secrets.token_bytes(32), now))).scalar_one()
    key = fresh_key(account_id)
    await conn.execute(keys.new_key(account_id, "first key", [*Scope], hash_of(key), now))
    return account_id, key
