"""Standings: statements that derive every board from the orders, and compare it with what is stored.

All of them share one aggregation. The edges of a source's boards cut time into spans; each
purchase is counted once, in its span, and the spans of a board are added up.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import text

from app.boards.boards import Board

# ---------------------------------------------------------------- the one aggregation

FIGURES = """
    SELECT s.account_id, p.board_id, s.customer_id, sum(s.purchases)::bigint AS purchases,
           sum(s.spend)::bigint AS spend, max(s.last_order_at) AS last_order_at
    FROM (SELECT account_id, customer_id, width_bucket(ordered_at, cast(:edges AS timestamptz[])) AS span,
                 count(*) AS purchases, sum(spend) AS spend, max(ordered_at) AS last_order_at
          FROM orders
          WHERE account_id = :account_id AND source_id = :source_id AND spend IS NOT NULL
            AND ordered_at >= :counted_from AND ordered_at < :counted_until {whose}
          GROUP BY account_id, customer_id, span) AS s
    JOIN unnest(cast(:spans AS int[]), cast(:span_boards AS bigint[])) AS p (span, board_id) ON p.span = s.span
    GROUP BY s.account_id, p.board_id, s.customer_id
"""

OF_CUSTOMERS = "AND customer_id = ANY(cast(:customers AS bigint[]))"

STORED = """
    SELECT board_id, customer_id, purchases, spend, last_order_at
    FROM standings
    WHERE account_id = :account_id AND board_id = ANY(cast(:boards AS bigint[])) {whose}
"""

DIFFERENCES = """
    SELECT coalesce(f.board_id, s.board_id) AS board_id, coalesce(f.customer_id, s.customer_id) AS customer_id,
           f.purchases, f.spend, f.last_order_at, s.purchases AS old_purchases, s.spend AS old_spend
    FROM ({figures}) AS f
    FULL JOIN ({stored}) AS s ON s.board_id = f.board_id AND s.customer_id = f.customer_id
    WHERE (f.purchases, f.spend, f.last_order_at) IS DISTINCT FROM (s.purchases, s.spend, s.last_order_at)
"""

OF_CUSTOMERS_CHANGED = text(
    DIFFERENCES.format(figures=FIGURES.format(whose=OF_CUSTOMERS), stored=STORED.format(whose=OF_CUSTOMERS))
    + " ORDER BY 1, 2"
)
"""The standings of some customers that are not as their orders say, with old and new values."""

FILLED = text(f"""
    INSERT INTO standings (account_id, board_id, customer_id, purchases, spend, last_order_at)
    SELECT f.account_id, f.board_id, f.customer_id, f.purchases, f.spend, f.last_order_at
    FROM ({FIGURES.format(whose="")}) AS f
    ORDER BY 2, 3
""")
"""The standings of empty boards, all at once."""


def figures_parameters(boards: Iterable[Board]) -> dict[str, Any]:
    """What FIGURES of these boards are asked by."""
    boards = list(boards)
    counted = [(board.id, board.period.counted_from, board.period.counted_until) for board in boards]
    return intervals_parameters(counted) | {"boards": [board.id for board in boards]}


def intervals_parameters(intervals: Iterable[tuple[int, datetime, datetime]]) -> dict[str, Any]:
    """How time is cut at the edges of intervals, and which spans each is made of; with what stands for its board."""
    intervals = list(intervals)
    edges = sorted({edge for _, *both in intervals for edge in both})
    spans = [
        (span, board)
        for board, start, until in intervals
        for span in range(edges.index(start) + 1, edges.index(until) + 1)
    ]
    return {
        "edges": edges,
        "counted_from": edges[0],
        "counted_until": edges[-1],
        "spans": [span for span, _ in spans],
        "span_boards": [board for _, board in spans],
    }


# ---------------------------------------------------------------- writing standings and buckets

WRITTEN = text("""
    INSERT INTO standings AS s (account_id, board_id, customer_id, purchases, spend, last_order_at)
    SELECT cast(:account_id AS bigint), n.board_id, n.customer_id, n.purchases, n.spend, n.last_order_at
    FROM unnest(cast(:boards AS bigint[]), cast(:customers AS bigint[]), cast(:purchases AS bigint[]),
                cast(:spends AS bigint[]), cast(:last_orders_at AS timestamptz[]))
         AS n (board_id, customer_id, purchases, spend, last_order_at)
    ON CONFLICT (account_id, board_id, customer_id) DO UPDATE SET
        purchases = excluded.purchases, spend = excluded.spend, last_order_at = excluded.last_order_at
""")
"""Standings as they are given."""

REMOVED = text("""
    DELETE FROM standings AS s
    USING unnest(cast(:boards AS bigint[]), cast(:customers AS bigint[])) AS n (board_id, customer_id)
    WHERE s.account_id = :account_id AND s.board_id = n.board_id AND s.customer_id = n.customer_id
""")
"""Standings of customers without purchases in the period."""

# ---------------------------------------------------------------- set aside

SET_ASIDE = text("""
    INSERT INTO outdated_standings (account_id, source_id, customer_id)
    SELECT cast(:account_id AS bigint), cast(:source_id AS bigint), n.customer_id
    FROM unnest(cast(:customers AS bigint[])) AS n (customer_id)
    ON CONFLICT (account_id, source_id, customer_id) DO NOTHING
""")
"""Customers whose standings will follow later; until then the boards of their source are not asked."""

BEHIND = text("""
    SELECT (SELECT count(*) FROM outdated_standings
            WHERE account_id = :account_id AND source_id = :source_id) AS outdated,
           (SELECT coalesce(max(customers), 0) FROM boards
            WHERE account_id = :account_id AND source_id = :source_id AND kind = 'all_time') AS ranked
""")
"""How many standings are behind their orders, and how many customers have any."""

OUTDATED = text("""
    SELECT customer_id FROM outdated_standings
    WHERE account_id = :account_id AND source_id = :source_id
    ORDER BY 1 LIMIT :most
""")
"""Customers whose standings are behind their orders."""

CAUGHT_UP = text("""
    DELETE FROM outdated_standings
    WHERE account_id = :account_id AND source_id = :source_id AND customer_id = ANY(cast(:customers AS bigint[]))
""")
"""These customers' standings have followed."""

ALL_CAUGHT_UP = text("DELETE FROM outdated_standings WHERE account_id = :account_id AND source_id = :source_id")
"""All standings of the source have followed."""

ABANDONED = text("""
    SELECT DISTINCT account_id, source_id FROM outdated_standings AS o
    WHERE NOT EXISTS (SELECT FROM imports AS i
                      WHERE i.account_id = o.account_id AND i.source_id = o.source_id
                        AND i.finished_at IS NULL AND i.progressed_at > :silent_since)
""")
"""The sources of all accounts with standings that an import has left behind."""
