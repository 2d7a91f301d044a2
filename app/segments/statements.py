"""Statements: who spent more, or bought more often, than slightly above the average buyer.

Thresholds that are not given are computed inside the statement, from the totals of the same
moment. A board counts the members by its buckets and cells and reads a page along its index
of spend; the orders do both in one pass. Rows are ordered by spend, then by customer.
"""

from enum import StrEnum
from functools import cache

from sqlalchemy import TextClause

from app.boards.answers import (
    CORRECTIONS,
    NOT_LATE,
    Origin,
    board_ctes,
    corrected,
    cte,
    figures_of_orders,
    higher_buckets,
    totals_of_figures,
    with_ctes,
)
from app.boards.buckets import least_value_of
from app.boards.cells import customers_in_cells
from app.boards.json_rows import (
    CUSTOMER_MEMBER,
    FIGURE_MEMBERS,
    FILE_CELLS,
    FILE_HEADER,
    json_array,
    json_object,
    member,
    with_customers,
)
from app.boards.metrics import FIGURES, after_start, ranked_by
from app.vocabulary import Metric

FEW_FREQUENT_BUYERS = 2000
"""Up to this many frequent buyers are read and sorted; beyond it, scanning the index of spend is faster."""

FIRST_ROWS = f"ORDER BY {ranked_by(Metric.SPEND)} LIMIT cast(:limit AS bigint) + 1"


class Criteria(StrEnum):
    """The rules by which a customer is a VIP."""

    BIG_SPENDER = "big_spender"
    FREQUENT_BUYER = "frequent_buyer"
    BLENDED = "blended"


# ---------------------------------------------------------------- the rule


def is_big_spender(row: str, thresholds: str) -> str:
    """Whether a row of figures exceeds the threshold of spend."""
    return f"{row}.spend > {thresholds}.min_spend"


def is_frequent_buyer(row: str, thresholds: str) -> str:
    """Whether a customer has more purchases than the threshold."""
    return f"{row}.purchases > {thresholds}.min_orders"


def matches_criteria(criteria: Criteria, row: str, thresholds: str) -> str:
    """Whether a row of figures matches the criteria."""
    rules = {
        Criteria.BIG_SPENDER: is_big_spender(row, thresholds),
        Criteria.FREQUENT_BUYER: is_frequent_buyer(row, thresholds),
    }
    return rules.get(criteria) or f"({' OR '.join(rules.values())})"


def suggested_thresholds(totals: str) -> str:
    """A join that adds the suggested thresholds: mean spend times 1.10, rounded half up; whole mean orders plus one."""
    return f"""LEFT JOIN LATERAL (
        SELECT least(div(22 * b.spend + 10 * b.buyers, 20 * b.buyers), 9223372036854775807)::bigint AS min_spend,
               div(b.purchases::numeric, b.buyers)::bigint + 1 AS min_orders
        FROM (SELECT {totals}.spend::numeric AS spend, {totals}.purchases AS purchases,
                     nullif({totals}.customers, 0) AS buyers) AS b) AS m ON {totals}.customers > 0"""


AIMED = cte(
    "aimed",
    f"""
    SELECT b.id, b.version, b.contacts_version, b.next_purchase_at, b.customers, b.purchases, b.spend,
           coalesce(cast(:min_spend AS bigint), m.min_spend) AS min_spend,
           coalesce(cast(:min_orders AS bigint), m.min_orders) AS min_orders
    FROM board AS b {suggested_thresholds("b")}""",
    "the totals with the thresholds",
)

# ---------------------------------------------------------------- counting the members

COUNTED_RULES = {
    "big": is_big_spender("n", "a"),
    "frequent": is_frequent_buyer("n", "a"),
    "big_only": f"{is_big_spender('n', 'a')} AND NOT {is_frequent_buyer('n', 'a')}",
}
"""What is counted, by a rule about a row `n` and the thresholds `a`."""

COUNTS_ON_BOARD = {
    "big": "s.customers + same_s.customers",
    "frequent": "o.customers + same_o.customers",
    "big_only": "c.customers + same_s.spend_only - same_o.higher_spend",
}
"""The same from whole buckets and cells, and from what shares a bucket with a threshold but exceeds it."""


def counted_on_board(*, late: bool) -> str:
    """How many customers of the board each rule finds."""
    counts = ", ".join(
        f"({corrected(count, COUNTED_RULES[name], late=late)}) AS {name}" for name, count in COUNTS_ON_BOARD.items()
    )
    cells = customers_in_cells(board="a.id", purchases="a.min_orders", spend="a.min_spend")
    return f"""
        SELECT a.*, {counts}
        FROM aimed AS a
        CROSS JOIN LATERAL ({higher_buckets(board="a.id", metric=Metric.SPEND, value="a.min_spend")}) AS s
        CROSS JOIN LATERAL ({higher_buckets(board="a.id", metric=Metric.PURCHASES, value="a.min_orders")}) AS o
        CROSS JOIN LATERAL ({cells}) AS c
        CROSS JOIN LATERAL (
            SELECT count(*) AS customers, count(*) FILTER (WHERE n.purchases <= a.min_orders) AS spend_only
            FROM standings AS n
            WHERE n.account_id = :account_id AND n.board_id = a.id
              AND n.spend > a.min_spend AND n.spend <= s.bucket_end) AS same_s
        CROSS JOIN LATERAL (
            SELECT count(*) AS customers, count(*) FILTER (WHERE n.spend > s.bucket_end) AS higher_spend
            FROM standings AS n
            WHERE n.account_id = :account_id AND n.board_id = a.id
              AND n.purchases > a.min_orders AND n.purchases <= o.bucket_end) AS same_o"""


