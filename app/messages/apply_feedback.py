"""Applying feedback: what providers report of messages, and what it says of the consent of who got them."""

from collections.abc import Iterable
from datetime import datetime

from app.customers.change_consent import change_consent
from app.database import Database
from app.messages import correspondence, outbox
from app.messages.mail import Feedback
from app.messages.settle_messages import source_of_customer

EARLIER = {
    "delivered": ("sending", "sent"),
    "bounced": ("sending", "sent", "delivered"),
    "complained": ("sending", "sent", "delivered", "bounced"),
}
"""From which status a report leads to which: reports come late, twice and in any order, and only lead forward."""


async def apply_feedback(database: Database, reports: Iterable[Feedback], now: datetime) -> None:
    """Note each; a hard bounce makes the address unusable, a complaint ends the consent.

    Consent comes first: a crash in between leaves the report to be applied when it is repeated.
    """
    for each in reports:
        known = {"account_id": each.account_id, "id": each.message}
        async with database.read() as conn:
            message = (await conn.execute(correspondence.ONE, known)).one_or_none()
        if message is None or message.status not in EARLIER[each.event]:
            continue
        if message.customer_id is not None:
            await _consent(database, each, message.customer_id, now)
        async with database.write() as conn:
            noted = {"status": each.event, "earlier": list(EARLIER[each.event]), "now": now}
            await conn.execute(outbox.FED_BACK, known | noted)


async def _consent(database: Database, each: Feedback, customer_id: int, now: datetime) -> None:
    if each.event == "complained":
        marketing, by = "unsubscribed", "complaint"
    elif each.event == "bounced" and each.permanent:
        marketing, by = "cleaned", "bounce"
    else:
        return
    async with database.read() as conn:
        found = await source_of_customer(conn, each.account_id, customer_id)
    if found is None:
        return
    async with database.write_in_turn(found[0].id) as conn:
        await change_consent(conn, found[0], customer_id, marketing, by, now)
