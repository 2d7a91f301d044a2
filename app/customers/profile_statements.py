"""Profile statements: one customer's orders, messages, standings and exact ranks."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from app.boards.answers import can_answer, cte, rank_on_board, value_above, with_ctes
from app.boards.metrics import COLUMNS, SUMS, rank_among
from app.boards.standings import figures_by_board
from app.customers.schemas import ShownOrderRow
from app.customers.statements import CONTACT, Contact
from app.segments.statements import is_big_spender, is_frequent_buyer, suggested_thresholds
from app.tables import AVERAGE
from app.vocabulary import Metric


@dataclass(frozen=True, slots=True)
class CustomerOfStore(Contact):
    """A customer and the source."""

    audience_id: int
    currency: str
    time_zone: str
    week_start: str
    first_order_at: datetime | None
    last_order_at: datetime | None


SELECT_CUSTOMER_WITH_SOURCE = text(f"""
    SELECT {CONTACT}, s.audience_id, s.currency, s.time_zone, s.week_start,
           (SELECT min(o.ordered_at) FROM orders AS o
            WHERE o.account_id = :account_id AND o.customer_id = c.id AND o.spend IS NOT NULL) AS first_order_at,
           (SELECT max(o.ordered_at) FROM orders AS o
            WHERE o.account_id = :account_id AND o.customer_id = c.id AND o.spend IS NOT NULL) AS last_order_at
    FROM customers AS c JOIN sources AS s ON s.account_id = c.account_id AND s.id = c.source_id
    WHERE c.account_id = :account_id AND c.id = :customer_id AND s.deleted_at IS NULL
""")

# ---------------------------------------------------------------- orders


COMPUTED_COLUMNS = {"status": "status::text AS status", "is_purchase": "spend IS NOT NULL AS is_purchase"}
SHOWN_ORDER_COLUMNS = ", ".join(COMPUTED_COLUMNS.get(name, name) for name in ShownOrderRow._fields)

SELECT_LAST_ORDERS = text(f"""
    SELECT {SHOWN_ORDER_COLUMNS}
    FROM orders
    WHERE account_id = :account_id AND source_id = :source_id AND customer_id = :customer_id AND deleted_at IS NULL
    ORDER BY ordered_at DESC, order_id DESC
    LIMIT cast(:limit AS bigint)
""")

SELECT_ALL_ORDERS = text(f"""
    SELECT {SHOWN_ORDER_COLUMNS}
    FROM orders
    WHERE account_id = :account_id AND source_id = :source_id AND customer_id = :customer_id
    ORDER BY ordered_at DESC, order_id DESC
""")
"""Deleted ones too, for an export."""

# ---------------------------------------------------------------- messages


@dataclass(frozen=True, slots=True)
class ShownMessageRow:
    """A message as it is shown beside its recipient."""

    id: int
    kind: str
    status: str
    reason: str | None
    template: str | None
    subject: str | None
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class ExportedMessageRow(ShownMessageRow):
    """A message as it is exported: whole, with what was answered to every attempt."""

    message_id: str
    provider_id: str | None
    language: str
    text: str | None
    html: str | None
    answers: list[str]


SHOWN_MESSAGE_COLUMNS = "m.id, m.kind, m.status, m.reason, m.template, m.subject, m.created_at, m.sent_at"

SELECT_LAST_MESSAGES = text(f"""
    SELECT {SHOWN_MESSAGE_COLUMNS} FROM messages AS m
    WHERE m.account_id = :account_id AND m.customer_id = :customer_id
    ORDER BY m.created_at DESC, m.id DESC
    LIMIT cast(:limit AS bigint)
""")

SELECT_ALL_MESSAGES = text(f"""
    SELECT {SHOWN_MESSAGE_COLUMNS}, m.message_id, m.provider_id, m.language, m.text, m.html,
           ARRAY(SELECT a.code || ' ' || a.detail FROM message_attempts AS a
                 WHERE a.account_id = :account_id AND a.message_id = m.id ORDER BY a.id) AS answers
    FROM messages AS m
    WHERE m.account_id = :account_id AND m.customer_id = :customer_id
    ORDER BY m.created_at DESC, m.id DESC
