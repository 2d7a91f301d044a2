"""Queueing messages: who may be written to, what each message says, and the rows that are the queue."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.accounts.access import PlanRequired
from app.database.pools import Connection, Database
from app.database.rows import all_rows, one_row
from app.messages.consent.messageable import objection
from app.messages.queue_statements import INSERT_MESSAGES, NOTIFY_WORKERS, QueuedMessage
from app.messages.rank_recipients import BoardRank
from app.messages.schemas import Wording
from app.messages.statements import SELECT_SENDER, RecipientRow, SenderRow, select_recipients
from app.messages.writing.render_template import Written
from app.messages.writing.write_message import Draft, language_for
from app.messages.writing.writing_thread import in_writing_thread
from app.problems import Problem
from app.vocabulary import Plan


class SenderRequired(Problem):
    """The account has no sender; set one with PATCH /account {"sender": {…}}, then repeat this request."""

    slug = "sender-required"
    title = "No sender is configured"
    status = 409


class RecipientNotMessageable(Problem):
    """This customer must not be written to; `reason` says why."""

    slug = "recipient-not-messageable"
    title = "This customer must not be written to"
    status = 409

    def __init__(self, reason: str = "unsubscribed") -> None:
        """`reason` is one of the values of `messageable.objection`."""
        super().__init__(REASONS[reason], members={"reason": reason})


class BatchTooLarge(Problem):
    """Text length times number of recipients exceeds the limit of one request. Send to fewer recipients at a time."""

    slug = "batch-too-large"
    title = "The batch is too large"
    status = 413


MOST_CHARACTERS_AT_ONCE = 20_000_000
"""Characters of text and HTML over all recipients: the memory that one request may take."""

REASONS = {
    "no_address": "No e-mail address of this customer is known.",
    "cleaned": "Mail to this address was refused for good; PATCH /customers/{id} makes it usable again.",
    "unsubscribed": "The customer has unsubscribed; only transactional messages may be sent.",
    "non_subscribed": "The customer never subscribed; only transactional messages may be sent.",
}


@dataclass(frozen=True, slots=True)
class Result:
    """The message of one recipient, or the reason why there is none."""

    customer_id: int
    message: int | None = None
    code: str | None = None
    reason: str | None = None


async def queue_messages(
    conn: Connection,
    account_id: int,
    draft: Draft,
    customers: Sequence[int],
    ranks: Mapping[int, BoardRank],
    now: datetime,
    texts: Mapping[int, Written] | None = None,
) -> list[Result]:
    """Queue a message to each customer who may be written to; returns results in the order of the customers.

    `texts` are those that `write_texts` has written before; without them each text is written here.
    """
    account, wording = {"account_id": account_id}, draft.wording
    sender = await require_sender(conn, account_id)
    listed = account | {"customers": list(customers)}
    found = await all_rows(conn, select_recipients(locked=True), listed, RecipientRow)
    known = {row.id: row for row in found if texts is None or row.id in texts}
    results = {each: _refused_result(each, known.get(each), wording) for each in customers}
    recipients = [known[each] for each, result in results.items() if result is None]
    if recipients:
        if texts is None:
            texts = {each.id: draft.written_for(each, ranks.get(each.id)) for each in recipients}
        domain = sender.email.rpartition("@")[2]
        bound = account | {
            "now": now,
            "kind": wording.kind,
            "template": wording.template,
            "customers": [recipient.id for recipient in recipients],
            "languages": [language_for(wording, recipient.language) for recipient in recipients],
            "subjects": [texts[recipient.id].subject for recipient in recipients],
            "texts": [texts[recipient.id].text for recipient in recipients],
            "htmls": [texts[recipient.id].html for recipient in recipients],
            "message_ids": [f"<{secrets.token_hex(16)}@{domain}>" for _ in recipients],
        }
        queued = await all_rows(conn, INSERT_MESSAGES, bound, QueuedMessage)
        results |= {row.customer_id: Result(row.customer_id, row.id) for row in queued}
        await conn.execute(NOTIFY_WORKERS)
    return [result for result in results.values() if result is not None]


async def write_texts(
    database: Database, account_id: int, draft: Draft, customers: Sequence[int], ranks: Mapping[int, BoardRank]
) -> dict[int, Written]:
    """The text for each of the customers who may be written to, while no connection is held."""
    async with database.write() as conn:  # a replica may not know a new customer yet
        listed = {"account_id": account_id, "customers": list(customers)}
        found = await all_rows(conn, select_recipients(locked=False), listed, RecipientRow)
    return await in_writing_thread(_write_all, draft, found, ranks)


@dataclass(frozen=True, slots=True)
class KnownSender:
    """The sender of an account on the paid plan."""

    name: str
    email: str
    postal_address: str


async def require_sender(conn: Connection, account_id: int) -> KnownSender:
    """The sender of the account; PlanRequired or SenderRequired where it may not send."""
    row = await one_row(conn, SELECT_SENDER, {"account_id": account_id}, SenderRow)
    if row.plan != Plan.PAID:
        raise PlanRequired
    if row.name is None or row.email is None or row.postal_address is None:
        raise SenderRequired
    return KnownSender(row.name, row.email, row.postal_address)


def _refused_result(customer_id: int, recipient: RecipientRow | None, wording: Wording) -> Result | None:
    if recipient is None:
        return Result(customer_id, code="unknown_customer")
    reason = objection(wording.kind, recipient.email, recipient.marketing)
    return Result(customer_id, code="recipient_not_messageable", reason=reason) if reason else None


def _write_all(draft: Draft, recipients: Sequence[RecipientRow], ranks: Mapping[int, BoardRank]) -> dict[int, Written]:
    """The text for each recipient; the limit counts the resulting texts, because a filled-in name makes them longer."""
    texts: dict[int, Written] = {}
    characters = 0
    for recipient in recipients:
        text = draft.written_for(recipient, ranks.get(recipient.id))
        characters += len(text.text) + len(text.html or "")
        if characters > MOST_CHARACTERS_AT_ONCE:
            raise BatchTooLarge
        texts[recipient.id] = text
    return texts
