"""Cells: how many customers of a board share a bucket of purchases and a bucket of spend.

Kept for the boards of the last 365 days, where VIPs are found: how many customers have more
than one value but not more than another is a sum of cells, and a count inside the bucket of
each value.
"""

from sqlalchemy import text

from app.periods import Kind

CELLED_KIND = Kind.LAST_365_DAYS
"""The kind of board that has cells."""

CELLS = """
    unnest(cast(:boards AS bigint[]), cast(:purchases_buckets AS bigint[]), cast(:spend_buckets AS bigint[]),
           cast(:customers AS bigint[])) AS n (board_id, purchases_bucket, spend_bucket, customers)
"""

CELLS_MOVED = text(f"""
    INSERT INTO standing_cells AS c (account_id, board_id, purchases_bucket, spend_bucket, customers)
    SELECT cast(:account_id AS bigint), n.board_id, n.purchases_bucket, n.spend_bucket, n.customers
    FROM {CELLS}
    WHERE n.customers > 0
    ON CONFLICT (account_id, board_id, purchases_bucket, spend_bucket)
        DO UPDATE SET customers = c.customers + excluded.customers
""")

CELLS_LOWERED = text(f"""
    UPDATE standing_cells AS c
    SET customers = c.customers + n.customers
    FROM {CELLS}
    WHERE c.account_id = :account_id AND c.board_id = n.board_id AND c.purchases_bucket = n.purchases_bucket
      AND c.spend_bucket = n.spend_bucket AND n.customers < 0
""")
"""How many customers more, then how many fewer, are in each cell."""

CELLED = f"""
    SELECT s.account_id, s.board_id, width_bucket(s.purchases, cast(:bucket_edges AS bigint[])) AS purchases_bucket,
           width_bucket(s.spend, cast(:bucket_edges AS bigint[])) AS spend_bucket, count(*) AS customers
    FROM standings AS s
    JOIN boards AS b ON b.account_id = s.account_id AND b.id = s.board_id AND b.kind = '{CELLED_KIND}'
    WHERE s.account_id = :account_id AND s.board_id = ANY(cast(:boards AS bigint[]))
    GROUP BY s.account_id, s.board_id, purchases_bucket, spend_bucket
"""

CELLS_FILLED = text(f"""
    INSERT INTO standing_cells (account_id, board_id, purchases_bucket, spend_bucket, customers)
    {CELLED}
    ORDER BY 1, 2, 3, 4
""")
"""The cells of boards that have none yet, counted from their standings; in order, so that a sum reads few pages."""

SPEND_ALONE_ABOVE = """
    (SELECT coalesce(sum(k.customers), 0)::bigint FROM standing_cells AS k
     WHERE k.account_id = :account_id AND k.board_id = {board}
       AND k.purchases_bucket <= {purchases_bucket} AND k.spend_bucket > {spend_bucket})
    + (SELECT count(*) FROM standings AS n
       WHERE n.account_id = :account_id AND n.board_id = {board} AND n.purchases <= {purchases}
         AND n.spend > {spend} AND n.spend < {spend_edge})
    - (SELECT count(*) FROM standings AS n
       WHERE n.account_id = :account_id AND n.board_id = {board} AND n.spend >= {spend_edge}
         AND n.purchases > {purchases} AND n.purchases < {purchases_edge})
"""
"""How many customers of a board have more than `spend`, but not more than `purchases`.

A bucket ends before its edge; whoever shares a bucket with one of the two values is counted one by one.
Few purchases are few buckets, so this reads fewer cells than counting those who have more of both.
"""
