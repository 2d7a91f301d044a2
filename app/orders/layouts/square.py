"""Square: the transactions that its dashboard exports; refunds are rows of their own, or a column."""

from app.orders.layouts.declaration import Layout, Moment, words
from app.vocabulary import LayoutName, OrderStatus

SQUARE = Layout(
    name=LayoutName.SQUARE,
    recognised_by=(
        ("date", "time", "transaction id", "total collected"),
        ("date", "time", "transaction id", "gross sales", "net sales"),
    ),
    order_id=("transaction id",),
    customer_id=("customer id",),
    email=("customer email",),
    full_name=(("customer name",),),
    ordered_at=(Moment(("date", "time"), zone_column="time zone"),),
    total=("total collected", "net sales"),
    refunded=("partial refunds",),
    currency=("currency",),
    status=("transaction status", "event type"),
    words=words(paid="|payment|complete|completed", pending="pending", voided="voided|failed|canceled"),
    other_words=OrderStatus.PENDING,
    orders_only=("event type", frozenset({"", "payment"})),
    refund_rows=("event type", frozenset({"refund"})),
    refund_of=("transaction id",),
)
