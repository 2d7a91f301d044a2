"""Deletions: accounts and stores that were deleted, and when their last row was gone."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from app.accounts.audit import OPERATOR, note_action
from app.accounts.keys import locked_account
from app.accounts.schemas import AuditEntry, Deletion
from app.accounts.statements import MARK_ACCOUNT_DELETED, MARK_SOURCES_DELETED
from app.database.pools import Connection
from app.database.rows import change_rows, first_row
from app.vocabulary import AuditAction, DeletedNoun
from app.wire.ids import public_id
from app.wire.instants import rfc3339


class DeletionRow(NamedTuple):
    """What was deleted; `gone_at` is None while rows of it are left."""

    number: int
    by: str
    asked_at: datetime
    gone_at: datetime | None


INSERT_DELETION = text("""
    INSERT INTO deletions (account_id, noun, number, by, asked_at) VALUES (:account_id, :noun, :number, :by, :now)
""")

SELECT_DELETION = text("""
    SELECT number, by, asked_at, gone_at FROM deletions
    WHERE account_id = :account_id AND noun = :noun AND number = :number
""")

SET_DELETION_GONE = text("""
    UPDATE deletions SET gone_at = :now WHERE account_id = :account_id AND noun = :noun AND number = :number
""")

DELETE_DELETIONS_OF_SOURCES = text("DELETE FROM deletions WHERE account_id = :account_id AND noun = 'source'")

PREFIXES = {DeletedNoun.ACCOUNT: "acc", DeletedNoun.SOURCE: "src"}


async def begin_deletion(
    conn: Connection, account_id: int, noun: DeletedNoun, number: int, by: str, now: datetime
) -> Deletion:
    """Keep that something is deleted, in the transaction that makes it unknown; the worker removes its rows."""
    bound = {"account_id": account_id, "noun": noun.value, "number": number, "by": by, "now": now}
    await conn.execute(INSERT_DELETION, bound)
    if noun is DeletedNoun.SOURCE:
        await note_action(conn, account_id, by, AuditAction.SOURCE_DELETED, now, source=public_id("src", number))
    return Deletion(id=public_id(PREFIXES[noun], number), asked_at=rfc3339(now), gone_at=None)


async def find_deletion(conn: Connection, account_id: int, noun: DeletedNoun, number: int) -> DeletionRow | None:
    """A deletion, under way or done."""
    bound = {"account_id": account_id, "noun": noun.value, "number": number}
    return await first_row(conn, SELECT_DELETION, bound, DeletionRow)


async def end_deletion(conn: Connection, account_id: int, noun: DeletedNoun, number: int, now: datetime) -> None:
    """Keep that the last row is gone, in the transaction that deletes it."""
    bound = {"account_id": account_id, "noun": noun.value, "number": number, "now": now}
    await change_rows(conn, SET_DELETION_GONE, bound)


async def delete_account(conn: Connection, account_id: int, now: datetime) -> Deletion:
    """Make an account and its stores unknown from now on; UnknownAccount where there is none."""
    await locked_account(conn, account_id)
    await change_rows(conn, MARK_ACCOUNT_DELETED, {"account_id": account_id, "now": now})
    await conn.execute(MARK_SOURCES_DELETED, {"account_id": account_id, "now": now})
    return await begin_deletion(conn, account_id, DeletedNoun.ACCOUNT, account_id, OPERATOR, now)


def shown_deletion(row: DeletionRow, noun: DeletedNoun) -> Deletion:
    """A deletion as it is shown."""
    gone_at = rfc3339(row.gone_at) if row.gone_at else None
    return Deletion(id=public_id(PREFIXES[noun], row.number), asked_at=rfc3339(row.asked_at), gone_at=gone_at)


def audit_entry(row: DeletionRow) -> AuditEntry:
    """The deletion of an account in the audit log: all that is left of it."""
    return AuditEntry(at=rfc3339(row.asked_at), by=row.by, action=AuditAction.ACCOUNT_DELETED.value, about={})
