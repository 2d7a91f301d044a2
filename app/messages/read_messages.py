"""Reading messages: as they are shown, with what was answered to each attempt."""

from typing import Any

from app.database.pools import Connection
from app.messages import correspondence
from app.messages.schemas import Attempt, Message, WholeMessage
from app.problems import NotFound
from app.wire.ids import public_id
from app.wire.instants import rfc3339


class UnknownMessage(NotFound):
    """There is no such message in this account."""

    slug = "unknown-message"
    title = "No such message"


def shown(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of correspondence
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
    known = {"account_id": account_id, "id": message}
    row = (await conn.execute(correspondence.ONE, known)).one_or_none()
    if row is None:
        raise UnknownMessage
    rows = (await conn.execute(correspondence.ATTEMPTS, known)).all()
    attempts = [
        Attempt(
            started_at=rfc3339(each.started_at),
            ended_at=rfc3339(each.ended_at),
            outcome=each.outcome,
            code=each.code,
            detail=each.detail,
        )
        for each in rows
    ]
    return WholeMessage(**shown(row), text=row.text, html=row.html, attempts=attempts, crashes=row.crashes)


async def read_line(conn: Connection, account_id: int, message: int) -> Message:
    """One message without its text; UnknownMessage where there is none."""
    row = (await conn.execute(correspondence.ONE, {"account_id": account_id, "id": message})).one_or_none()
    if row is None:
        raise UnknownMessage
    return Message(**shown(row))
