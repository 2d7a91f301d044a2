"""Queueing messages: who may be written to, what is written to them, and the rows that are the queue."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.accounts.access import PlanRequired
from app.database.pools import Connection
from app.messages import correspondence, outbox
from app.messages.consent.messageable import objection
from app.messages.rank_recipients import Place
from app.messages.schemas import Wording
from app.messages.writing.render_template import Written
from app.messages.writing.write_message import language_for, written
from app.problems import Problem


class SenderRequired(Problem):
    """Nobody is set as the sender; set one with PATCH /account {"sender": {…}}, then repeat this."""

    slug = "sender-required"
    title = "Who is it from?"
    status = 409


class RecipientNotMessageable(Problem):
    """This customer must not be written to; `reason` tells why."""

    slug = "recipient-not-messageable"
    title = "This customer must not be written to"
    status = 409

    def __init__(self, reason: str = "unsubscribed") -> None:
        """The reason goes into a member of its own: what messageable.objection says."""
        super().__init__(REASONS[reason], members={"reason": reason})


class BatchTooLarge(Problem):
    """So long a text to so many is too much for one request; name fewer recipients in each."""

    slug = "batch-too-large"
    title = "The batch is too large"
    status = 413


MOST_CHARACTERS_AT_ONCE = 20_000_000
"""Text and HTML times recipients: what a request may hold in memory."""

REASONS = {
    "no_address": "No e-mail address of this customer is known.",
    "cleaned": "Mail to this address was refused for good; PATCH /customers/{id} makes it usable again.",
    "unsubscribed": "The customer has unsubscribed; only transactional messages may be sent.",
    "non_subscribed": "The customer never subscribed; only transactional messages may be sent.",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one recipient: a message's row, or why there is none."""

    customer_id: int
    message: int | None = None
    code: str | None = None
    reason: str | None = None


async def queue_messages(
    conn: Connection,
    account_id: int,
    wording: Wording,
    customers: Sequence[int],
    places: Mapping[int, Place],
    now: datetime,
) -> list[Result]:
    """Write to each of the customers who may be written to, in one transaction; the results in their order."""
    account = {"account_id": account_id}
    sender = (await conn.execute(correspondence.SENDER, account)).one()
    if sender.plan != "paid":
        raise PlanRequired
    if sender.email is None:
        raise SenderRequired
    found = await conn.execute(correspondence.RECIPIENTS_HELD, account | {"customers": list(customers)})
    known = {row.id: row for row in found}
    results = {each: _refusal(each, known.get(each), wording) for each in customers}
    people = [known[each] for each, result in results.items() if result is None]
    if people:
        texts = await asyncio.to_thread(_written, wording, people, places)
        domain = sender.email.rpartition("@")[2]
        bound = account | {
            "now": now,
            "kind": wording.kind,
            "template": wording.template,
            "customers": [person.id for person in people],
            "languages": [language_for(wording, person.language) for person in people],
            "subjects": [text.subject for text in texts],
            "texts": [text.text for text in texts],
            "htmls": [text.html for text in texts],
            "message_ids": [f"<{secrets.token_hex(16)}@{domain}>" for _ in people],
        }
        rows = await conn.execute(outbox.QUEUED, bound)
        results |= {row.customer_id: Result(row.customer_id, row.id) for row in rows}
        await conn.execute(outbox.WOKEN)
    return [result for result in results.values() if result is not None]


def _refusal(customer_id: int, row: Any, wording: Wording) -> Result | None:  # noqa: ANN401 - a row of RECIPIENTS
    if row is None:
        return Result(customer_id, code="unknown_customer")
    reason = objection(wording.kind, row.email, row.marketing)
    return Result(customer_id, code="recipient_not_messageable", reason=reason) if reason else None


def _written(wording: Wording, people: Sequence[Any], places: Mapping[int, Place]) -> list[Written]:
    """The text for each; a batch is a second of computing, which must not hold up other requests.

    What counts is what was written: a name filled in or HTML made whole is longer than what was sent to us.
    """
    texts: list[Written] = []
    characters = 0
    for person in people:
        texts.append(written(wording, person, places.get(person.id)))
        characters += len(texts[-1].text) + len(texts[-1].html or "")
        if characters > MOST_CHARACTERS_AT_ONCE:
            raise BatchTooLarge
    return texts
