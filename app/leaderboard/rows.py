"""Rows: how PostgreSQL writes one line of a board, the same whatever it was read from."""

MOMENT = """to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
    || CASE WHEN date_trunc('second', {0}) = {0} THEN '' ELSE to_char({0}, '.US') END || 'Z'"""

CUSTOMER_ID = "'cus_' || p.customer_id"
MESSAGEABLE = "(c.marketing = 'subscribed' AND c.email IS NOT NULL)"
SHOWN_SPEND = "(p.spend * cast(:unit AS numeric))::text"
SHOWN_AVERAGE = "(p.average * cast(:unit AS numeric))::text"
SHOWN_MOMENT = MOMENT.format("p.last_order_at")

ITEM = f"""json_build_object(
    'rank', p.rank,
    'customer', json_build_object('id', {CUSTOMER_ID}, 'external_id', c.external_id, 'name', c.name,
                                  'email', c.email, 'messageable', {MESSAGEABLE}),
    'number_of_purchases', p.purchases, 'total_spend', {SHOWN_SPEND}, 'average_order_amount', {SHOWN_AVERAGE},
    'last_order_at', {SHOWN_MOMENT}{{compared}})::text"""

COMPARED = """, 'previous_rank', q.rank,
    'movement', CASE WHEN q.rank IS NULL THEN '"new"'::json ELSE to_json(q.rank - p.rank) END"""
