"""PrestaShop: the list of orders that its back office exports, or the columns of its table of orders."""

from app.orders.layouts.declaration import NOBODY, Layout, Moment, words
from app.vocabulary import LayoutName, OrderStatus

PRESTASHOP = Layout(
    name=LayoutName.PRESTASHOP,
    recognised_by=(
        ("id", "reference", "customer", "total", "payment", "status", "date"),
        ("id order", "reference", "id customer", "total paid"),
        ("id order", "reference", "id customer", "total paid tax incl"),
    ),
    order_id=("id order", "id"),
    customer_id=("id customer", "customer id"),
    guests=NOBODY,
    email=("email", "customer email"),
    full_name=(("firstname", "lastname"), ("customer",)),
    ordered_at=(Moment(("date add",)), Moment(("date",))),
    updated_at=(Moment(("date upd",)),),
    total=("total paid tax incl", "total paid", "total"),
    refunded=("total refunded", "amount refunded"),
    currency=("currency", "iso code", "currency iso code"),
    items=("product quantity", "quantity"),
    status=("status", "osname", "order state", "state", "current state"),
    words=words(
        pending="awaiting check payment|awaiting bank wire payment|awaiting bank wire|awaiting payment"
        "|awaiting cash on delivery validation|awaiting cod validation|awaiting paypal payment"
        "|on backorder (not paid)|1|10|11|12|13",
        authorized="payment authorized|authorized. to be captured by merchant",
        paid="payment accepted|processing in progress|shipped|delivered|remote payment accepted|on backorder (paid)"
        "|2|3|4|5|9",
        partially_refunded="partial refund|partially refunded",
        refunded="refunded|7",
        cancelled="canceled|cancelled|6",
        voided="payment error|8",
    ),
    other_words=OrderStatus.PENDING,
)
