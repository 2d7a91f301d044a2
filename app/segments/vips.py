"""VIPs: who spent more, or bought more often, than slightly above the average buyer.

Thresholds that are not given set themselves inside the statement, from the totals of the same
moment. A board counts the members by its buckets and cells and reads a page along its index
of spend; the orders do both in one pass. Rows go by spend, then by customer.
"""

from enum import StrEnum
from functools import cache

from sqlalchemy import TextClause, text

from app.boards.answers import AVERAGED, HIGHER, LATE, LATE_CORRECTIONS, NEXT_LATER, NOT_LATE, Way, board
from app.boards.buckets import LEAST_VALUE
from app.boards.cells import IN_CELLS
from app.boards.rows import CELLS, COLUMNS, CUSTOMER, FIGURES, NAMED, json_object, member


class Criteria(StrEnum):
    """What makes a VIP."""

    BIG_SPENDER = "big_spender"
    FREQUENT_BUYER = "frequent_buyer"
    BLENDED = "blended"


# ---------------------------------------------------------------- the rule

SPENDS_MUCH = "{p}spend > {t}min_spend"
BUYS_OFTEN = "{p}purchases > {t}min_orders"
RULES = {
    Criteria.BIG_SPENDER: SPENDS_MUCH,
    Criteria.FREQUENT_BUYER: BUYS_OFTEN,
    Criteria.BLENDED: f"({SPENDS_MUCH} OR {BUYS_OFTEN})",
}

SUGGESTED = """LEFT JOIN LATERAL (
    SELECT least(div(22 * b.spend + 10 * b.buyers, 20 * b.buyers), 9223372036854775807)::bigint AS min_spend,
           div(b.purchases::numeric, b.buyers)::bigint + 1 AS min_orders
    FROM (SELECT {b}spend::numeric AS spend, {b}purchases AS purchases,
                 nullif({b}customers, 0) AS buyers) AS b) AS m ON {b}customers > 0"""
"""Thresholds that set themselves: mean spend times 1.10, rounded half up, and one more than the whole mean orders."""

AIMED = f"""
    aimed AS MATERIALIZED (
        SELECT b.id, b.version, b.besides, b.customers, b.purchases, b.spend,
               coalesce(cast(:min_spend AS bigint), m.min_spend) AS min_spend,
               coalesce(cast(:min_orders AS bigint), m.min_orders) AS min_orders
        FROM board AS b {SUGGESTED.format(b="b.")}),
"""
"""The totals with the thresholds."""

# ---------------------------------------------------------------- from a board

COUNTED_ON_BOARD = f"""
    FROM aimed AS a
    CROSS JOIN LATERAL ({HIGHER.format(board="a.id", metric="total_spend", value="a.min_spend")}) AS s
    CROSS JOIN LATERAL ({HIGHER.format(board="a.id", metric="number_of_purchases", value="a.min_orders")}) AS o
    CROSS JOIN LATERAL ({IN_CELLS.format(board="a.id", spend="a.min_spend", purchases="a.min_orders")}) AS c
    CROSS JOIN LATERAL (
        SELECT count(*) AS customers, count(*) FILTER (WHERE n.purchases <= a.min_orders) AS spend_only
        FROM standings AS n
        WHERE n.account_id = :account_id AND n.board_id = a.id
          AND n.spend > a.min_spend AND n.spend <= s.bucket_end) AS same_s
    CROSS JOIN LATERAL (
        SELECT count(*) AS customers, count(*) FILTER (WHERE n.spend > s.bucket_end) AS higher_spend
        FROM standings AS n
        WHERE n.account_id = :account_id AND n.board_id = a.id
          AND n.purchases > a.min_orders AND n.purchases <= o.bucket_end) AS same_o
"""
"""Whole buckets and cells, and what shares a bucket with a threshold but is above it, one by one."""

COUNTS = {
    "big": "s.customers + same_s.customers",
    "frequent": "o.customers + same_o.customers",
    "big_only": "c.customers + same_s.spend_only - same_o.higher_spend",
}
COUNTED_RULES = {"big": SPENDS_MUCH, "frequent": BUYS_OFTEN, "big_only": f"{SPENDS_MUCH} AND NOT {BUYS_OFTEN}"}


def _counted_by_board(*, late: bool) -> str:
    def corrected(name: str) -> str:
        rule = COUNTED_RULES[name].format(p="n.", t="a.")
        corrections = [f"{sign} (SELECT count(*) FROM {rows} AS n WHERE {rule})" for sign, rows in LATE_CORRECTIONS]
        return f"({COUNTS[name]} {' '.join(corrections) if late else ''}) AS {name}"

    return f"""
        {LATE if late else f"board AS MATERIALIZED ({board()}),"} {AIMED}
        counted AS MATERIALIZED (
            SELECT a.*, {", ".join(map(corrected, COUNTS))} {COUNTED_ON_BOARD})"""


