"""Tenancy: what makes every table belong to an account, so that the same schema can be spread over machines by account.

`account_id` comes first in every primary key and is part of every unique key and foreign key.
"""

from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.sql.schema import SchemaItem

INSTANT = sa.DateTime(timezone=True)

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def tenant_table(name: str, *items: SchemaItem, key: tuple[str, ...]) -> sa.Table:
    """A table of rows that belong to an account; `key` is the rest of the primary key."""
    account_id = sa.Column("account_id", sa.BigInteger, nullable=False)
    return sa.Table(name, metadata, account_id, *items, sa.PrimaryKeyConstraint("account_id", *key))


def serial_id(table: str) -> sa.Column[int]:
    """A bigserial `id`: unlike an identity column it survives being distributed."""
    return sa.Column(
        "id",
        sa.BigInteger,
        sa.Sequence(f"{table}_id_seq", metadata=metadata),
        nullable=False,
        server_default=sa.text(f"nextval('{table}_id_seq'::regclass)"),
    )


def account_reference() -> sa.ForeignKeyConstraint:
    """The account exists."""
    return sa.ForeignKeyConstraint(["account_id"], ["accounts.id"])


def row_reference(column: str, parent: str) -> sa.ForeignKeyConstraint:
    """A column refers to the id of another row of the same account."""
    return sa.ForeignKeyConstraint(["account_id", column], [f"{parent}.account_id", f"{parent}.id"])


def enum_type(name: str, values: type[StrEnum]) -> sa.Enum:
    """A PostgreSQL type of an enum's values, in their order."""
    return sa.Enum(*(value.value for value in values), name=name, metadata=metadata)


def one_of(column: str, values: type[StrEnum]) -> sa.CheckConstraint:
    """A text column holds one of an enum's values."""
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} in ({listed})", name=column)
