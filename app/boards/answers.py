"""Answers: the parts of statements that read figures from a board, or from the orders where no board can answer.

A board can answer when it counts exactly the interval of a time frame, no import is under way and no
purchase on it lies after `as_of`. Where only few purchases do, the board is late: the customers who made
them are taken off the board and put back with the figures that they had at `as_of`.
"""

from collections.abc import Iterable
from enum import StrEnum
from functools import cache

from sqlalchemy import TextClause, text

from app.boards.metrics import COLUMNS, FIGURES, SUMS, summed
from app.tables import AVERAGE
from app.vocabulary import Metric

MOST_LATER_ORDERS = 1000
"""A board with more purchases than this after `as_of` is not corrected: the answer is counted from the orders."""


class Origin(StrEnum):
    """Where the figures of an answer come from, best first."""

    BOARD = "board"
    LATE_BOARD = "late board"
    ORDERS = "orders"


def cte(name: str, query: str, about: str) -> str:
    """A common table expression (CTE), with a line that says what it is."""
    return f"-- {about}\n{name} AS MATERIALIZED ({query})"


def with_ctes(ctes: Iterable[str], select: str) -> TextClause:
    """A statement with common table expressions (CTEs)."""
    return text("WITH " + ",\n".join(ctes) + select)


# ---------------------------------------------------------------- the board that can answer


def later_orders(*, before: str = ":before", until: str = ":until") -> str:
    """The purchases on a board that lie after `as_of`."""
    return f"""
        SELECT o.customer_id FROM orders AS o
        WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.spend IS NOT NULL
          AND o.ordered_at >= {before} AND o.ordered_at < {until}"""


def can_answer(*, kind: str, board_start: str, start: str, before: str, until: str, later: str | None = None) -> str:
    """Whether the board `b` answers for an interval; `later` replaces the rule that no purchase lies after `as_of`."""
    return f"""
        b.account_id = :account_id AND b.source_id = :source_id
        AND b.kind = {kind} AND b.start = {board_start}
        AND b.counted_from = {start} AND b.counted_until = {until}
        AND NOT EXISTS (SELECT FROM outdated_standings AS o
                        WHERE o.account_id = :account_id AND o.source_id = :source_id)
        AND {later or f"NOT EXISTS ({later_orders(before=before, until=until)})"}"""


def answering_board(*, frame: str = "", later: str | None = None) -> str:
    """The board of a frame, whose parameters begin with `frame`; no row when it cannot answer."""
    condition = can_answer(
        kind=f"cast(cast(:{frame}kind AS text) AS board_kind)",
        board_start=f":{frame}board_start",
        start=f":{frame}start",
        before=f":{frame}before",
        until=f":{frame}until",
        later=later,
    )
    return f"""
        SELECT b.id, b.version, s.contacts_version, cast(NULL AS timestamptz) AS next_purchase_at,
               s.version AS source_version, b.customers, b.purchases, b.spend
        FROM boards AS b JOIN sources AS s ON s.account_id = b.account_id AND s.id = b.source_id
        WHERE {condition}"""


BOARD = cte("board", answering_board(), "the board of the frame; no row when it cannot answer")
PREVIOUS_BOARD = cte("previous_board", answering_board(frame="previous_"), "the board that it is compared with")


@cache
def select_board_version(*, compared: bool) -> TextClause:
    """The version of an answer from the board; no row when no board can answer."""
    if not compared:
        return text(f"""
            SELECT b.version, b.contacts_version, b.next_purchase_at, b.id AS board_id,
                   cast(NULL AS bigint) AS previous_board_id, cast(NULL AS bigint) AS previous_version
            FROM ({answering_board()}) AS b
        """)
    return text(f"""
        SELECT b.version, b.contacts_version, b.next_purchase_at, b.id AS board_id,
               q.id AS previous_board_id, q.version AS previous_version
        FROM ({answering_board()}) AS b CROSS JOIN ({answering_board(frame="previous_")}) AS q
    """)


NEXT_PURCHASE_AT = """
    (SELECT min(o.ordered_at) FROM orders AS o
     WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.spend IS NOT NULL AND o.ordered_at >= :before)
"""
"""The first purchase after `as_of`. The answer can change while the orders do not: an order stored by a machine
whose clock is ahead may still lie in this machine's future."""

SELECT_SOURCE_VERSION = text(f"""
    SELECT version, cast(NULL AS bigint) AS contacts_version, {NEXT_PURCHASE_AT} AS next_purchase_at,
           cast(NULL AS bigint) AS board_id, cast(NULL AS bigint) AS previous_board_id,
           cast(NULL AS bigint) AS previous_version
    FROM sources WHERE account_id = :account_id AND id = :source_id
""")
"""The version of an answer from the orders."""


def higher_buckets(*, board: str, metric: Metric, value: str) -> str:
    """Customers in higher buckets than a value's own, and `bucket_end`, the largest value in its own bucket.

    `bucket_end` is the next stored bucket's lower edge minus one: buckets in between are empty.
    """
    return f"""
        SELECT coalesce(sum(k.customers), 0)::bigint AS customers,
               coalesce(min(k.least_value) - 1, 9223372036854775807) AS bucket_end
        FROM standing_buckets AS k
        WHERE k.account_id = :account_id AND k.board_id = {board} AND k.metric = '{metric}'
          AND k.least_value > {value}"""


