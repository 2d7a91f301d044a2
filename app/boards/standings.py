"""Standings: every board derived from the orders, and compared with what is stored.

All statements share one aggregation. The edges of a source's boards cut time into spans; each
purchase is counted once, in its span, and the spans of a board are added up.
"""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import text

from app.boards.boards import StoredBoard
from app.boards.metrics import SUMS, summed

SUM_COLUMNS = ", ".join(SUMS)
SUMMED_AGAIN = ", ".join(f"sum(s.{column})::bigint AS {column}" for column in SUMS)
NEW_SUMS = ", ".join(f"f.{column}" for column in SUMS)
STORED_SUMS = ", ".join(f"s.{column}" for column in SUMS)
OLD_SUMS = ", ".join(f"s.{column} AS old_{column}" for column in SUMS)

# ---------------------------------------------------------------- the one aggregation


def figures_by_board(*, whose: str = "") -> str:
    """SQL: the figures of customers on each board, counted from the orders."""
    return f"""
        SELECT s.account_id, p.board_id, s.customer_id, {SUMMED_AGAIN},
               max(s.last_order_at) AS last_order_at
        FROM (SELECT account_id, customer_id, width_bucket(ordered_at, cast(:edges AS timestamptz[])) AS span,
                     {summed()}, max(ordered_at) AS last_order_at
              FROM orders
              WHERE account_id = :account_id AND source_id = :source_id AND spend IS NOT NULL
                AND ordered_at >= :counted_from AND ordered_at < :counted_until {whose}
              GROUP BY account_id, customer_id, span) AS s
        JOIN unnest(cast(:spans AS int[]), cast(:span_boards AS bigint[])) AS p (span, board_id) ON p.span = s.span
        GROUP BY s.account_id, p.board_id, s.customer_id"""


def differences(*, whose: str = "") -> str:
    """SQL: the standings that are not as the orders say, with their new and old figures."""
    return f"""
        SELECT coalesce(f.board_id, s.board_id) AS board_id, coalesce(f.customer_id, s.customer_id) AS customer_id,
               {NEW_SUMS}, f.last_order_at, {OLD_SUMS}
        FROM ({figures_by_board(whose=whose)}) AS f
        FULL JOIN (SELECT board_id, customer_id, {SUM_COLUMNS}, last_order_at
                   FROM standings
                   WHERE account_id = :account_id AND board_id = ANY(cast(:boards AS bigint[])) {whose}) AS s
            ON s.board_id = f.board_id AND s.customer_id = f.customer_id
        WHERE ({NEW_SUMS}, f.last_order_at) IS DISTINCT FROM ({STORED_SUMS}, s.last_order_at)"""


class Difference(NamedTuple):
    """A standing that is not as the orders say; new or old figures are None where there is no standing."""

    board_id: int
    customer_id: int
    purchases: int | None
    spend: int | None
    last_order_at: datetime | None
    old_purchases: int | None
    old_spend: int | None


SELECT_DIFFERENCES_OF_CUSTOMERS = text(
    differences(whose="AND customer_id = ANY(cast(:customers AS bigint[]))") + " ORDER BY 1, 2"
)

INSERT_COUNTED_STANDINGS = text(f"""
    INSERT INTO standings (account_id, board_id, customer_id, {SUM_COLUMNS}, last_order_at)
    SELECT f.account_id, f.board_id, f.customer_id, {NEW_SUMS}, f.last_order_at
    FROM ({figures_by_board()}) AS f
    ORDER BY 2, 3
""")
"""All standings of boards that have none yet."""


def board_parameters(boards: Iterable[StoredBoard]) -> dict[str, Any]:
    """The parameters by which the aggregation counts these boards."""
    boards = list(boards)
    counted = [(board.id, board.period.counted_from, board.period.counted_until) for board in boards]
    return interval_parameters(counted) | {"boards": [board.id for board in boards]}


