"""Exporting a person: everything that is stored about a customer, to answer a request for access."""

from app.boards.source import Source
from app.customers import profile_statements, statements
from app.customers.profile_statements import CustomerOfStore, ExportedMessageRow
from app.customers.read_profile import UnknownCustomer, contact, shown_message, shown_order
from app.customers.schemas import Consent, Export, ExportedMessage, ExportedOrder, ShownOrderRow
from app.customers.statements import ConsentChange
from app.database.pools import Connection
from app.database.rows import all_rows, first_row
from app.wire.instants import rfc3339


async def export_person(conn: Connection, account_id: int, customer_id: int) -> Export:
    """Everything about a customer; UnknownCustomer when there is no such customer."""
    key = {"account_id": account_id, "customer_id": customer_id}
    row = await first_row(conn, profile_statements.SELECT_CUSTOMER_WITH_SOURCE, key, CustomerOfStore)
    if row is None:
        raise UnknownCustomer
    source = Source(account_id, row.source_id, row.audience_id, row.currency, row.time_zone, row.week_start)
    history = await all_rows(conn, statements.SELECT_CONSENT_HISTORY, key, ConsentChange)
    addresses = (await conn.execute(statements.SELECT_ADDRESSES, key)).scalars().all()
    orders = await all_rows(conn, profile_statements.SELECT_ALL_ORDERS, key | source.key, ShownOrderRow)
    messages = await all_rows(conn, profile_statements.SELECT_ALL_MESSAGES, key, ExportedMessageRow)
    return Export(
        **contact(row, masked=False),
        consent_history=[
            Consent(marketing=each.marketing, changed_by=each.changed_by, changed_at=rfc3339(each.changed_at))
            for each in history
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
                **shown_message(message, masked=False),
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
