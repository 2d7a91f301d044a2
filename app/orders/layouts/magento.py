"""Magento (Adobe Commerce): the grid of orders that its admin exports, or the columns of its table of orders."""

from app.orders.layouts.declaration import NOBODY, Layout, Moment, words
from app.vocabulary import LayoutName, OrderStatus

MAGENTO = Layout(
    name=LayoutName.MAGENTO,
    recognised_by=(
        ("id", "purchase date", "grand total purchased", "status"),
        ("id", "purchase date", "grand total base", "status"),
        ("id", "purchased date", "grand total purchased", "status"),
        ("order", "purchased on", "g t purchased", "status"),
        ("increment id", "created at", "grand total", "status"),
    ),
    order_id=("increment id", "id", "order"),
    customer_id=("customer id",),
    guests=NOBODY,
    email=("customer email", "email"),
    full_name=(("customer name",), ("customer firstname", "customer lastname"), ("bill to name",), ("ship to name",)),
    ordered_at=(
        Moment(("created at",), "UTC"),
        Moment(("purchase date",)),
        Moment(("purchased date",)),
        Moment(("purchased on",)),
    ),
    updated_at=(Moment(("updated at",), "UTC"),),
    total=("grand total purchased", "grand total", "grand total base", "g t purchased"),
    refunded=("total refunded", "refunded"),
    currency=("order currency code", "purchased currency", "currency"),
    items=("total qty ordered", "total item count"),
    status=("status",),
    words=words(
        pending="pending|pending payment|pending_payment|pending paypal|pending_paypal|on hold|holded|payment review"
        "|payment_review|suspected fraud|fraud",
        paid="processing|complete|completed",
        refunded="closed",
        cancelled="canceled|cancelled",
        voided="paypal canceled reversal|paypal_canceled_reversal|paypal reversed|paypal_reversed",
    ),
    other_words=OrderStatus.PENDING,
)
