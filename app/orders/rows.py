"""Rows: how PostgreSQL writes one customer's figures, the same whatever they were read from.

`p` is the row of figures, `c` the customer. The moment of the last purchase, money and ids
are written here too, so that pages need not be parsed again.
"""

MOMENT = """to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
    || CASE WHEN date_trunc('second', {0}) = {0} THEN '' ELSE to_char({0}, '.US') END || 'Z'"""

CUSTOMER_ID = "'cus_' || p.customer_id"
MESSAGEABLE = "(c.marketing = 'subscribed' AND c.email IS NOT NULL)"
SHOWN_SPEND = "(p.spend * cast(:unit AS numeric))::text"
SHOWN_AVERAGE = "(p.average * cast(:unit AS numeric))::text"
SHOWN_MOMENT = MOMENT.format("p.last_order_at")

CUSTOMER = f"""'customer', json_build_object('id', {CUSTOMER_ID}, 'external_id', c.external_id, 'name', c.name,
                                  'email', c.email, 'messageable', {MESSAGEABLE})"""
FIGURES = f"""'number_of_purchases', p.purchases, 'total_spend', {SHOWN_SPEND}, 'average_order_amount', {SHOWN_AVERAGE},
    'last_order_at', {SHOWN_MOMENT}"""
"""Members of a JSON object."""

COLUMNS = (
    *("customer_id", "external_id", "name", "email", "messageable"),
    *("number_of_purchases", "total_spend", "average_order_amount", "last_order_at", "currency"),
)
CELLS = f"""{CUSTOMER_ID} AS customer_id, c.external_id, c.name, c.email, {MESSAGEABLE} AS messageable,
    p.purchases, {SHOWN_SPEND} AS total_spend, {SHOWN_AVERAGE} AS average_order_amount,
    {SHOWN_MOMENT} AS last_order_at, cast(:currency AS text) AS currency"""
"""The same as cells of a table."""

NAMED = "FROM {ranked} AS p JOIN customers AS c ON c.account_id = :account_id AND c.id = p.customer_id"