def interval_parameters(intervals: Iterable[tuple[int, datetime, datetime]]) -> dict[str, Any]:
    """The parameters by which the aggregation counts intervals, each with the number that stands for its board.

    The edges of all intervals cut time into spans, numbered from 1; an interval is made of the spans between its edges.
    """
    intervals = list(intervals)
    edges = sorted({edge for _, start, until in intervals for edge in (start, until)})
    spans: list[int] = []
    span_boards: list[int] = []
    for board, start, until in intervals:
        own = range(bisect_left(edges, start) + 1, bisect_left(edges, until) + 1)
        spans += own
        span_boards += [board] * len(own)
    return {
        "edges": edges,
        "counted_from": edges[0],
        "counted_until": edges[-1],
        "spans": spans,
        "span_boards": span_boards,
    }


# ---------------------------------------------------------------- writing

UPSERT_STANDINGS = text(f"""
    INSERT INTO standings AS s (account_id, board_id, customer_id, {SUM_COLUMNS}, last_order_at)
    SELECT cast(:account_id AS bigint), n.board_id, n.customer_id, {", ".join(f"n.{each}" for each in SUMS)},
           n.last_order_at
    FROM unnest(cast(:boards AS bigint[]), cast(:customers AS bigint[]),
                {", ".join(f"cast(:{each} AS bigint[])" for each in SUMS)}, cast(:last_order_at AS timestamptz[]))
         AS n (board_id, customer_id, {SUM_COLUMNS}, last_order_at)
    ON CONFLICT (account_id, board_id, customer_id) DO UPDATE SET
        {", ".join(f"{each} = excluded.{each}" for each in SUMS)}, last_order_at = excluded.last_order_at
""")

DELETE_STANDINGS = text("""
    DELETE FROM standings AS s
    USING unnest(cast(:boards AS bigint[]), cast(:customers AS bigint[])) AS n (board_id, customer_id)
    WHERE s.account_id = :account_id AND s.board_id = n.board_id AND s.customer_id = n.customer_id
""")

# ---------------------------------------------------------------- set aside

INSERT_OUTDATED = text("""
    INSERT INTO outdated_standings (account_id, source_id, customer_id)
    SELECT cast(:account_id AS bigint), cast(:source_id AS bigint), n.customer_id
    FROM unnest(cast(:customers AS bigint[])) AS n (customer_id)
    ON CONFLICT (account_id, source_id, customer_id) DO NOTHING
""")
"""Customers whose standings are updated later; until then no board of their source answers."""

COUNT_OUTDATED = text("""
    SELECT (SELECT count(*) FROM outdated_standings
            WHERE account_id = :account_id AND source_id = :source_id) AS outdated,
           (SELECT coalesce(max(customers), 0) FROM boards
            WHERE account_id = :account_id AND source_id = :source_id AND kind = 'all_time') AS ranked
""")
"""How many customers are set aside, and how many have purchases at all."""

SELECT_OUTDATED = text("""
    SELECT customer_id FROM outdated_standings
    WHERE account_id = :account_id AND source_id = :source_id
    ORDER BY 1 LIMIT :most
""")

DELETE_OUTDATED = text("""
    DELETE FROM outdated_standings
    WHERE account_id = :account_id AND source_id = :source_id AND customer_id = ANY(cast(:customers AS bigint[]))
""")

DELETE_ALL_OUTDATED = text("DELETE FROM outdated_standings WHERE account_id = :account_id AND source_id = :source_id")

SELECT_ABANDONED_SOURCES = text("""
    SELECT DISTINCT account_id, source_id FROM outdated_standings AS o
    WHERE NOT EXISTS (SELECT FROM imports AS i
                      WHERE i.account_id = o.account_id AND i.source_id = o.source_id
                        AND i.finished_at IS NULL AND i.progressed_at > :silent_since)
      AND NOT EXISTS (SELECT FROM sources AS s
                      WHERE s.account_id = o.account_id AND s.id = o.source_id AND s.deleted_at IS NOT NULL)
""")
"""The sources of all accounts whose import has died and left standings outdated."""
