"""WooCommerce Analytics: the orders that its report exports; it knows customers by their names only."""

from app.orders.layouts.declaration import Layout, Moment
from app.orders.layouts.woocommerce_orders import WOOCOMMERCE_ORDERS
from app.vocabulary import LayoutName, OrderStatus

WOOCOMMERCE_ANALYTICS = Layout(
    name=LayoutName.WOOCOMMERCE_ANALYTICS,
    recognised_by=(
        ("date", "order", "status", "customer", "items sold"),
        ("date", "order number", "status", "customer", "items sold"),
    ),
    order_id=("order", "order number"),
    email=("customer email", "email"),
    full_name=(("customer",),),
    ordered_at=(Moment(("date",)),),
    total=("net sales", "n revenue", "net revenue", "revenue", "total"),
    currency=("currency",),
    items=("items sold",),
    status=("status",),
    words=WOOCOMMERCE_ORDERS.words,
    other_words=OrderStatus.PENDING,
)