ROW = "customer_id, purchases, spend, average, last_order_at"
KEYSET = "AND spend <= :value AND (spend < :value OR customer_id > :customer)"
FOLLOWING = ("AND spend = :value AND customer_id > :customer", "AND spend < :value")
FIRST_ROWS = "ORDER BY spend DESC, customer_id LIMIT cast(:limit AS bigint) + 1"
FEW = 2000
"""So many frequent buyers are all read and sorted; among more of them a page is soon found along the index of spend."""

MIN_SPEND, MIN_ORDERS = "(SELECT min_spend FROM counted)", "(SELECT min_orders FROM counted)"
FREQUENT_BUYERS = "(SELECT frequent FROM counted)"


def _walked(condition: str, keyset: str) -> str:
    """Rows of a board along its index of spend; what follows a row is what is tied with it, then what is lower.

    One walk for both would begin at the first of its ties, and where one thing is sold they are many.
    """
    walks = [
        f"(SELECT {ROW} FROM standings WHERE {condition} {following} {FIRST_ROWS})"
        for following in (FOLLOWING if keyset else ("",))
    ]
    return f"SELECT {ROW} FROM ({' UNION ALL '.join(walks)}) AS w {FIRST_ROWS}"


def _rows_of_board(criteria: Criteria, keyset: str, *, late: bool) -> str:
    here = f"account_id = :account_id AND board_id = (SELECT id FROM board) {NOT_LATE if late else ''}"
    often = f"{here} AND purchases > {MIN_ORDERS} AND {FREQUENT_BUYERS}"
    rest = ""
    if criteria is Criteria.BLENDED:
        # Big spenders come first; others are looked for when those do not fill the page.
        rest = f"AND spend <= {MIN_SPEND} AND (SELECT count(*) FROM rich) <= cast(:limit AS bigint)"
    parts = {
        "rich": _walked(f"{here} AND spend > {MIN_SPEND}", keyset),
        "few": f"SELECT {ROW} FROM standings WHERE {often} <= {FEW} ORDER BY purchases DESC, customer_id LIMIT {FEW}",
        "many": _walked(f"{often} > {FEW} {rest}", keyset),
    }
    if criteria is Criteria.BIG_SPENDER:
        parts = {"rich": parts["rich"]}
    elif criteria is Criteria.FREQUENT_BUYER:
        del parts["rich"]
    united = [f"SELECT {ROW} FROM {name} WHERE true {f'{keyset} {rest}' if name == 'few' else ''}" for name in parts]
    if late:
        united.append(_rows_of_figures("late_then", criteria, keyset))
    named = ", ".join(f"{name} AS MATERIALIZED ({rows})" for name, rows in parts.items())
    return f"{named}, page AS MATERIALIZED (SELECT {ROW} FROM ({' UNION ALL '.join(united)}) AS u {FIRST_ROWS})"


# ---------------------------------------------------------------- from the orders

OF_ORDERS = f"""
    figures AS MATERIALIZED ({AVERAGED.format(p="").format(whose="")}),
    board AS MATERIALIZED (
        SELECT 0 AS id, version, {NEXT_LATER} AS besides, (SELECT count(*) FROM figures) AS customers,
               (SELECT coalesce(sum(purchases), 0) FROM figures) AS purchases,
               (SELECT coalesce(sum(spend), 0) FROM figures) AS spend
        FROM sources WHERE account_id = :account_id AND id = :source_id),
    {AIMED}
"""


def _counted_by_orders() -> str:
    counts = ", ".join(
        f"count(*) FILTER (WHERE {rule.format(p='n.', t='a.')}) AS {name}" for name, rule in COUNTED_RULES.items()
    )
    return f"""{OF_ORDERS}
        counted AS MATERIALIZED (
            SELECT a.*, m.big, m.frequent, m.big_only
            FROM aimed AS a CROSS JOIN LATERAL (SELECT {counts} FROM figures AS n) AS m)"""


def _rows_of_figures(figures: str, criteria: Criteria, keyset: str) -> str:
    return f"""SELECT {ROW} FROM {figures} AS n CROSS JOIN (SELECT min_spend, min_orders FROM counted) AS t
        WHERE {RULES[criteria].format(p="n.", t="t.")} {keyset}"""


# ---------------------------------------------------------------- pages

MATCHED = f"""(CASE WHEN NOT {BUYS_OFTEN} THEN '["big_spender"]' WHEN NOT {SPENDS_MUCH} THEN '["frequent_buyer"]'
    ELSE '["big_spender", "frequent_buyer"]' END)""".format(p="p.", t="t.")
