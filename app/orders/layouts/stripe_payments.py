"""Stripe: the payments that its dashboard exports."""

from app.orders.layouts.declaration import Layout, Moment, words
from app.vocabulary import LayoutName

STRIPE_PAYMENTS = Layout(
    name=LayoutName.STRIPE_PAYMENTS,
    recognised_by=(
        ("id", "created date utc", "amount", "currency", "status"),
        ("id", "created utc", "amount", "currency", "status"),
        ("id", "created", "amount", "amount refunded", "currency", "status"),
    ),
    order_id=("id",),
    customer_id=("customer id",),
    email=("customer email", "receipt email", "email metadata"),
    full_name=(("customer name",), ("card name",), ("customer description",)),
    ordered_at=(Moment(("created date utc",), "UTC"), Moment(("created utc",), "UTC"), Moment(("created",), "UTC")),
    total=("amount",),
    refunded=("amount refunded",),
    currency=("currency",),
    status=("status",),
    words=words(
        pending="pending|processing|incomplete|requires payment method|requires_payment_method|requires action"
        "|requires_action|requires confirmation|requires_confirmation",
        authorized="uncaptured|requires capture|requires_capture",
        paid="paid|succeeded|disputed|won|early fraud warning",
        partially_refunded="partially refunded|partial refund",
        refunded="refunded|lost",
        cancelled="canceled|cancelled|expired",
        voided="failed|blocked",
    ),
    test=("mode", "livemode"),
    test_words=frozenset({"test", "false"}),
)
