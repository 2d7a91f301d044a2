"""Applying feedback: what providers report about messages, and what it means for the recipient's consent."""

from collections.abc import Iterable
from datetime import datetime

from app.database.pools import Database
from app.database.rows import first_row
from app.mail.contract import Feedback
from app.messages.consent.note_consent import end_consent
from app.messages.consent.unsubscribe_token import Recipient
from app.messages.statements import APPLY_FEEDBACK, SELECT_MESSAGE, MessageRow
from app.suppressions.suppress import suppress_address_of_message
from app.vocabulary import SuppressionReason

EARLIER_STATUSES = {
    "delivered": ("sending", "sent"),
    "bounced": ("sending", "sent", "delivered"),
    "complained": ("sending", "sent", "delivered", "bounced"),
    "unsubscribed": ("sending", "sent", "delivered", "bounced", "complained"),
}
"""The statuses that each event can change: feedback comes late, twice and in any order, and only moves a message
forward. An unsubscribe through the provider's link does not change the message's status."""

UNSURE_STATUSES = {"queued", "held", "failed", "cancelled"}
"""Statuses of a message that may have been delivered all the same: a copy was accepted and the answer was lost."""

ENDS_CONSENT = {"complained": SuppressionReason.COMPLAINED, "unsubscribed": SuppressionReason.LEFT}

REFUSED = "refused"
"""Reason stored when the address was rejected permanently; it is recorded once."""


async def apply_feedback(database: Database, feedback: Iterable[Feedback], now: datetime) -> None:
    """Store each event; a hard bounce makes the address unusable, a complaint and an unsubscribe end the consent.

    Consent comes first: after a crash in between, the provider's repetition is applied.
    """
    for each in feedback:
        key = {"account_id": each.account_id, "id": each.message}
        async with database.write() as conn:  # a replica may not know yet that it was sent
            message = await first_row(conn, SELECT_MESSAGE, key, MessageRow)
        status = None if message is None else status_after(each, message)
        if message is None or status is None:
            continue
        await _heed(database, each, message, now)
        if each.event == "unsubscribed":
            continue
        change = {"status": status, "reason": REFUSED if each.permanent else None, "now": now}
        async with database.write() as conn:
            earlier = {"earlier": [*EARLIER_STATUSES[each.event], message.status]}
            await conn.execute(APPLY_FEEDBACK, key | change | earlier)


def status_after(each: Feedback, message: MessageRow) -> str | None:
    """The status after this event, or None if the event changes nothing."""
    # A copy was accepted though no answer came: the message has arrived and is not sent again.
    was_never_answered = message.maybe_duplicate and message.status in UNSURE_STATUSES
    if was_never_answered or message.status in EARLIER_STATUSES[each.event]:
        return each.event
    hardens = each.permanent and message.status in {"bounced", "complained"} and message.reason != REFUSED
    return message.status if hardens else None


async def _heed(database: Database, each: Feedback, message: MessageRow, now: datetime) -> None:
    """Do what the event says about consent and address."""
    if each.event == "bounced" and each.permanent:
        dead = SuppressionReason.DEAD
        await suppress_address_of_message(database, each.account_id, message.id, dead, "bounce", now)
    elif each.event in ENDS_CONSENT:
        who = Recipient(each.account_id, message.customer_id or 0, message.id)
        await end_consent(database, who, ENDS_CONSENT[each.event], now)
