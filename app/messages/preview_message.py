"""Previewing a message: what a recipient would get, without sending it."""

from dataclasses import dataclass
from datetime import datetime

from app.customers.read_profile import UnknownCustomer
from app.database.pools import Database
from app.database.rows import first_row
from app.messages.queue_messages import require_sender
from app.messages.rank_recipients import DEFAULT_BOARD, BoardRank, ranks_of
from app.messages.schemas import Preview, Previewed
from app.messages.statements import RecipientRow, select_recipients
from app.messages.writing.footer import Footer, Signature
from app.messages.writing.write_message import TextRecipient, drafted, language_for
from app.messages.writing.writing_thread import in_writing_thread
from app.vocabulary import MessageKind

SAMPLE_LINK = "https://example.invalid/unsubscribe"
"""Shown in place of the unsubscribe link, which is made when the message is sent."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A made-up recipient."""

    name: str = "Ada"
    store: str = "Aurora"
    store_url: str | None = None
    language: str | None = None


async def preview(
    database: Database, account_id: int, wanted: Preview, customer: int | None, now: datetime
) -> Previewed:
    """The message for the customer, or for a made-up one; UnknownCustomer where there is none."""
    draft = await drafted(wanted)
    async with database.read() as conn:
        sender = await require_sender(conn, account_id)
        reader: TextRecipient = Sample(store=sender.name)
        board_rank: BoardRank | None = BoardRank(1, DEFAULT_BOARD)
        if customer is not None:
            bound = {"account_id": account_id, "customers": [customer]}
            found = await first_row(conn, select_recipients(locked=False), bound, RecipientRow)
            if found is None:
                raise UnknownCustomer
            reader = found
            board_rank = (await ranks_of(conn, account_id, [customer], wanted, now)).get(customer)
    text = await in_writing_thread(draft.written_for, reader, board_rank)
    language = language_for(wanted, reader.language)
    link = SAMPLE_LINK if wanted.kind == MessageKind.MARKETING else None
    footer = Footer(Signature(sender.name, sender.postal_address), language, link)
    return Previewed(
        language=language,
        subject=text.subject,
        text=footer.below_text(text.text),
        html=None if text.html is None else footer.below_html(text.html),
    )
