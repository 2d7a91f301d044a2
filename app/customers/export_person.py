"""Exporting a person: everything that is known, for who asks what we know of them."""

from app.boards.source import Source
from app.customers import directory, dossier
from app.customers.read_profile import UnknownCustomer, contact, shown_message, shown_order
from app.customers.schemas import Consent, Export, ExportedMessage, ExportedOrder
from app.database.pools import Connection
from app.wire.instants import rfc3339


async def export_person(conn: Connection, account_id: int, customer_id: int) -> Export:
    """The whole of it; UnknownCustomer where there is none."""
    bound = {"account_id": account_id, "customer_id": customer_id}
    known = (await conn.execute(dossier.KNOWN, bound)).one_or_none()
    if known is None:
        raise UnknownCustomer
    source = Source(account_id, known.source_id, known.audience_id, known.currency, known.time_zone, known.week_start)
    history = (await conn.execute(directory.CONSENT_HISTORY, bound)).all()
    addresses = (await conn.execute(directory.ADDRESSES, bound)).scalars().all()
    orders = (await conn.execute(dossier.EVERY_ORDER, bound | {"source_id": source.id})).all()
    messages = (await conn.execute(dossier.EVERY_MESSAGE, bound)).all()
    return Export(
        **contact(known),
        consent_history=[
            Consent(marketing=row.marketing, changed_by=row.changed_by, changed_at=rfc3339(row.changed_at))
            for row in history
        ],
        addresses=list(addresses),
        orders=[
            ExportedOrder(
                **shown_order(order, source),
                email=order.guest_email,
                deleted_at=rfc3339(order.deleted_at) if order.deleted_at else None,
            )
            for order in orders
        ],
        messages=[
            ExportedMessage(
                **shown_message(message),
                message_id=message.message_id,
                provider_id=message.provider_id,
                language=message.language,
                text=message.text,
                html=message.html,
                answers=[answer.strip() for answer in message.answers if answer.strip()],
            )
            for message in messages
        ],
    )