""")

# ---------------------------------------------------------------- standings


class FrameStanding(NamedTuple):
    """How a customer stands in one time frame.

    `figures`, `ranks` and `better` (the next better value) have an element per metric, in the order of
    `COLUMNS`; the elements are None without a purchase in the frame.
    """

    position: int
    has_answer: bool
    customers: int
    figures: list[int | None]
    ranks: list[int | None]
    better: list[int | None]
    min_spend: int | None
    min_orders: int | None
    big_spender: bool | None
    frequent_buyer: bool | None


FIGURES_OF_STANDING = f"ARRAY[{', '.join(f's.{column}' for column in COLUMNS.values())}]"
VIP_COLUMNS = f"""m.min_spend, m.min_orders, {is_big_spender("s", "m")} AS big_spender,
           {is_frequent_buyer("s", "m")} AS frequent_buyer"""


def only_ranked(value: str) -> str:
    """A value where there is a standing, in the frames whose ranks are shown."""
    return f"CASE WHEN s.board_id IS NOT NULL AND f.position <= cast(:ranked AS bigint) THEN {value} END"


def ranks_on_board() -> str:
    """The rank by each metric."""
    ranks = (rank_on_board(board="b.id", metric=metric, value=f"s.{column}") for metric, column in COLUMNS.items())
    return f"ARRAY[{', '.join(map(only_ranked, ranks))}]"


def better_on_board() -> str:
    """The next better value of each metric."""
    better = (
        f"({value_above(board='b.id', metric=metric, value=f's.{column}')})" for metric, column in COLUMNS.items()
    )
    return f"ARRAY[{', '.join(map(only_ranked, better))}]"


BOARD_OF_FRAME = can_answer(
    kind="f.kind::board_kind", board_start="f.board_start", start="f.start", before="f.before", until="f.until"
)

SELECT_STANDINGS = text(f"""
    SELECT f.position, b.id IS NOT NULL AS has_answer, coalesce(b.customers, 0) AS customers,
           {FIGURES_OF_STANDING} AS figures, {ranks_on_board()} AS ranks, {better_on_board()} AS better, {VIP_COLUMNS}
    FROM unnest(cast(:kinds AS text[]), cast(:board_starts AS timestamptz[]), cast(:starts AS timestamptz[]),
                cast(:befores AS timestamptz[]), cast(:untils AS timestamptz[]))
         WITH ORDINALITY AS f (kind, board_start, start, before, until, position)
    LEFT JOIN boards AS b ON {BOARD_OF_FRAME}
    LEFT JOIN standings AS s
        ON s.account_id = :account_id AND s.board_id = b.id AND s.customer_id = :customer_id
    {suggested_thresholds("b")}
    ORDER BY f.position
""")
"""How a customer stands in each frame, from the boards; `has_answer` is false where no board can answer."""


def counted_above(metric: Metric) -> tuple[str, str]:
    """The rank of the customer's own figures among all, and the next better value."""
    column = COLUMNS[metric]
    rank = f"CASE WHEN count(s.customer_id) > 0 THEN {rank_among(metric)} END"
    return rank, f"min(f.{column}) FILTER (WHERE f.{column} > s.{column})"


RANKS_IN_ORDERS = f"ARRAY[{', '.join(counted_above(metric)[0] for metric in COLUMNS)}]"
BETTER_IN_ORDERS = f"ARRAY[{', '.join(counted_above(metric)[1] for metric in COLUMNS)}]"

SELECT_STANDINGS_FROM_ORDERS = with_ctes(
    [
        cte(
            "figures",
            f"""
            SELECT board_id AS position, customer_id, {", ".join(SUMS)}, last_order_at, {AVERAGE} AS average
            FROM ({figures_by_board()}) AS f""",
            "everybody's figures in each frame; the orders are read once for all frames",
        ),
        cte("own", "SELECT * FROM figures WHERE customer_id = :customer_id", "the customer's own"),
        cte(
            "counted",
            f"""
            SELECT f.position, count(*) AS customers, sum(f.purchases) AS purchases, sum(f.spend) AS spend,
                   {RANKS_IN_ORDERS} AS ranks, {BETTER_IN_ORDERS} AS better
            FROM figures AS f LEFT JOIN own AS s ON s.position = f.position
            GROUP BY f.position""",
            "the totals of each frame, and who is above the customer",
        ),
    ],
    f"""
    SELECT n.position, true AS has_answer, coalesce(b.customers, 0) AS customers,
           {FIGURES_OF_STANDING} AS figures, b.ranks, b.better, {VIP_COLUMNS}
    FROM unnest(cast(:positions AS bigint[])) AS n (position)
    LEFT JOIN counted AS b ON b.position = n.position
    LEFT JOIN own AS s ON s.position = n.position
    {suggested_thresholds("b")}""",
)
"""The same for frames that no board can answer."""
