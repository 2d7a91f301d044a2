"""Belonging: which tables hold rows of an account and of a source, read off app/tables.

Every table but `accounts` and those that outlive it has rows of an account. A table has rows of a source when
a column of it leads there: `source_id`, or a reference to a table that does, such as `customer_id`. A table
that is added later is found by the same rule.
"""

from collections.abc import Iterator
from typing import NamedTuple

import sqlalchemy as sa

from app.tables import metadata

OUTLIVES_ITS_ACCOUNT = {"deletions": "says that the account was deleted, and nothing else of it"}
"""Tables that are kept when an account is deleted, and why."""


class RowOwner(NamedTuple):
    """The column of a table that says which row of another table its rows belong to."""

    column: str
    table: str


def references(table: sa.Table) -> Iterator[RowOwner]:
    """The columns that name a row of another table: by a foreign key, or by name alone, as in `standings`."""
    parents = {
        element.parent.name: element.column.table.name
        for key in table.foreign_key_constraints
        for element in key.elements
    }
    for column in table.columns:
        named = f"{column.name.removesuffix('_id')}s" if column.name.endswith("_id") else ""
        parent = parents.get(column.name, named if isinstance(column.type, sa.BigInteger) else "")
        if column.name != "account_id" and parent in metadata.tables and parent != table.name:
            yield RowOwner(column.name, parent)


def owner_below_source(table: sa.Table) -> RowOwner | None:
    """The first column that leads to `sources`, `source_id` before all; None for a table of the account alone."""
    known = sorted(references(table), key=lambda owner: owner.table != "sources")
    for owner in known:
        if owner.table == "sources" or owner_below_source(metadata.tables[owner.table]) is not None:
            return owner
    return None


CHILDREN_FIRST = [
    table
    for table in reversed(metadata.sorted_tables)
    if table.name != "accounts" and table.name not in OUTLIVES_ITS_ACCOUNT
]
"""The tables of an account, each after those that refer to it."""

OWNERS = {table.name: owner for table in CHILDREN_FIRST if (owner := owner_below_source(table)) is not None}
"""The tables that have rows of a source, in the same order, and what each of their rows belongs to."""


def tables_below(parent: str) -> list[str]:
    """The tables whose rows belong to rows of this one, each after those that refer to it."""
    return [name for name, owner in OWNERS.items() if owner.table == parent]