def counted_in_orders() -> str:
    """The same from the figures of all customers."""
    counts = ", ".join(f"count(*) FILTER (WHERE {rule}) AS {name}" for name, rule in COUNTED_RULES.items())
    return f"""
        SELECT a.*, m.big, m.frequent, m.big_only
        FROM aimed AS a CROSS JOIN LATERAL (SELECT {counts} FROM figures AS n) AS m"""


ORDER_FIGURES = (
    cte("figures", figures_of_orders(), "every customer with purchases"),
    cte("board", totals_of_figures("figures"), "the figures of all of them"),
)


def counted_ctes(origin: Origin) -> list[str]:
    """The totals, the thresholds, and how many customers match each rule."""
    if origin is Origin.ORDERS:
        return [*ORDER_FIGURES, AIMED, cte("counted", counted_in_orders(), "and how many customers exceed them")]
    late = origin is Origin.LATE_BOARD
    counted = cte("counted", counted_on_board(late=late), "and how many customers exceed them")
    return [*board_ctes(late=late), AIMED, counted]


TOTALS = """t.version, t.contacts_version, t.next_purchase_at, t.id AS board_id, t.customers, t.purchases, t.spend,
    t.min_spend, t.min_orders, t.big, t.frequent, t.big_only"""

# ---------------------------------------------------------------- the rows of a page


def scan_by_spend(condition: str, *, continued: bool) -> str:
    """Standings of the board by this condition, along its index of spend, behind the start of a page.

    What follows a row are its ties and then the lower values. One scan for both would begin at the first
    of the ties, and where a store sells one thing they are many.
    """
    parts = ("AND spend = :value AND customer_id > :customer", "AND spend < :value") if continued else ("",)
    scans = [f"(SELECT customer_id, {FIGURES} FROM standings WHERE {condition} {part} {FIRST_ROWS})" for part in parts]
    return f"SELECT customer_id, {FIGURES} FROM ({' UNION ALL '.join(scans)}) AS w {FIRST_ROWS}"


def rows_of_figures(figures: str, criteria: Criteria, *, continued: bool) -> str:
    """The rows of figures that match the criteria, behind the start of a page."""
    return f"""SELECT customer_id, {FIGURES} FROM {figures} AS n
        CROSS JOIN (SELECT min_spend, min_orders FROM counted) AS t
        WHERE {matches_criteria(criteria, "n", "t")} {f"AND {after_start(Metric.SPEND)}" if continued else ""}"""


def board_page_ctes(criteria: Criteria, *, continued: bool, late: bool) -> list[str]:
    """The rows of a page from the board: big spenders along the index of spend, frequent buyers as few or many."""
    standing = f"account_id = :account_id AND board_id = (SELECT id FROM board) {NOT_LATE if late else ''}"
    min_spend, frequent = "(SELECT min_spend FROM counted)", "(SELECT frequent FROM counted)"
    often = f"{standing} AND purchases > (SELECT min_orders FROM counted) AND {frequent}"
    behind = f"AND {after_start(Metric.SPEND)}" if continued else ""
    rest = ""
    if criteria is Criteria.BLENDED:
        # Big spenders come first; others are looked for only when those do not fill the page.
        rest = f"AND spend <= {min_spend} AND (SELECT count(*) FROM rich) <= cast(:limit AS bigint)"
    rich = scan_by_spend(f"{standing} AND spend > {min_spend}", continued=continued)
    few = f"""SELECT customer_id, {FIGURES} FROM standings WHERE {often} <= {FEW_FREQUENT_BUYERS}
        ORDER BY purchases DESC, customer_id LIMIT {FEW_FREQUENT_BUYERS}"""
    many = scan_by_spend(f"{often} > {FEW_FREQUENT_BUYERS} {rest}", continued=continued)
    ctes, unions = [], []
    if criteria is not Criteria.FREQUENT_BUYER:
        ctes.append(cte("rich", rich, "big spenders"))
        unions.append(f"SELECT customer_id, {FIGURES} FROM rich")
    if criteria is not Criteria.BIG_SPENDER:
        ctes.append(cte("few", few, "frequent buyers, where they are few"))
        ctes.append(cte("many", many, "frequent buyers, where they are many"))
        unions.append(f"SELECT customer_id, {FIGURES} FROM few WHERE true {behind} {rest}")
        unions.append(f"SELECT customer_id, {FIGURES} FROM many")
    if late:
        unions.append(rows_of_figures("late_then", criteria, continued=continued))
    page = f"SELECT customer_id, {FIGURES} FROM ({' UNION ALL '.join(unions)}) AS u {FIRST_ROWS}"
    return [*ctes, cte("page", page, "the rows of the page and one more")]


