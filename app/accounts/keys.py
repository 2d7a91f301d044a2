"""Keys: statements about accounts and the API keys that open them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Insert, Row, Select, Update, func, insert, literal, select, update

from app.tables import accounts, api_keys


def new_account(name: str, plan: str, cursor_secret: bytes, now: datetime) -> Insert:
    """A new account; returns its id."""
    return (
        insert(accounts)
        .values(name=name, plan=plan, cursor_secret=cursor_secret, created_at=now)
        .returning(accounts.c.id)
    )


def account_locked(account_id: int) -> Select[int]:
    """One account, its row locked: decisions about all its keys come one after the other."""
    return select(accounts.c.id).where(accounts.c.id == account_id).with_for_update()


def changed_plan(account_id: int, plan: str) -> Update:
    """Another plan; returns the account, or nothing where there is none."""
    return (
        update(accounts)
        .where(accounts.c.id == account_id)
        .values(plan=plan)
        .returning(accounts.c.id, accounts.c.name, accounts.c.plan, accounts.c.created_at)
    )


def new_key(account_id: int, name: str, scopes: Sequence[str], key_hash: bytes, now: datetime) -> Insert:
    """A new key; returns its id."""
    return (
        insert(api_keys)
        .values(account_id=account_id, name=name, scopes=scopes, hash=key_hash, created_at=now)
        .returning(api_keys.c.id)
    )


def live_keys(account_id: int, *, after: int = 0, limit: int | None = None) -> Select[int, str, list[str], datetime]:
    """The keys that are not revoked, oldest first."""
    return (
        select(api_keys.c.id, api_keys.c.name, api_keys.c.scopes, api_keys.c.created_at)
        .where(api_keys.c.account_id == account_id, _live(), api_keys.c.id > after)
        .order_by(api_keys.c.id)
        .limit(limit)
    )


def revoked(account_id: int, key_id: int, now: datetime) -> Update:
    """The key revoked; returns nothing where it was not alive."""
    return (
        update(api_keys)
        .where(api_keys.c.account_id == account_id, api_keys.c.id == key_id, _live())
        .values(revoked_at=now)
        .returning(api_keys.c.id)
    )


def opened_by(account_id: int, key_hash: bytes) -> Select[int, int, list[str], str, bytes]:
    """Who calls with a key of this hash."""
    return (
        select(api_keys.c.account_id, api_keys.c.id, api_keys.c.scopes, accounts.c.plan, accounts.c.cursor_secret)
        .join(accounts, accounts.c.id == api_keys.c.account_id)
        .where(api_keys.c.account_id == account_id, api_keys.c.hash == key_hash, _live())
    )


def any_account() -> Select[int]:
    """Whether there is an account at all."""
    return select(func.count()).select_from(select(literal(1)).select_from(accounts).limit(1).subquery())


def _live() -> ColumnElement[bool]:
    return api_keys.c.revoked_at.is_(None)


KeyRow = Row[int, str, list[str], datetime]
