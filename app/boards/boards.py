"""Boards: statements about the boards of a source, their intervals and totals."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import text

from app.periods import Kind, Period


class Board(NamedTuple):
    """A stored board and the purchases it counts."""

    id: int
    period: Period


BOARDS = text("""
    SELECT id, kind::text AS kind, start, counted_from, counted_until
    FROM boards
    WHERE account_id = :account_id AND source_id = :source_id
    ORDER BY id
""")
"""The boards of a source."""

OPENED = text("""
    INSERT INTO boards (account_id, source_id, kind, start, counted_from, counted_until,
                        customers, purchases, spend, version)
    SELECT cast(:account_id AS bigint), cast(:source_id AS bigint),
           n.kind::board_kind, n.start, n.counted_from, n.counted_until, 0, 0, 0, 0
    FROM unnest(cast(:kinds AS text[]), cast(:starts AS timestamptz[]), cast(:counted_froms AS timestamptz[]),
                cast(:counted_untils AS timestamptz[])) AS n (kind, start, counted_from, counted_until)
    RETURNING id, kind::text AS kind, start, counted_from, counted_until
""")
"""New empty boards; returns them as `boards` does."""

MOVED = text("""
    UPDATE boards
    SET counted_from = :counted_from, counted_until = :counted_until, version = version + 1
    WHERE account_id = :account_id AND id = :board_id
""")
"""A board that counts another interval from now on."""

BUYERS_BETWEEN = text("""
    SELECT DISTINCT customer_id
    FROM orders
    WHERE account_id = :account_id AND source_id = :source_id AND spend IS NOT NULL
      AND ordered_at >= :since AND ordered_at < :until
    ORDER BY 1
""")
"""The customers whose figures an edge moves that passes over this interval."""

TOTALLED = text("""
    UPDATE boards AS b
    SET customers = b.customers + n.customers, purchases = b.purchases + n.purchases,
        spend = b.spend + n.spend, version = b.version + 1
    FROM unnest(cast(:boards AS bigint[]), cast(:customers AS bigint[]), cast(:purchases AS bigint[]),
                cast(:spends AS numeric[])) AS n (board_id, customers, purchases, spend)
    WHERE b.account_id = :account_id AND b.id = n.board_id
""")
"""The totals of boards moved by these amounts."""

SUMMED = """
    SELECT account_id, board_id, count(*) AS customers, sum(purchases) AS purchases, sum(spend) AS spend
    FROM standings
    WHERE account_id = :account_id AND board_id = ANY(cast(:boards AS bigint[]))
    GROUP BY account_id, board_id
"""

TOTALLED_ANEW = text(f"""
    UPDATE boards AS b
    SET customers = n.customers, purchases = n.purchases, spend = n.spend, version = b.version + 1
    FROM ({SUMMED}) AS n
    WHERE b.account_id = :account_id AND n.account_id = b.account_id AND b.id = n.board_id
""")
"""The totals of boards counted from their standings."""

EMPTIED = (
    text("DELETE FROM standings WHERE account_id = :account_id AND board_id = ANY(cast(:boards AS bigint[]))"),
    text("DELETE FROM standing_buckets WHERE account_id = :account_id AND board_id = ANY(cast(:boards AS bigint[]))"),
    text("DELETE FROM standing_cells WHERE account_id = :account_id AND board_id = ANY(cast(:boards AS bigint[]))"),
)
"""Boards without standings, buckets and cells."""

CLOSED = text("DELETE FROM boards WHERE account_id = :account_id AND id = ANY(cast(:boards AS bigint[]))")
"""Boards that are no longer kept."""


def board_of(row: Any) -> Board:  # noqa: ANN401 - a row of `boards`
    """A row as a board."""
    return Board(row.id, Period(Kind(row.kind), row.start, row.counted_from, row.counted_until))


def opened_parameters(periods: Sequence[Period]) -> dict[str, Any]:
    """The periods as columns."""
    return {
        "kinds": [period.kind.value for period in periods],
        "starts": [period.start for period in periods],
        "counted_froms": [period.counted_from for period in periods],
        "counted_untils": [period.counted_until for period in periods],
    }
