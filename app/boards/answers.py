"""Answers: pieces of statements that read figures from a board, or from the orders where none can answer.

A board can answer when it counts exactly the frame's period, no import is under way, and no
purchase on it lies after the instant that is asked for. Where only few do, the customers who
made them are taken off the board and put back where they stood at that instant.
"""

from enum import StrEnum
from functools import cache

from sqlalchemy import TextClause, text


class Way(StrEnum):
    """How a page can be answered, best first."""

    BOARD = "board"
    LATE_BOARD = "late board"
    ORDERS = "orders"


# ---------------------------------------------------------------- the board that can answer

BOARD = """
    SELECT b.id, b.version, s.contacts_version AS besides, s.version AS source_version,
           b.customers, b.purchases, b.spend
    FROM boards AS b JOIN sources AS s ON s.account_id = b.account_id AND s.id = b.source_id
    WHERE b.account_id = :account_id AND b.source_id = :source_id
      AND b.kind = cast(cast(:{p}kind AS text) AS board_kind) AND b.start = :{p}board_start
      AND b.counted_from = :{p}start AND b.counted_until = :{p}until
      AND NOT EXISTS (SELECT FROM outdated_standings AS o
                      WHERE o.account_id = :account_id AND o.source_id = :source_id)
      AND {later}
"""

LATER = """
    SELECT o.customer_id FROM orders AS o
    WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.spend IS NOT NULL
      AND o.ordered_at >= :{p}before AND o.ordered_at < :{p}until
"""
NOTHING_LATER = f"NOT EXISTS ({LATER})"
MOST_LATER_ORDERS = 1000
FEW_LATER = f"(SELECT count(*) FROM later_orders) <= {MOST_LATER_ORDERS}"


def board(prefix: str = "", later: str = NOTHING_LATER) -> str:
    """The board of the frame, if it is kept, not behind an import, and holds nothing after `as_of`."""
    return BOARD.format(p=prefix, later=later.format(p=prefix))


@cache
def board_versions(*, compared: bool) -> TextClause:
    """The board that can answer, and the one that it is compared with: what an ETag is made of; else no row."""
    if not compared:
        return text(f"SELECT b.id, b.version, b.besides FROM ({board()}) AS b")
    return text(f"""
        SELECT b.id, b.version, b.besides, q.id AS previous_id, q.version AS previous_version
        FROM ({board()}) AS b CROSS JOIN ({board("previous_")}) AS q
    """)


NEXT_LATER = """
    (SELECT min(o.ordered_at) FROM orders AS o
     WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.spend IS NOT NULL AND o.ordered_at >= :before)
"""
SOURCE_VERSION = text(f"""
    SELECT version, {NEXT_LATER} AS besides FROM sources WHERE account_id = :account_id AND id = :source_id
""")
"""What the ETag of an answer from the orders is made of.

The orders can be the same and the answer another one: clocks differ, and what another machine has stored
as bought just now may still lie after the instant that this one asks for.
"""

HIGHER = """
    SELECT coalesce(sum(k.customers), 0)::bigint AS customers,
           coalesce(min(k.least_value) - 1, 9223372036854775807) AS bucket_end
    FROM standing_buckets AS k
    WHERE k.account_id = :account_id AND k.board_id = {board} AND k.metric = '{metric}' AND k.least_value > {value}
"""
"""How many customers of a board are in higher buckets than a value's own, and the value that nobody below them exceeds.

Between that value and the true end of the bucket there is no one: whoever has a value has a stored bucket.
"""

ABOVE = f"""
    (SELECT higher.customers + (SELECT count(*) FROM standings AS n
                           WHERE n.account_id = :account_id AND n.board_id = {{board}}
                             AND n.{{measure}} > {{value}} AND n.{{measure}} <= higher.bucket_end)
     FROM ({HIGHER}) AS higher)
"""
"""How many customers of a board have more than a value: whole buckets, and a count inside one."""

# ---------------------------------------------------------------- from the orders

BETTER = "first_value({measure}) OVER (ORDER BY {measure} DESC GROUPS BETWEEN 1 PRECEDING AND 1 PRECEDING)"
"""The value of the next better rank: that of the peer group before; nothing for the best."""

FIGURES = """
    SELECT account_id, customer_id, count(*) AS purchases, sum(spend)::bigint AS spend,
           max(ordered_at) AS last_order_at
    FROM orders
    WHERE account_id = :account_id AND source_id = :source_id AND spend IS NOT NULL
      AND ordered_at >= :{p}start AND ordered_at < :{p}before {{whose}}
    GROUP BY account_id, customer_id
"""

AVERAGE = "spend / purchases + ((spend % purchases) * 2 >= purchases)::int"
"""Rounded half up."""

AVERAGED = f"""
    SELECT account_id, customer_id, purchases, spend, last_order_at, {AVERAGE} AS average
    FROM ({FIGURES}) AS f
"""

# ---------------------------------------------------------------- a board with few purchases after `as_of`

LATE = f"""
    later_orders AS MATERIALIZED ({LATER.format(p="")} LIMIT {MOST_LATER_ORDERS} + 1),
    board_now AS MATERIALIZED ({board(later=FEW_LATER)}),
    late_now AS MATERIALIZED (
        SELECT customer_id, purchases, spend, average FROM standings
        WHERE account_id = :account_id AND board_id = (SELECT id FROM board_now)
          AND customer_id = ANY(ARRAY(SELECT customer_id FROM later_orders))),
    late_then AS MATERIALIZED (
        SELECT f.* FROM (SELECT DISTINCT customer_id FROM later_orders) AS l CROSS JOIN LATERAL (
            {AVERAGED.format(p="").format(whose="AND customer_id = l.customer_id")}) AS f),
    board AS MATERIALIZED (
        SELECT id, source_version AS version, {NEXT_LATER} AS besides,
               customers - (SELECT count(*) FROM late_now) + (SELECT count(*) FROM late_then) AS customers,
               purchases - (SELECT coalesce(sum(purchases), 0) FROM late_now)
                         + (SELECT coalesce(sum(purchases), 0) FROM late_then) AS purchases,
               spend - (SELECT coalesce(sum(spend), 0) FROM late_now)
                     + (SELECT coalesce(sum(spend), 0) FROM late_then) AS spend
        FROM board_now),
"""
NOT_LATE = "AND customer_id <> ALL(ARRAY(SELECT customer_id FROM later_orders))"
LATE_CORRECTIONS = (("-", "late_now"), ("+", "late_then"))
"""What a count over the board is corrected by."""
