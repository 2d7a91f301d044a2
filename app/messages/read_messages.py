"""Reading messages: as they are shown, with the answer to each attempt."""

from typing import Any

from app.database.pools import Connection
from app.database.rows import all_rows, first_row
from app.messages.schemas import Attempt, Message, WholeMessage
from app.messages.statements import (
    SELECT_ATTEMPTS,
    SELECT_MESSAGE,
    SELECT_MESSAGE_TEXT,
    AttemptRow,
    MessageRow,
    MessageText,
)
from app.problems import NotFound
from app.wire.ids import public_id
from app.wire.instants import rfc3339


class UnknownMessage(NotFound):
    """There is no such message in this account."""

    slug = "unknown-message"
    title = "No such message"


def message_fields(row: MessageRow) -> dict[str, Any]:
    """A message's fields as they are shown."""
    fields = (
        "kind",
        "status",
        "reason",
        "language",
        "template",
        "subject",
        "message_id",
        "maybe_duplicate",
    )
    moments = ("created_at", "next_attempt_at", "sent_at", "settled_at")
    return {
        "id": public_id("msg", row.id),
        "customer": public_id("cus", row.customer_id) if row.customer_id is not None else None,
        **{field: getattr(row, field) for field in fields},
        "attempt_count": row.attempts,
        **{name: rfc3339(moment) if (moment := getattr(row, name)) else None for name in moments},
    }


async def read_message(conn: Connection, account_id: int, message: int) -> WholeMessage:
    """One message whole; UnknownMessage where there is none."""
    key = {"account_id": account_id, "id": message}
    row = await first_row(conn, SELECT_MESSAGE, key, MessageRow)
    content = await first_row(conn, SELECT_MESSAGE_TEXT, key, MessageText)
    if row is None or content is None:
        raise UnknownMessage
    attempts = [
        Attempt(
            started_at=rfc3339(each.started_at),
            ended_at=rfc3339(each.ended_at),
            outcome=each.outcome,
            code=each.code,
            detail=each.detail,
        )
        for each in await all_rows(conn, SELECT_ATTEMPTS, key, AttemptRow)
    ]
    return WholeMessage(
        **message_fields(row), text=content.text, html=content.html, attempts=attempts, crashes=row.crashes
    )


async def read_line(conn: Connection, account_id: int, message: int) -> Message:
    """One message without its text; UnknownMessage where there is none."""
    row = await first_row(conn, SELECT_MESSAGE, {"account_id": account_id, "id": message}, MessageRow)
    if row is None:
        raise UnknownMessage
    return Message(**message_fields(row))
