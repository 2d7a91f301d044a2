"""Statements: the rows of a deleted account or source are found and removed, some at a time."""

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import text

from app.deletion.belonging import CHILDREN_FIRST, OWNERS
from app.tables import array_type

# ---------------------------------------------------------------- what is to be removed


class DeletedAccount(NamedTuple):
    """An account that has rows left."""

    account_id: int


class DeletedSource(NamedTuple):
    """A source that has rows left."""

    account_id: int
    source_id: int


SELECT_DELETED_ACCOUNTS = text("""
    SELECT id AS account_id FROM accounts WHERE deleted_at <= :until ORDER BY deleted_at
""")
"""The deleted accounts whose rows are to be removed."""

SELECT_DELETED_SOURCES = text("""
    SELECT s.account_id, s.id AS source_id
    FROM sources AS s JOIN accounts AS a ON a.id = s.account_id
    WHERE s.deleted_at <= :until AND a.deleted_at IS NULL
    ORDER BY s.deleted_at
""")
"""The deleted sources of all accounts that are not deleted themselves."""

# ---------------------------------------------------------------- rows of any table


def key_columns(table: sa.Table) -> list[sa.Column[object]]:
    """The primary key without the account; none where an account has one row."""
    return [column for column in table.primary_key.columns if column.name != "account_id"]


def shown_keys(table: sa.Table) -> str:
    """SQL: the keys of rows, enums as text."""
    keys = [
        f"{each.name}::text AS {each.name}" if isinstance(each.type, sa.Enum) else each.name
        for each in key_columns(table)
    ]
    return ", ".join(keys) or "account_id"


def given_keys(table: sa.Table) -> str:
    """SQL: the parameters, an array per key column, as rows."""
    arrays = [
        f"cast(cast(:{each.name} AS text[]) AS {each.type.name}[])"
        if isinstance(each.type, sa.Enum)
        else f"cast(:{each.name} AS {array_type(each)})"
        for each in key_columns(table)
    ]
    return f"unnest({', '.join(arrays)}) AS n ({', '.join(each.name for each in key_columns(table))})"


def delete_keys(table: sa.Table) -> str:
    """SQL: rows are deleted by their keys."""
    if not key_columns(table):
        return f"DELETE FROM {table.name} WHERE account_id = :account_id"
    same = " AND ".join(f"t.{each.name} = n.{each.name}" for each in key_columns(table))
    return f"DELETE FROM {table.name} AS t USING {given_keys(table)} WHERE t.account_id = :account_id AND {same}"


SELECT_KEYS_OF_ACCOUNT = {
    table.name: text(f"""
        SELECT {shown_keys(table)} FROM {table.name} WHERE account_id = :account_id LIMIT cast(:most AS bigint)
    """)
    for table in CHILDREN_FIRST
}
"""The keys of some rows of an account, in no order: what is found is removed."""

SELECT_KEYS_OF_OWNERS = {
    table.name: text(f"""
        SELECT {shown_keys(table)} FROM {table.name}
        WHERE account_id = :account_id AND {OWNERS[table.name].column} = ANY(cast(:owners AS bigint[]))
        LIMIT cast(:most AS bigint)
    """)
    for table in CHILDREN_FIRST
    if table.name in OWNERS
}
"""The keys of some rows that belong to these rows of another table."""

DELETE_KEYS = {table.name: text(delete_keys(table)) for table in CHILDREN_FIRST}

SELECT_EMAILS = text("""
    SELECT DISTINCT email FROM customers
    WHERE account_id = :account_id AND id = ANY(cast(:customers AS bigint[])) AND email IS NOT NULL
""")
"""The addresses of customers who are about to be removed."""

# ---------------------------------------------------------------- the last rows

DELETE_SOURCE = text("""
    DELETE FROM sources WHERE account_id = :account_id AND id = :source_id AND deleted_at IS NOT NULL
""")

DELETE_ANSWER_OF_CONNECTING = text("""
    DELETE FROM idempotency_keys
    WHERE account_id = :account_id AND operation = 'connectSource' AND answer LIKE :begins
""")
"""The stored answer that shows the source."""

DELETE_ACCOUNT = text("DELETE FROM accounts WHERE id = :account_id AND deleted_at IS NOT NULL")
