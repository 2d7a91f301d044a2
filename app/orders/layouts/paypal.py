"""PayPal: the activity that it exports: payments that came in are orders, refunds are rows of their own."""

from app.orders.layouts.declaration import Layout, Moment, words
from app.vocabulary import LayoutName

PAYMENTS = (
    "express checkout payment|website payment|website payments pro api solution|general payment|mobile payment"
    "|payment|preapproved payment bill user payment|subscription payment|recurring payment|payment received"
    "|ebay auction payment"
    "|virtual terminal transaction|shopping cart payment received|invoice received|donation payment|donation received"
    "|web accept payment received|pay with venmo|tip|qr code payment|instant payment review"
    "|store-to-store payment received"
)
REFUNDS = "payment refund|refund|payment reversal|reversal|chargeback|partial refund"

PAYPAL = Layout(
    name=LayoutName.PAYPAL,
    recognised_by=(("date", "time", "type", "status", "currency", "gross", "transaction id"),),
    order_id=("transaction id",),
    email=("from email address",),
    full_name=(("name",),),
    ordered_at=(Moment(("date", "time"), zone_column="timezone"),),
    total=("gross",),
    currency=("currency",),
    items=("quantity",),
    status=("status",),
    words=words(
        pending="pending|in progress|held|placed|under review|temporary hold",
        paid="|completed|cleared",
        partially_refunded="partially refunded|partially reversed",
        refunded="refunded|reversed",
        cancelled="canceled|cancelled|expired|removed",
        voided="denied|failed|returned",
    ),
    orders_only=("type", frozenset(PAYMENTS.split("|"))),
    ignores_payments_made=True,
    refund_rows=("type", frozenset(REFUNDS.split("|"))),
    refund_of=("reference txn id",),
)