ITEM = json_object(CUSTOMER, FIGURES, member("matched", MATCHED))

TOTALS = """t.id, t.version, t.besides, t.customers, t.purchases, t.spend, t.min_spend, t.min_orders,
    t.big, t.frequent, t.big_only"""


def _counted(way: Way) -> str:
    return _counted_by_orders() if way is Way.ORDERS else _counted_by_board(late=way is Way.LATE_BOARD)


@cache
def vip_page(criteria: Criteria, way: Way, *, continued: bool) -> TextClause:
    """One page of members with the totals; no row when no board can answer, though it was to."""
    keyset = KEYSET if continued else ""
    if way is Way.ORDERS:
        page = f"page AS MATERIALIZED ({_rows_of_figures('figures', criteria, keyset)} {FIRST_ROWS})"
    else:
        page = _rows_of_board(criteria, keyset, late=way is Way.LATE_BOARD)
    return text(f"""
        WITH {_counted(way)}, {page},
        numbered AS MATERIALIZED (
            SELECT {ROW}, row_number() OVER (ORDER BY spend DESC, customer_id) AS place FROM page)
        SELECT {TOTALS},
               (SELECT '[' || coalesce(string_agg({ITEM}, ',' ORDER BY p.place), '') || ']'
                {NAMED.format(ranked="numbered")} WHERE p.place <= cast(:limit AS bigint)) AS items,
               l.spend AS last_spend, l.customer_id AS last_customer
        FROM counted AS t
        LEFT JOIN numbered AS l ON l.place = cast(:limit AS bigint)
            AND EXISTS (SELECT FROM numbered AS m WHERE m.place > cast(:limit AS bigint))
    """)


MATCHED_COLUMNS = ("big_spender", "frequent_buyer")
MATCHED_CELLS = f"{SPENDS_MUCH} AS big_spender, {BUYS_OFTEN} AS frequent_buyer".format(p="p.", t="t.")
FILE_COLUMNS = (*COLUMNS, *MATCHED_COLUMNS)


@cache
def whole_segment(criteria: Criteria, *, live: bool, as_json: bool) -> TextClause:
    """Every member in order, as JSON text or as cells."""
    begun, figures = OF_ORDERS, "figures"
    if live:
        begun = f"board AS MATERIALIZED ({board()}), {AIMED}"
        figures = "(SELECT * FROM standings WHERE account_id = :account_id AND board_id = (SELECT id FROM board))"
    return text(f"""
        WITH {begun.rstrip().rstrip(",")}
        SELECT {ITEM if as_json else f"{CELLS}, {MATCHED_CELLS}"}
        {NAMED.format(ranked=figures)} CROSS JOIN aimed AS t
        WHERE {RULES[criteria].format(p="p.", t="t.")}
        ORDER BY p.spend DESC, p.customer_id
    """)


# ---------------------------------------------------------------- the preview

VALUES = "(VALUES ('total_spend', n.spend), ('number_of_purchases', n.purchases)) AS v (metric, value)"
COUNTED_ROWS = f"""
    SELECT v.metric, {LEAST_VALUE.format(value="v.value")} AS least_value, {{sign}}1 AS customers
    FROM {{rows}} AS n CROSS JOIN LATERAL {VALUES}
"""
KEPT_BUCKETS = """
    SELECT metric::text AS metric, least_value, customers FROM standing_buckets
    WHERE account_id = :account_id AND board_id = (SELECT id FROM board) AND metric <> 'average_order_amount'
"""


@cache
def vip_preview(way: Way) -> TextClause:
    """The totals, and the buckets of spend and of purchases: pairs of least value and customers."""
    parts = [KEPT_BUCKETS]
    if way is Way.ORDERS:
        parts = [COUNTED_ROWS.format(sign="", rows="figures")]
    elif way is Way.LATE_BOARD:
        parts += [COUNTED_ROWS.format(sign=sign, rows=rows) for sign, rows in LATE_CORRECTIONS]
    pairs = "(SELECT array_agg(ARRAY[least_value, customers] ORDER BY least_value) FROM bars WHERE metric = '{}') AS {}"
    return text(f"""
        WITH {_counted(way)},
        bars AS MATERIALIZED (
            SELECT metric, least_value, sum(customers)::bigint AS customers
            FROM ({" UNION ALL ".join(parts)}) AS u GROUP BY metric, least_value HAVING sum(customers) > 0)
        SELECT {TOTALS}, {pairs.format("total_spend", "spend_pairs")},
               {pairs.format("number_of_purchases", "purchases_pairs")}
        FROM counted AS t
    """)
