"""Boards: the stored periods of a source, their intervals and totals."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import text

from app.periods import Period
from app.vocabulary import BoardKind


class StoredBoard(NamedTuple):
    """A stored board and the purchases it counts."""

    id: int
    period: Period


class BoardRow(NamedTuple):
    """A board as it is stored."""

    id: int
    kind: str
    start: datetime
    counted_from: datetime
    counted_until: datetime

    @property
    def board(self) -> StoredBoard:
        """The board with its period."""
        return StoredBoard(self.id, Period(BoardKind(self.kind), self.start, self.counted_from, self.counted_until))


SELECT_BOARDS = text("""
    SELECT id, kind::text AS kind, start, counted_from, counted_until
    FROM boards
    WHERE account_id = :account_id AND source_id = :source_id
    ORDER BY id
""")
INSERT_BOARDS = text("""
    INSERT INTO boards (account_id, source_id, kind, start, counted_from, counted_until,
                        customers, purchases, spend, version)
    SELECT cast(:account_id AS bigint), cast(:source_id AS bigint),
           n.kind::board_kind, n.start, n.counted_from, n.counted_until, 0, 0, 0, 0
    FROM unnest(cast(:kinds AS text[]), cast(:starts AS timestamptz[]), cast(:counted_froms AS timestamptz[]),
                cast(:counted_untils AS timestamptz[])) AS n (kind, start, counted_from, counted_until)
    RETURNING id, kind::text AS kind, start, counted_from, counted_until
""")
"""Adds boards that count nothing yet."""

SHIFT_BOARD_INTERVAL = text("""
    UPDATE boards
    SET counted_from = :counted_from, counted_until = :counted_until, version = version + 1
    WHERE account_id = :account_id AND id = :board_id
""")

SELECT_BUYERS_BETWEEN = text("""
    SELECT DISTINCT customer_id
    FROM orders
    WHERE account_id = :account_id AND source_id = :source_id AND spend IS NOT NULL
      AND ordered_at >= :since AND ordered_at < :until
    ORDER BY 1
""")
"""The customers whose figures change when the edge of a board moves over this interval."""

ADD_TO_TOTALS = text("""
    UPDATE boards AS b
    SET customers = b.customers + n.customers, purchases = b.purchases + n.purchases,
        spend = b.spend + n.spend, version = b.version + 1
    FROM unnest(cast(:boards AS bigint[]), cast(:customers AS bigint[]), cast(:purchases AS bigint[]),
                cast(:spends AS numeric[])) AS n (board_id, customers, purchases, spend)
    WHERE b.account_id = :account_id AND b.id = n.board_id
""")


def summed_standings() -> str:
    """SQL: the totals of boards, summed over their standings."""
    return """
        SELECT account_id, board_id, count(*) AS customers, sum(purchases) AS purchases, sum(spend) AS spend
        FROM standings
        WHERE account_id = :account_id AND board_id = ANY(cast(:boards AS bigint[]))
        GROUP BY account_id, board_id"""


SUM_TOTALS = text(f"""
    UPDATE boards AS b
    SET customers = n.customers, purchases = n.purchases, spend = n.spend, version = b.version + 1
    FROM ({summed_standings()}) AS n
    WHERE b.account_id = :account_id AND n.account_id = b.account_id AND b.id = n.board_id
""")

DELETE_STANDINGS_OF_BOARDS = text("""
    DELETE FROM standings WHERE account_id = :account_id AND board_id = ANY(cast(:boards AS bigint[]))
""")

DELETE_BUCKETS_OF_BOARDS = text("""
    DELETE FROM standing_buckets WHERE account_id = :account_id AND board_id = ANY(cast(:boards AS bigint[]))
""")

DELETE_CELLS_OF_BOARDS = text("""
    DELETE FROM standing_cells WHERE account_id = :account_id AND board_id = ANY(cast(:boards AS bigint[]))
""")

DELETE_BOARDS = text("""
    DELETE FROM boards WHERE account_id = :account_id AND id = ANY(cast(:boards AS bigint[]))
""")


def period_columns(periods: Sequence[Period]) -> dict[str, Any]:
    """The periods as the parameters of INSERT_BOARDS."""
    return {
        "kinds": [period.kind.value for period in periods],
        "starts": [period.start for period in periods],
        "counted_froms": [period.counted_from for period in periods],
        "counted_untils": [period.counted_until for period in periods],
    }
