"""Columns: the few kinds of which all tables are made.

`account_id` comes first in every key and is part of every unique and foreign key, so that
the same schema can be spread over machines by account.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.sql.schema import SchemaItem

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def row_id(table: str) -> sa.Column[int]:
    """A bigserial: unlike an identity column it survives being distributed."""
    return sa.Column(
        "id",
        sa.BigInteger,
        sa.Sequence(f"{table}_id_seq", metadata=metadata),
        nullable=False,
        server_default=sa.text(f"nextval('{table}_id_seq'::regclass)"),
    )


def words(*names: str, nullable: bool = False) -> tuple[sa.Column[str], ...]:
    """Texts."""
    return tuple(sa.Column(name, sa.Text, nullable=nullable) for name in names)


def number(name: str, default: str | None = None) -> sa.Column[int]:
    """A whole number that is always there."""
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=default)


def numbers(*names: str) -> tuple[sa.Column[int], ...]:
    """Whole numbers that are always there."""
    return tuple(number(name) for name in names)


def counts(name: str, rule: str) -> sa.Column[int]:
    """A whole number that PostgreSQL checks."""
    return sa.Column(name, sa.BigInteger, sa.CheckConstraint(f"{name} {rule}", name=name), nullable=False)


def one_of(name: str, *choices: str, default: str | None = None) -> sa.Column[str]:
    """One of some words."""
    listed = ", ".join(f"'{choice}'" for choice in choices)
    check = sa.CheckConstraint(f"{name} in ({listed})", name=name)
    return sa.Column(name, sa.Text, check, nullable=False, server_default=default)


def moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    """An instant."""
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def moments(*names: str, nullable: bool = False) -> tuple[sa.Column[object], ...]:
    """Instants."""
    return tuple(moment(name, nullable=nullable) for name in names)


def belongs_to(parent: str, column: str) -> sa.ForeignKeyConstraint:
    """A reference inside one account."""
    return sa.ForeignKeyConstraint(["account_id", column], [f"{parent}.account_id", f"{parent}.id"])


def of_account() -> sa.ForeignKeyConstraint:
    """The account exists."""
    return sa.ForeignKeyConstraint(["account_id"], ["accounts.id"])


def owned_table(name: str, *items: SchemaItem) -> sa.Table:
    """A table of rows with an id that belong to an account."""
    return sa.Table(
        name,
        metadata,
        number("account_id"),
        row_id(name),
        *items,
        sa.PrimaryKeyConstraint("account_id", "id"),
    )


def keyed_table(name: str, *items: SchemaItem, by: Sequence[str] = ()) -> sa.Table:
    """A table of rows that belong to an account and are known by other columns than an id."""
    return sa.Table(name, metadata, number("account_id"), *items, sa.PrimaryKeyConstraint("account_id", *by))
