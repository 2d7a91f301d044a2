"""BigCommerce: the orders that its control panel exports by the default template, or with the names of its API."""

from app.orders.layouts.declaration import NOBODY, Layout, Moment, words
from app.vocabulary import LayoutName

BIGCOMMERCE = Layout(
    name=LayoutName.BIGCOMMERCE,
    recognised_by=(
        ("order id", "order status", "order date", "order total inc tax"),
        ("order id", "order status", "order date", "order total ex tax"),
        ("order id", "status", "date created", "total inc tax"),
    ),
    order_id=("order id",),
    customer_id=("customer id",),
    guests=NOBODY,
    email=("customer email", "billing email"),
    full_name=(("customer name",), ("billing name",), ("billing first name", "billing last name")),
    ordered_at=(Moment(("order date", "order time")), Moment(("date created",))),
    updated_at=(Moment(("date modified",)),),
    total=("order total inc tax", "total inc tax", "order total ex tax"),
    refunded=("refund amount", "refunded amount", "order refunded amount"),
    currency=("order currency code", "currency code", "transactional currency code", "default currency code"),
    items=("total quantity", "items total"),
    status=("order status", "status"),
    words=words(
        pending="pending|incomplete|awaiting payment|manual verification required",
        paid="awaiting fulfillment|awaiting shipment|awaiting pickup|partially shipped|shipped|completed|disputed",
        partially_refunded="partially refunded",
        refunded="refunded",
        cancelled="cancelled|canceled",
        voided="declined",
    ),
)