def customers_above(*, board: str, metric: Metric, value: str) -> str:
    """How many customers of a board have more than a value: whole buckets, and a count inside one."""
    column = COLUMNS[metric]
    return f"""
        (SELECT higher.customers + (SELECT count(*) FROM standings AS n
                                    WHERE n.account_id = :account_id AND n.board_id = {board}
                                      AND n.{column} > {value} AND n.{column} <= higher.bucket_end)
         FROM ({higher_buckets(board=board, metric=metric, value=value)}) AS higher)"""


def value_above(*, board: str, metric: Metric, value: str) -> str:
    """The next better value on a board."""
    column = COLUMNS[metric]
    return f"""SELECT min(n.{column}) FROM standings AS n
        WHERE n.account_id = :account_id AND n.board_id = {board} AND n.{column} > {value}"""


# ---------------------------------------------------------------- from the orders


def figures_of_orders(*, frame: str = "", whose: str = "") -> str:
    """The figures of customers over a frame, counted from their orders."""
    return f"""
        SELECT account_id, customer_id, {", ".join(SUMS)}, last_order_at, {AVERAGE} AS average
        FROM (SELECT account_id, customer_id, {summed()}, max(ordered_at) AS last_order_at
              FROM orders
              WHERE account_id = :account_id AND source_id = :source_id AND spend IS NOT NULL
                AND ordered_at >= :{frame}start AND ordered_at < :{frame}before {whose}
              GROUP BY account_id, customer_id) AS f"""


def totals_of_figures(figures: str) -> str:
    """The figures of all customers as one row, in the columns of an answering board."""
    return f"""
        SELECT cast(NULL AS bigint) AS id, version, cast(NULL AS bigint) AS contacts_version,
               {NEXT_PURCHASE_AT} AS next_purchase_at, (SELECT count(*) FROM {figures}) AS customers,
               (SELECT coalesce(sum(purchases), 0) FROM {figures}) AS purchases,
               (SELECT coalesce(sum(spend), 0) FROM {figures}) AS spend
        FROM sources WHERE account_id = :account_id AND id = :source_id"""


# ---------------------------------------------------------------- a late board

CORRECTIONS = (("-", "late_now"), ("+", "late_then"))
"""To correct a count over a late board, the rows of the first query are taken off and those of the second added."""

NOT_LATE = "AND customer_id <> ALL(ARRAY(SELECT customer_id FROM later_orders))"
"""The standings of a late board that are as they were at `as_of`."""


def corrected(count: str, rule: str, *, late: bool) -> str:
    """A count over the board by this rule about a row `n`, corrected where the board is late."""
    corrections = [f"{sign} (SELECT count(*) FROM {rows} AS n WHERE {rule})" for sign, rows in CORRECTIONS]
    return " ".join([count, *corrections]) if late else count


LATE_BOARD = (
    cte("later_orders", f"{later_orders()} LIMIT {MOST_LATER_ORDERS} + 1", "purchases on the board after as_of"),
    cte(
        "board_now",
        answering_board(later=f"(SELECT count(*) FROM later_orders) <= {MOST_LATER_ORDERS}"),
        "the board as it is now; no row when too many purchases are later",
    ),
    cte(
        "late_now",
        f"""
        SELECT customer_id, {FIGURES} FROM standings
        WHERE account_id = :account_id AND board_id = (SELECT id FROM board_now)
          AND customer_id = ANY(ARRAY(SELECT customer_id FROM later_orders))""",
        "the standings of those who made the later purchases",
    ),
    cte(
        "late_then",
        f"""
        SELECT f.* FROM (SELECT DISTINCT customer_id FROM later_orders) AS l
        CROSS JOIN LATERAL ({figures_of_orders(whose="AND customer_id = l.customer_id")}) AS f""",
        "the figures that they had at as_of",
    ),
    cte(
        "board",
        f"""
        SELECT id, source_version AS version, cast(NULL AS bigint) AS contacts_version,
               {NEXT_PURCHASE_AT} AS next_purchase_at,
               customers - (SELECT count(*) FROM late_now) + (SELECT count(*) FROM late_then) AS customers,
               purchases - (SELECT coalesce(sum(purchases), 0) FROM late_now)
                         + (SELECT coalesce(sum(purchases), 0) FROM late_then) AS purchases,
               spend - (SELECT coalesce(sum(spend), 0) FROM late_now)
                     + (SELECT coalesce(sum(spend), 0) FROM late_then) AS spend
        FROM board_now""",
        "the board as it was at as_of",
    ),
)
"""Used in place of `BOARD`: the board as it was at `as_of`, corrected for the customers who have bought since."""


def rank_on_board(*, board: str, metric: Metric, value: str, late: bool = False) -> str:
    """The rank of a value on a board; a late board is corrected."""
    above = customers_above(board=board, metric=metric, value=value)
    return f"({corrected(above, f'n.{COLUMNS[metric]} > {value}', late=late)} + 1)"


def board_ctes(*, late: bool, compared: bool = False) -> tuple[str, ...]:
    """The board that answers, and the one that it is compared with."""
    return (*(LATE_BOARD if late else (BOARD,)), *((PREVIOUS_BOARD,) if compared else ()))
