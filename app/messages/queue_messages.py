"""Queueing messages: who may be written to, what each message says, and the rows that are the queue."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.accounts.access import PlanRequired
from app.database.pools import Connection, Database
from app.database.rows import all_rows, one_row
from app.messages.consent.messageable import objection
from app.messages.identity import Identity, identity_of
from app.messages.queue_statements import INSERT_MESSAGES, NOTIFY_WORKERS, QueuedMessage
from app.messages.rank_recipients import BoardRank, ranks_of
from app.messages.schemas import Wording
from app.messages.statements import SELECT_SENDER, RecipientRow, SenderRow, select_recipients
from app.messages.writing.render_template import Written
from app.messages.writing.write_message import Draft, language_for
from app.messages.writing.writing_thread import in_writing_thread
from app.problems import Problem
from app.vocabulary import Plan
from app.words import Sentence


class SenderRequired(Problem):
    """Neither store nor account has a sender: set one with PATCH /sources/{id} or PATCH /account, then repeat this."""

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
    "no_address": Sentence("No e-mail address of this customer is known."),
    "cleaned": Sentence("The address takes no mail; once it does, DELETE /account/suppressions/{address}."),
    "left": Sentence("The owner of this address has unsubscribed; they must agree again before they get offers."),
    "complained": Sentence("The owner of this address has complained; they must agree again before they get offers."),
    "unsubscribed": Sentence("The customer has unsubscribed; only transactional messages may be sent."),
    "non_subscribed": Sentence("The customer never subscribed; only transactional messages may be sent."),
}


@dataclass(frozen=True, slots=True)
class Result:
    """The message of one recipient, or the reason why there is none; `same_as` is the message to the same address."""

    customer_id: int
    message: int | None = None
    code: str | None = None
    reason: str | None = None
    same_as: int | None = None


async def queue_messages(
    conn: Connection,
    account_id: int,
    draft: Draft,
    texts: Mapping[int, Written] | None,
    customers: Sequence[int],
    now: datetime,
) -> list[Result]:
    """Queue a message to each customer who may be written to; returns results in the order of the customers.

    `texts` are those that `write_texts` has written before, when no connection was held; None for a text that is the
    same for everybody.
    """
    account, wording = {"account_id": account_id}, draft.wording
    sender = await paying_sender(conn, account_id)
    listed = account | {"customers": list(customers)}
    found = await all_rows(conn, select_recipients(locked=True), listed, RecipientRow)
    known = {row.id: row for row in found if texts is None or row.id in texts}
    senders = {row.id: identity for row in found if (identity := identity_of(sender, row)) is not None}
    if known and not senders:
        raise SenderRequired
    results = {each: _refused_result(each, known.get(each), senders.get(each), wording) for each in customers}
    first_with = {known[each].email: each for each in reversed(customers) if results[each] is None}
    recipients = [known[each] for each in first_with.values()]
    if recipients:
        written = _texts_of(draft, texts, recipients)
        bound = account | {
            "now": now,
            "kind": wording.kind,
            "template": wording.template,
            "customers": [recipient.id for recipient in recipients],
            "languages": [language_for(wording, recipient) for recipient in recipients],
            "subjects": [each.subject for each in written],
            "texts": [each.text for each in written],
            "htmls": [each.html for each in written],
            "message_ids": [f"<{secrets.token_hex(16)}@{senders[each.id].domain}>" for each in recipients],
        }
        queued = await all_rows(conn, INSERT_MESSAGES, bound, QueuedMessage)
        results |= {row.customer_id: Result(row.customer_id, row.id) for row in queued}
        results |= _at_same_address(results, known, first_with)
        await conn.execute(NOTIFY_WORKERS)
    return [result for result in results.values() if result is not None]


def _at_same_address(
    results: Mapping[int, Result | None], known: Mapping[int, RecipientRow], first_with: Mapping[str | None, int]
) -> dict[int, Result]:
    """The results of those whose mailbox gets the message of another recipient."""
    same: dict[int, Result] = {}
    for each in [each for each, result in results.items() if result is None]:
        first = results[first_with[known[each].email]]
        same[each] = Result(each, code="same_address", same_as=first.message if first else None)
    return same


async def ranks_before(
    database: Database, account_id: int, draft: Draft, customers: Sequence[int], now: datetime
) -> Mapping[int, BoardRank]:
    """The ranks that the text may show; none, and no connection, for a text that is the same for everybody."""
    if draft.for_everybody is not None:
        return {}
    async with database.read() as reading:
        return await ranks_of(reading, account_id, customers, draft.wording, now)


def _texts_of(
    draft: Draft, texts: Mapping[int, Written] | None, recipients: Sequence[RecipientRow]
) -> Sequence[Written]:
    if texts is not None:
        return [texts[each.id] for each in recipients]
    if draft.for_everybody is None:
        raise TypeError("a text that is written for each recipient must be written before the transaction")
    return [draft.for_everybody] * len(recipients)


async def write_texts(
    database: Database, account_id: int, draft: Draft, customers: Sequence[int], ranks: Mapping[int, BoardRank]
) -> dict[int, Written] | None:
    """The text for each of the customers, written while no connection is held; None when all get the same one."""
    same = draft.for_everybody
    if same is not None:
        if len(customers) * (len(same.text) + len(same.html or "")) > MOST_CHARACTERS_AT_ONCE:
            raise BatchTooLarge
        return None
    async with database.write() as conn:  # a replica may not know a new customer yet
        listed = {"account_id": account_id, "customers": list(customers)}
        found = await all_rows(conn, select_recipients(locked=False), listed, RecipientRow)
    return await in_writing_thread(_write_all, draft, found, ranks)


async def paying_sender(conn: Connection, account_id: int) -> SenderRow:
    """The sender of the account, whose stores may have others; PlanRequired unless it is on the paid plan."""
    row = await one_row(conn, SELECT_SENDER, {"account_id": account_id}, SenderRow)
    if row.plan != Plan.PAID:
        raise PlanRequired
    return row


def _refused_result(
    customer_id: int, recipient: RecipientRow | None, sender: Identity | None, wording: Wording
) -> Result | None:
    if recipient is None:
        return Result(customer_id, code="unknown_customer")
    reason = objection(wording.kind, recipient.email, recipient.marketing, recipient.suppressed)
    if reason is not None:
        return Result(customer_id, code="recipient_not_messageable", reason=reason)
    return None if sender is not None else Result(customer_id, code=SenderRequired.code())


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
