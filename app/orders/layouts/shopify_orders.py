"""Shopify: the orders that its admin exports, a row for each line of an order, order fields in the first one only."""

from app.orders.layouts.declaration import Layout, Moment, words
from app.vocabulary import LayoutName

SHOPIFY_ORDERS = Layout(
    name=LayoutName.SHOPIFY_ORDERS,
    recognised_by=(("name", "financial status", "total", "created at", "lineitem quantity"),),
    order_id=("id", "name"),
    same_order=("name",),
    email=("email",),
    full_name=(("billing name",), ("shipping name",)),
    ordered_at=(Moment(("created at",)),),
    total=("total",),
    refunded=("refunded amount",),
    currency=("currency",),
    items=("lineitem quantity",),
    status=("financial status",),
    words=words(
        pending="pending|expired|unpaid",
        authorized="authorized",
        partially_paid="partially_paid|partially paid",
        paid="paid",
        partially_refunded="partially_refunded|partially refunded",
        refunded="refunded",
        voided="voided",
    ),
    cancelled_at=("cancelled at",),
)
