"""Previewing a message: what somebody would get, without sending it."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.accounts.access import PlanRequired
from app.customers.read_profile import UnknownCustomer
from app.database.pools import Connection
from app.messages import correspondence
from app.messages.queue_messages import SenderRequired
from app.messages.rank_recipients import THE_USUAL, Place, places_of
from app.messages.schemas import Preview, Previewed
from app.messages.writing.footer import Footer
from app.messages.writing.footer import Sender as Signature
from app.messages.writing.write_message import language_for, written

SAMPLE_LINK = "https://example.invalid/unsubscribe"
"""What stands for the link, which is of one recipient alone and made when the message is sent."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Somebody to look at a message with."""

    name: str = "Ada"
    store: str = "Aurora"
    language: str | None = None


async def preview(conn: Connection, account_id: int, wanted: Preview, customer: int | None, now: datetime) -> Previewed:
    """The message for the customer, or for a made-up one; UnknownCustomer where there is none."""
    sender = (await conn.execute(correspondence.SENDER, {"account_id": account_id})).one()
    if sender.plan != "paid":
        raise PlanRequired
    if sender.email is None:
        raise SenderRequired
    person: Any = Sample(store=sender.name)
    place: Place | None = Place(1, THE_USUAL)
    if customer is not None:
        bound = {"account_id": account_id, "customers": [customer]}
        person = (await conn.execute(correspondence.RECIPIENTS, bound)).one_or_none()
        if person is None:
            raise UnknownCustomer
        place = (await places_of(conn, account_id, [customer], wanted, now)).get(customer)
    text = await asyncio.to_thread(written, wanted, person, place)
    language = language_for(wanted, person.language)
    link = SAMPLE_LINK if wanted.kind == "marketing" else None
    footer = Footer(Signature(sender.name, sender.postal_address), language, link)
    return Previewed(
        language=language,
        subject=text.subject,
        text=footer.below_text(text.text),
        html=None if text.html is None else footer.below_html(text.html),
    )
