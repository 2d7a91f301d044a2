"""Reading orders back: an order as it is stored, what it counts for, and why it does not count."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from app.boards.source import Source
from app.customers.read_profile import PROFILE_FRAMES, codes_of_order
from app.ledger.schemas import CountedFrame, OrderCustomer
from app.ledger.statements import StoredOrderRow
from app.periods import HISTORY_BEGINS, named_frame
from app.vocabulary import OrderStatus, WhyNotCounted
from app.wire.ids import public_id
from app.wire.instants import local_rfc3339, rfc3339
from app.wire.money import CURRENCIES, decimal_string

PAID_STATUSES = {OrderStatus.PARTIALLY_PAID, OrderStatus.PAID, OrderStatus.PARTIALLY_REFUNDED}
AS_STORED = ("order_id", "items", "status", "test", "guest_email")


def stored_order_fields(row: StoredOrderRow, source: Source) -> dict[str, Any]:
    """An order's fields as they are read back."""
    currency = row.foreign_currency or source.currency
    digits = CURRENCIES[currency]
    return {name: getattr(row, name) for name in AS_STORED} | {
        "ordered_at": rfc3339(row.ordered_at),
        "updated_at": rfc3339(row.updated_at),
        "deleted_at": rfc3339(row.deleted_at) if row.deleted_at else None,
        "total": decimal_string(row.total, digits),
        "refunded": decimal_string(row.refunded, digits),
        "currency": currency,
        "discount_codes": codes_of_order(row.discount_codes),
        "customer": _customer_of(row),
        "is_purchase": row.spend is not None,
        "spend": None if row.spend is None else decimal_string(row.spend, source.digits),
        "not_counted_because": [*why_not_counted(row)],
    }


def _customer_of(row: StoredOrderRow) -> OrderCustomer | None:
    if row.customer_id is None:
        return None
    customer = public_id("cus", row.customer_id)
    return OrderCustomer(id=customer, external_id=row.external_id, name=row.customer_name, email=row.customer_email)


def why_not_counted(row: StoredOrderRow) -> Iterator[WhyNotCounted]:
    """Every reason why an order is not a purchase; of a deleted one only that.

    The column `spend` decides what a purchase is; the tests hold these reasons against it.
    """
    if row.deleted_at is not None:
        yield WhyNotCounted.DELETED
        return
    if row.test:
        yield WhyNotCounted.TEST
    if row.status not in PAID_STATUSES:
        yield WhyNotCounted(f"status_{row.status}")
    if row.refunded >= row.total > 0:
        yield WhyNotCounted.FULLY_REFUNDED
    if row.foreign_currency is not None:
        yield WhyNotCounted.FOREIGN_CURRENCY
    if row.customer_id is None:
        yield WhyNotCounted.UNATTRIBUTED if row.erased_at is None else WhyNotCounted.ERASED


def frames_that_count(row: StoredOrderRow, source: Source, now: datetime) -> list[CountedFrame]:
    """The named time frames in which the order counts now."""
    if row.spend is None:
        return []
    frames = {time_frame: named_frame(time_frame, now, source.calendar) for time_frame in PROFILE_FRAMES}
    return [
        CountedFrame(
            time_frame=time_frame,
            start=None if frame.start == HISTORY_BEGINS else local_rfc3339(frame.start, source.calendar.zone),
            end=local_rfc3339(frame.end, source.calendar.zone),
        )
        for time_frame, frame in frames.items()
        if frame.start <= row.ordered_at < frame.before
    ]
