"""Audit: statements that find what is not as the orders say."""

from sqlalchemy import text

from app.boards.boards import SUMMED
from app.boards.buckets import BUCKETED
from app.boards.cells import CELLED
from app.boards.standings import DIFFERENCES, FIGURES, STORED

NOT_SET_ASIDE = """
    AND NOT EXISTS (SELECT FROM outdated_standings AS b
                    WHERE b.account_id = :account_id AND b.source_id = :source_id
                      AND b.customer_id = coalesce(f.customer_id, s.customer_id))
"""

WRONG = text(f"""
    SELECT board_id, customer_id
    FROM ({DIFFERENCES.format(figures=FIGURES.format(whose=""), stored=STORED.format(whose=""))} {NOT_SET_ASIDE}) AS d
    ORDER BY 1, 2 LIMIT :most
""")
"""Any standings that are not as the orders say, those set aside for a running import excepted."""

WRONG_TOTALS = text(f"""
    SELECT b.id
    FROM boards AS b
    LEFT JOIN ({SUMMED}) AS n ON n.account_id = b.account_id AND n.board_id = b.id
    WHERE b.account_id = :account_id AND b.id = ANY(cast(:boards AS bigint[]))
      AND (b.customers, b.purchases, b.spend)
          <> (coalesce(n.customers, 0), coalesce(n.purchases, 0), coalesce(n.spend, 0))
    ORDER BY 1 LIMIT :most
""")
"""The boards whose totals are not the sums of their standings."""

WRONG_BUCKETS = text(f"""
    SELECT coalesce(n.board_id, b.board_id) AS board_id
    FROM ({BUCKETED}) AS n
    FULL JOIN (SELECT board_id, metric, least_value, customers FROM standing_buckets
               WHERE account_id = :account_id AND board_id = ANY(cast(:boards AS bigint[]))) AS b
        ON b.board_id = n.board_id AND b.metric = n.metric AND b.least_value = n.least_value
    WHERE coalesce(n.customers, 0) <> coalesce(b.customers, 0)
    ORDER BY 1 LIMIT :most
""")
"""The boards whose buckets are not what their standings say."""

WRONG_CELLS = text(f"""
    SELECT DISTINCT coalesce(n.board_id, c.board_id) AS board_id
    FROM ({CELLED}) AS n
    FULL JOIN (SELECT board_id, least_purchases, least_spend, customers FROM standing_cells
               WHERE account_id = :account_id AND board_id = ANY(cast(:boards AS bigint[]))) AS c
        ON c.board_id = n.board_id AND c.least_purchases = n.least_purchases AND c.least_spend = n.least_spend
    WHERE coalesce(n.customers, 0) <> coalesce(c.customers, 0)
    ORDER BY 1 LIMIT :most
""")
"""The boards whose cells are not what their standings say."""

WRONG_COUNTS = text("""
    SELECT s.id
    FROM sources AS s
    JOIN (SELECT count(*) FILTER (WHERE deleted_at IS NULL) AS orders,
                 count(*) FILTER (WHERE deleted_at IS NULL AND customer_id IS NULL) AS unattributed,
                 count(*) FILTER (WHERE deleted_at IS NULL AND foreign_currency IS NOT NULL) AS foreign_currency
          FROM orders WHERE account_id = :account_id AND source_id = :source_id) AS n ON true
    WHERE s.account_id = :account_id AND s.id = :source_id
      AND (s.orders, s.unattributed, s.foreign_currency) <> (n.orders, n.unattributed, n.foreign_currency)
""")
"""The source, if its own counts are not what its orders say."""

WRONG_OWNERS = text("""
    SELECT o.order_id
    FROM orders AS o
    LEFT JOIN addresses AS a ON a.account_id = o.account_id AND a.source_id = o.source_id AND a.email = o.guest_email
    WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.guest_email IS NOT NULL
      AND o.customer_id IS DISTINCT FROM a.customer_id
    ORDER BY 1 LIMIT :most
""")
"""Orders of an address alone that are not its owner's."""
