"""Etsy: the file of sold orders; refunds stand in its adjusted total."""

from app.orders.layouts.declaration import Layout, Moment, words
from app.orders.spelling import DateOrder
from app.vocabulary import LayoutName, OrderStatus

ETSY = Layout(
    name=LayoutName.ETSY,
    recognised_by=(("sale date", "order id", "order total", "order value"),),
    order_id=("order id",),
    customer_id=("buyer user id",),
    email=("buyer email", "email"),
    full_name=(("full name",), ("first name", "last name")),
    ordered_at=(Moment(("sale date",)),),
    dates=DateOrder.MDY,
    total=("order total",),
    total_after_refunds=("adjusted order total",),
    currency=("currency",),
    items=("number of items",),
    status=("status",),
    words=words(
        pending="open|unpaid|payment processing",
        paid="|paid|completed|complete|shipped|not shipped",
        partially_refunded="partially refunded",
        refunded="refunded|fully refunded",
        cancelled="canceled|cancelled",
    ),
    other_words=OrderStatus.PAID,
)