def page_ctes(criteria: Criteria, origin: Origin, *, continued: bool) -> list[str]:
    """The rows of a page and one more."""
    if origin is not Origin.ORDERS:
        return board_page_ctes(criteria, continued=continued, late=origin is Origin.LATE_BOARD)
    page = f"{rows_of_figures('figures', criteria, continued=continued)} {FIRST_ROWS}"
    return [cte("page", page, "the rows of the page and one more")]


# ---------------------------------------------------------------- pages and files

MATCHED = f"""(CASE WHEN NOT {is_frequent_buyer("p", "t")} THEN '["big_spender"]'
    WHEN NOT {is_big_spender("p", "t")} THEN '["frequent_buyer"]'
    ELSE '["big_spender", "frequent_buyer"]' END)"""
JSON_ROW = json_object(CUSTOMER_MEMBER, FIGURE_MEMBERS, member("matched", MATCHED))

SEGMENT_HEADER = (*FILE_HEADER, "big_spender", "frequent_buyer")
SEGMENT_CELLS = f"""{FILE_CELLS}, {is_big_spender("p", "t")} AS big_spender,
    {is_frequent_buyer("p", "t")} AS frequent_buyer"""


@cache
def select_vip_page(criteria: Criteria, origin: Origin, *, continued: bool) -> TextClause:
    """One page of members with the totals; no row when a board was to answer and cannot."""
    numbered = f"""
        SELECT customer_id, {FIGURES}, row_number() OVER (ORDER BY {ranked_by(Metric.SPEND)}) AS position FROM page"""
    items = json_array(JSON_ROW, rows="numbered", where="p.position <= cast(:limit AS bigint)")
    return with_ctes(
        [
            *counted_ctes(origin),
            *page_ctes(criteria, origin, continued=continued),
            cte("numbered", numbered, "the same rows in their order"),
        ],
        f"""
        SELECT {TOTALS}, {items} AS items, l.spend AS last_spend, l.customer_id AS last_customer
        FROM counted AS t
        LEFT JOIN numbered AS l ON l.position = cast(:limit AS bigint)
            AND EXISTS (SELECT FROM numbered AS m WHERE m.position > cast(:limit AS bigint))""",
    )


@cache
def select_whole_segment(criteria: Criteria, *, live: bool, as_json: bool) -> TextClause:
    """Every member in order, as JSON text or as the cells of a file; `live` from standings."""
    ctes: tuple[str, ...] = ORDER_FIGURES
    figures = "figures"
    if live:
        ctes = board_ctes(late=False)
        figures = "(SELECT * FROM standings WHERE account_id = :account_id AND board_id = (SELECT id FROM board))"
    return with_ctes(
        [*ctes, AIMED],
        f"""
        SELECT {JSON_ROW if as_json else SEGMENT_CELLS}
        {with_customers(figures)} CROSS JOIN aimed AS t
        WHERE {matches_criteria(criteria, "p", "t")}
        ORDER BY p.spend DESC, p.customer_id""",
    )


# ---------------------------------------------------------------- the preview

STORED_BUCKETS = """
    SELECT metric::text AS metric, least_value, customers FROM standing_buckets
    WHERE account_id = :account_id AND board_id = (SELECT id FROM board) AND metric <> 'average_order_amount'"""


def buckets_of_figures(figures: str, *, sign: str = "") -> str:
    """The bucket of each value in rows of figures; with the sign `-` it is taken off."""
    return f"""
        SELECT v.metric, {least_value_of("v.value")} AS least_value, {sign}1 AS customers
        FROM {figures} AS n
        CROSS JOIN LATERAL (VALUES ('total_spend', n.spend), ('number_of_purchases', n.purchases))
            AS v (metric, value)"""


@cache
def select_vip_preview(origin: Origin) -> TextClause:
    """The totals, and the buckets of spend and of purchases: pairs of least value and customers."""
    if origin is Origin.ORDERS:
        buckets = [buckets_of_figures("figures")]
    else:
        corrections = CORRECTIONS if origin is Origin.LATE_BOARD else ()
        buckets = [STORED_BUCKETS, *(buckets_of_figures(rows, sign=sign) for sign, rows in corrections)]
    bars = f"""
        SELECT metric, least_value, sum(customers)::bigint AS customers
        FROM ({" UNION ALL ".join(buckets)}) AS u GROUP BY metric, least_value HAVING sum(customers) > 0"""

    def pairs(metric: Metric) -> str:
        return f"""(SELECT array_agg(ARRAY[least_value, customers] ORDER BY least_value)
                    FROM bars WHERE metric = '{metric}')"""

    return with_ctes(
        [*counted_ctes(origin), cte("bars", bars, "how many customers are in each bucket")],
        f"""
        SELECT {TOTALS}, {pairs(Metric.SPEND)} AS spend_pairs, {pairs(Metric.PURCHASES)} AS purchases_pairs
        FROM counted AS t""",
    )
