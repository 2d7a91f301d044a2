"""Previewing a message: what a recipient would get, without sending it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.accounts.access import Caller
from app.customers.read_profile import UnknownCustomer
from app.database.pools import Connection, Database
from app.database.rows import first_row
from app.messages.identity import Identity, identity_of
from app.messages.queue_messages import SenderRequired, paying_sender
from app.messages.rank_recipients import BoardRank, board_of, ranks_of
from app.messages.schemas import Preview, Previewed
from app.messages.statements import (
    SELECT_FIRST_STORE_SENDER,
    RecipientRow,
    SenderRow,
    StoreSenderRow,
    select_recipients,
)
from app.messages.writing.facts import Bought
from app.messages.writing.write_message import TextRecipient, drafted, language_for
from app.messages.writing.writing_thread import in_writing_thread
from app.vocabulary import MessageKind
from app.wire.addresses import masked_addresses

SAMPLE_LINK = "https://example.invalid/unsubscribe"
"""Shown in place of the unsubscribe link, which is made when the message is sent."""

SAMPLE_BOUGHT = Bought(12, Decimal("1234.50"), "EUR")


@dataclass(frozen=True, slots=True)
class Sample:
    """The made-up recipient of a preview that names no customer."""

    name: str = "Ada"
    first_name: str = "Ada"
    store: str = "Aurora"
    store_url: str | None = None
    language: str | None = None
    store_language: str | None = None


async def preview(
    database: Database, caller: Caller, wanted: Preview, customer: int | None, now: datetime
) -> Previewed:
    """The message for the customer, or for a made-up one; UnknownCustomer where there is none."""
    draft, account_id = await drafted(wanted), caller.account_id
    async with database.read() as conn:
        account = await paying_sender(conn, account_id)
        if customer is None:
            sender = await _sender_of_sample(conn, caller, account)
            reader: TextRecipient = Sample(store=sender.name)
            board_rank: BoardRank | None = BoardRank(1, board_of(wanted), SAMPLE_BOUGHT)
        else:
            reader = found = await _recipient_of(conn, caller, customer)
            sender = _required(identity_of(account, found))
            board_rank = (await ranks_of(conn, account_id, [customer], wanted, now)).get(customer)
    text = await in_writing_thread(draft.written_for, reader, board_rank)
    language = language_for(wanted, reader)
    footer = sender.footer(language, SAMPLE_LINK if wanted.kind == MessageKind.MARKETING else None)
    return Previewed(
        language=language,
        subject=text.subject,
        text=footer.below_text(text.text),
        html=None if text.html is None else footer.below_html(text.html),
    )


async def _recipient_of(conn: Connection, caller: Caller, customer: int) -> RecipientRow:
    bound = {"account_id": caller.account_id, "customers": [customer]}
    found = await first_row(conn, select_recipients(locked=False), bound, RecipientRow)
    if found is None or not caller.sees(found.source_id):
        raise UnknownCustomer
    if caller.masks_emails:  # some have their address for a name
        name, first_name = masked_addresses(found.name), masked_addresses(found.first_name)
        return found._replace(name=name, first_name=first_name)
    return found


async def _sender_of_sample(conn: Connection, caller: Caller, account: SenderRow) -> Identity:
    """The sender of the account; where it has none, that of its oldest store with one that the caller may know of."""
    store: StoreSenderRow | None = StoreSenderRow(None, None, None, None, None)
    if account.email is None:
        bound = {"account_id": caller.account_id, "sources": caller.named_sources}
        store = await first_row(conn, SELECT_FIRST_STORE_SENDER, bound, StoreSenderRow)
    return _required(None if store is None else identity_of(account, store))


def _required(sender: Identity | None) -> Identity:
    if sender is None:
        raise SenderRequired
    return sender
