"""WooCommerce: the orders of the export plug-ins that shops use; each names the same things a little differently."""

from app.orders.layouts.declaration import NOBODY, InCells, Layout, Moment, words
from app.vocabulary import LayoutName, OrderStatus

WOOCOMMERCE_ORDERS = Layout(
    name=LayoutName.WOOCOMMERCE_ORDERS,
    recognised_by=(
        ("order id", "order date", "status", "order total", "billing email"),
        ("order id", "date", "status", "order total", "billing email"),
        ("order id", "order date", "order status", "order total", "billing email"),
        ("order number", "order date", "status", "order total", "billing email"),
        ("order number", "order status", "order date", "order total amount"),
        ("order id", "order status", "order date", "order total amount"),
        ("id", "date created", "status", "total", "billing email"),
    ),
    order_id=("order id", "id", "order number"),
    customer_id=("customer id", "customer user", "customer user id", "user id"),
    guests=NOBODY,
    email=("billing email", "customer email", "email billing", "customer user email"),
    full_name=(
        ("billing first name", "billing last name"),
        ("first name billing", "last name billing"),
        ("customer first name", "customer last name"),
        ("billing full name",),
    ),
    ordered_at=(
        Moment(("order date gmt",), "UTC"),
        Moment(("date created gmt",), "UTC"),
        Moment(("order date",)),
        Moment(("date created",)),
        Moment(("date", "time")),
    ),
    updated_at=(Moment(("date modified gmt",), "UTC"), Moment(("modified date gmt",), "UTC")),
    total=("order total", "order total amount", "total"),
    refunded=("refunded total", "order refund amount", "order refund total", "order total refunded", "refund amount"),
    refunded_in_cells=InCells(r"refund items|refunds", r"amount: ?-?([0-9][0-9.,]*)"),
    currency=("order currency", "currency"),
    items=("quantity", "item quantity", "total items", "order items quantity"),
    items_in_cells=InCells(r"line items?(?: [0-9]+)?", r"(?:quantity|qty): ?([0-9]+)"),
    status=("status", "order status"),
    words=words(
        pending="pending|pending payment|on-hold|on hold|checkout-draft|draft|wc-pending|wc-on-hold|wc-checkout-draft",
        paid="processing|completed|wc-processing|wc-completed",
        refunded="refunded|wc-refunded",
        cancelled="cancelled|wc-cancelled|trash",
        voided="failed|wc-failed",
    ),
    other_words=OrderStatus.PENDING,
)
