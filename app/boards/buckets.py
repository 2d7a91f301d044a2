"""Buckets: how many customers of a board have a value in each step of a logarithmic scale.

A rank is one more than the customers in higher buckets, plus a count inside one bucket.
"""

from bisect import bisect_right

from sqlalchemy import text

from app.boards.metrics import COLUMNS


def _bucket_edges() -> list[int]:
    edges, value = [0], 1
    while value < 2**63:
        edges.append(value)
        value += max(1, value // 64)
    return edges


BUCKET_EDGES = _bucket_edges()
"""The least value of each bucket: single values up to 128, then steps of 1/64; whole numbers, so that
PostgreSQL's width_bucket and Python's bisect cannot disagree."""


def least_value(value: int) -> int:
    """The lower edge of the bucket that holds a value. It names the bucket, so that reads need no list of edges."""
    return BUCKET_EDGES[bisect_right(BUCKET_EDGES, value) - 1]


def least_value_of(value: str) -> str:
    """SQL: the same as `least_value`."""
    return f"(cast(:bucket_edges AS bigint[]))[width_bucket({value}, cast(:bucket_edges AS bigint[]))]"


RAISE_BUCKETS = text("""
    INSERT INTO standing_buckets AS b (account_id, board_id, metric, least_value, customers)
    SELECT cast(:account_id AS bigint), n.board_id, n.metric::metric, n.least_value, n.customers
    FROM unnest(cast(:boards AS bigint[]), cast(:metrics AS text[]), cast(:least_values AS bigint[]),
                cast(:customers AS bigint[])) AS n (board_id, metric, least_value, customers)
    ON CONFLICT (account_id, board_id, metric, least_value)
        DO UPDATE SET customers = b.customers + excluded.customers
""")

LOWER_BUCKETS = text("""
    UPDATE standing_buckets AS b
    SET customers = b.customers + n.customers
    FROM unnest(cast(:boards AS bigint[]), cast(cast(:metrics AS text[]) AS metric[]),
                cast(:least_values AS bigint[]), cast(:customers AS bigint[]))
         AS n (board_id, metric, least_value, customers)
    WHERE b.account_id = :account_id AND b.board_id = n.board_id AND b.metric = n.metric
      AND b.least_value = n.least_value
""")
"""After RAISE_BUCKETS: the buckets that lose customers."""


def counted_buckets() -> str:
    """SQL: the buckets of boards, counted from their standings."""
    values = ", ".join(f"('{metric}'::metric, s.{column}::bigint)" for metric, column in COLUMNS.items())
    return f"""
        SELECT s.account_id, s.board_id, v.metric, {least_value_of("v.value")} AS least_value,
               count(*) AS customers
        FROM standings AS s CROSS JOIN LATERAL (VALUES {values}) AS v (metric, value)
        WHERE s.account_id = :account_id AND s.board_id = ANY(cast(:boards AS bigint[]))
        GROUP BY s.account_id, s.board_id, v.metric, least_value"""


INSERT_COUNTED_BUCKETS = text(f"""
    INSERT INTO standing_buckets (account_id, board_id, metric, least_value, customers)
    {counted_buckets()}
    ORDER BY 1, 2, 3, 4
""")
"""The buckets of boards that have none yet; inserted in order, so that a rank reads few pages."""
