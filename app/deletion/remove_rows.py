"""Removing rows: a deleted account or source goes table by table, some thousand rows in a transaction.

What refers to a row goes before the row. Nothing but the mark on the account or source is kept between two
transactions: after a crash another worker finds what is left, and several at once do no harm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from app.accounts.deletions import DELETE_DELETIONS_OF_SOURCES, end_deletion
from app.customers.statements import DELETE_KEPT_ANSWERS
from app.database.pools import Connection, Database
from app.deletion import statements
from app.deletion.belonging import CHILDREN_FIRST, tables_below
from app.deletion.statements import DeletedAccount, DeletedSource
from app.suppressions.suppress import forget_addresses
from app.vocabulary import DeletedNoun
from app.wire.ids import public_id
from app.wire.instants import Clock

DELETION_GRACE = timedelta(seconds=10)
"""Rows are removed this long after the deletion: until then other processes may remember a key or a source."""
REMOVED_AT_ONCE = 2_000

RowKey = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Removal:
    """The rows of one account that are removed."""

    database: Database
    account_id: int

    async def remove_below(self, table: str, owners: Sequence[int]) -> None:
        """Remove the rows of a table that belong to these rows of another one, and all that belongs to them."""
        bound = {"owners": [*owners]}
        while keys := await self._some_keys(statements.SELECT_KEYS_OF_OWNERS[table], bound):
            for child in tables_below(table):
                await self.remove_below(child, [key["id"] for key in keys])
            await self._delete(table, keys)

    async def remove_all(self, table: str) -> None:
        """Remove all rows of the account in a table."""
        while keys := await self._some_keys(statements.SELECT_KEYS_OF_ACCOUNT[table], {}):
            await self._delete(table, keys)

    async def _some_keys(self, select: Any, bound: dict[str, Any]) -> list[RowKey]:  # noqa: ANN401 - of one of many shapes
        account = {"account_id": self.account_id, "most": REMOVED_AT_ONCE}
        async with self.database.write() as conn:  # a replica may still show what is gone
            found = (await conn.execute(select, account | bound)).mappings()
            return [dict(key) for key in found]

    async def _delete(self, table: str, keys: Sequence[RowKey]) -> None:
        """Delete rows in the order of their keys, as everything locks them."""
        ordered = sorted(keys, key=lambda key: tuple(key.values()))
        columns = {name: [key[name] for key in ordered] for name in ordered[0]}
        account = {"account_id": self.account_id}
        async with self.database.write() as conn:
            addresses = await self._addresses(conn, table, columns)
            await conn.execute(statements.DELETE_KEYS[table], columns | account)
            if addresses:  # of a suppressed one the hash stays, as when a person is erased
                await forget_addresses(conn, self.account_id, addresses)
            if table == "messages":
                locations = [f"/messages/{public_id('msg', message)}" for message in columns["id"]]
                await conn.execute(DELETE_KEPT_ANSWERS, account | {"locations": locations})

    async def _addresses(self, conn: Connection, table: str, columns: dict[str, list[Any]]) -> Sequence[str]:
        """The e-mail addresses of rows that are deleted."""
        if table == "addresses":
            return columns["email"]
        if table != "customers":
            return []
        people = {"account_id": self.account_id, "customers": columns["id"]}
        return (await conn.execute(statements.SELECT_EMAILS, people)).scalars().all()


async def remove_source(database: Database, deleted: DeletedSource, clock: Clock) -> None:
    """Remove a deleted source with all that belongs to it."""
    removal = Removal(database, deleted.account_id)
    for table in tables_below("sources"):
        await removal.remove_below(table, [deleted.source_id])
    shown = public_id("src", deleted.source_id)
    async with database.write() as conn:
        account = {"account_id": deleted.account_id}
        await conn.execute(statements.DELETE_ANSWER_OF_CONNECTING, account | {"begins": f'{{"id":"{shown}",%'})
        if (await conn.execute(statements.DELETE_SOURCE, deleted._asdict())).rowcount:
            await end_deletion(conn, deleted.account_id, DeletedNoun.SOURCE, deleted.source_id, clock())


async def remove_account(database: Database, deleted: DeletedAccount, clock: Clock) -> None:
    """Remove a deleted account with all that belongs to it; what is kept is that it was deleted."""
    removal = Removal(database, deleted.account_id)
    for table in CHILDREN_FIRST:
        await removal.remove_all(table.name)
    async with database.write() as conn:
        await conn.execute(DELETE_DELETIONS_OF_SOURCES, deleted._asdict())
        if (await conn.execute(statements.DELETE_ACCOUNT, deleted._asdict())).rowcount:
            await end_deletion(conn, deleted.account_id, DeletedNoun.ACCOUNT, deleted.account_id, clock())
