"""Applying feedback: what providers report of messages, and what it says of the consent of who got them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from app.database.pools import Database
from app.mail.contract import Feedback
from app.messages import correspondence, outbox
from app.messages.consent.note_consent import note_consent
from app.messages.consent.unsubscribe_token import Recipient

EARLIER = {
    "delivered": ("sending", "sent"),
    "bounced": ("sending", "sent", "delivered"),
    "complained": ("sending", "sent", "delivered", "bounced"),
    "unsubscribed": ("sending", "sent", "delivered", "bounced", "complained"),
}
"""From which status a report leads to which: reports come late, twice and in any order, and only lead forward.
Who has left by the provider's link is no news of the message, whose status stays."""

UNSURE = {"queued", "held", "failed", "cancelled"}
"""Where a message may have ended, or wait, though a copy of it was taken and only the answer to that was lost."""

REFUSED = "refused"
"""The reason of a message whose address was refused for good: that is news once, whatever else was told before."""


async def apply_feedback(database: Database, reports: Iterable[Feedback], now: datetime) -> None:
    """Note each; a hard bounce makes the address unusable, a complaint ends the consent, and so does who leaves.

    Consent comes first: a crash in between leaves the report to be applied when it is repeated.
    """
    for each in reports:
        known = {"account_id": each.account_id, "id": each.message}
        async with database.write() as conn:  # a replica may not know yet that it was sent
            message = (await conn.execute(correspondence.ONE, known)).one_or_none()
        status = None if message is None else status_after(each, message)
        if message is None or status is None:
            continue
        if message.customer_id is not None:
            await _consent(database, each, message.customer_id, now)
        if each.event == "unsubscribed":
            continue
        async with database.write() as conn:
            noted = {"status": status, "reason": REFUSED if each.permanent else None, "now": now}
            await conn.execute(outbox.FED_BACK, known | noted | {"earlier": [*EARLIER[each.event], message.status]})


def status_after(each: Feedback, message: Any) -> str | None:  # noqa: ANN401 - a row of correspondence.ONE
    """The message's status once it is told; nothing where the report is no news."""
    never_answered = message.maybe_duplicate and message.status in UNSURE  # it has arrived, and is not sent again
    if never_answered or message.status in EARLIER[each.event]:
        return each.event
    hardens = each.permanent and message.status in {"bounced", "complained"} and message.reason != REFUSED
    return message.status if hardens else None


async def _consent(database: Database, each: Feedback, customer_id: int, now: datetime) -> None:
    if each.event == "complained":
        marketing, by, address = "unsubscribed", "complaint", None
    elif each.event == "unsubscribed":
        marketing, by, address = "unsubscribed", "unsubscribe", None
    elif each.event == "bounced" and each.permanent:
        marketing, by, address = "cleaned", "bounce", each.address
    else:
        return
    who = Recipient(each.account_id, customer_id, each.message)
    await note_consent(database, who, marketing, by, now, address=address)
