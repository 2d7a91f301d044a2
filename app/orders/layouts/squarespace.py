"""Squarespace: the orders that its panel downloads, a row for each line of an order."""

from app.orders.layouts.declaration import Layout, Moment, words
from app.vocabulary import LayoutName

SQUARESPACE = Layout(
    name=LayoutName.SQUARESPACE,
    recognised_by=(("order id", "email", "financial status", "total", "created at", "lineitem quantity"),),
    order_id=("order id",),
    email=("email",),
    full_name=(("billing name",), ("shipping name",)),
    ordered_at=(Moment(("created at",)), Moment(("paid at",))),
    total=("total",),
    refunded=("amount refunded",),
    currency=("currency",),
    items=("lineitem quantity",),
    status=("financial status",),
    words=words(
        pending="pending|unpaid",
        authorized="authorized",
        partially_paid="partially_paid|partially paid",
        paid="paid",
        partially_refunded="partially_refunded|partially refunded",
        refunded="refunded|fully_refunded",
        cancelled="canceled|cancelled",
        voided="voided|failed",
    ),
    cancelled_at=("cancelled at", "canceled at"),
)
