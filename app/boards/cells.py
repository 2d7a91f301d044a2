"""Cells: how many customers of a board share a bucket of purchases and a bucket of spend.

Kept for the boards of the last 365 days, where VIPs are found: how many customers have more
than one value but not more than another is a sum of cells, and a count inside the bucket of
each value.
"""

from sqlalchemy import text

from app.boards.buckets import LEAST_VALUE
from app.periods import Kind

CELLED_KIND = Kind.LAST_365_DAYS
"""The kind of board that has cells."""

CELLS = """
    unnest(cast(:boards AS bigint[]), cast(:least_purchases AS bigint[]), cast(:least_spends AS bigint[]),
           cast(:customers AS bigint[])) AS n (board_id, least_purchases, least_spend, customers)
"""

CELLS_MOVED = text(f"""
    INSERT INTO standing_cells AS c (account_id, board_id, least_purchases, least_spend, customers)
    SELECT cast(:account_id AS bigint), n.board_id, n.least_purchases, n.least_spend, n.customers
    FROM {CELLS}
    WHERE n.customers > 0
    ON CONFLICT (account_id, board_id, least_purchases, least_spend)
        DO UPDATE SET customers = c.customers + excluded.customers
""")

CELLS_LOWERED = text(f"""
    UPDATE standing_cells AS c
    SET customers = c.customers + n.customers
    FROM {CELLS}
    WHERE c.account_id = :account_id AND c.board_id = n.board_id AND c.least_purchases = n.least_purchases
      AND c.least_spend = n.least_spend AND n.customers < 0
""")
"""How many customers more, then how many fewer, are in each cell."""

CELLED = f"""
    SELECT s.account_id, s.board_id, {LEAST_VALUE.format(value="s.purchases")} AS least_purchases,
           {LEAST_VALUE.format(value="s.spend")} AS least_spend, count(*) AS customers
    FROM standings AS s
    JOIN boards AS b ON b.account_id = s.account_id AND b.id = s.board_id AND b.kind = '{CELLED_KIND}'
    WHERE s.account_id = :account_id AND s.board_id = ANY(cast(:boards AS bigint[]))
    GROUP BY s.account_id, s.board_id, least_purchases, least_spend
"""

CELLS_FILLED = text(f"""
    INSERT INTO standing_cells (account_id, board_id, least_purchases, least_spend, customers)
    {CELLED}
    ORDER BY 1, 2, 3, 4
""")
"""The cells of boards that have none yet, counted from their standings; in order, so that a sum reads few pages."""

IN_CELLS = """
    SELECT coalesce(sum(k.customers), 0)::bigint AS customers
    FROM standing_cells AS k
    WHERE k.account_id = :account_id AND k.board_id = {board}
      AND k.least_purchases <= {purchases} AND k.least_spend > {spend}
"""
"""How many customers of a board are in a higher bucket of spend than that of `spend`, but in none higher of purchases.

Few purchases are few buckets, so this reads fewer cells than counting those who have more of both.
"""
