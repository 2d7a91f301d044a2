"""Layouts: the files that other programs export, a file of declarations each; add a new one to this list."""

from collections.abc import Collection

from app.orders.layouts.bigcommerce import BIGCOMMERCE
from app.orders.layouts.declaration import Layout
from app.orders.layouts.etsy import ETSY
from app.orders.layouts.magento import MAGENTO
from app.orders.layouts.paypal import PAYPAL
from app.orders.layouts.prestashop import PRESTASHOP
from app.orders.layouts.shopify_orders import SHOPIFY_ORDERS
from app.orders.layouts.square import SQUARE
from app.orders.layouts.squarespace import SQUARESPACE
from app.orders.layouts.stripe_payments import STRIPE_PAYMENTS
from app.orders.layouts.woocommerce_analytics import WOOCOMMERCE_ANALYTICS
from app.orders.layouts.woocommerce_orders import WOOCOMMERCE_ORDERS
from app.vocabulary import LayoutName

LAYOUTS: dict[LayoutName, Layout] = {
    layout.name: layout
    for layout in (
        SHOPIFY_ORDERS,
        WOOCOMMERCE_ORDERS,
        WOOCOMMERCE_ANALYTICS,
        SQUARESPACE,
        BIGCOMMERCE,
        MAGENTO,
        PRESTASHOP,
        ETSY,
        SQUARE,
        STRIPE_PAYMENTS,
        PAYPAL,
    )
}


def is_recognised(layout: Layout, columns: Collection[str]) -> bool:
    """Whether a file with these columns can be of the layout."""
    return any(all(column in columns for column in needed) for needed in layout.recognised_by)


def recognised_layout(columns: Collection[str]) -> Layout | None:
    """The layout that most of these columns belong to, if they are all that it is recognised by."""
    found = [
        (len(needed), layout)
        for layout in LAYOUTS.values()
        for needed in layout.recognised_by
        if all(column in columns for column in needed)
    ]
    return max(found, key=lambda each: each[0])[1] if found else None
