"""Ranking: who stands where on a board.

Pages come from standings, or from a window over the orders where no board can answer; both
feed the same last step, so they agree byte for byte. Equal values share a rank and the next
is skipped (1, 1, 3); inside a rank rows are ordered by customer, so paging an unchanged
board repeats and loses no one.
"""

from enum import StrEnum
from functools import cache

from sqlalchemy import TextClause, text

from app.boards.answers import ABOVE, AVERAGED, BETTER, LATE, LATE_CORRECTIONS, NEXT_LATER, NOT_LATE, board
from app.boards.buckets import MEASURES
from app.boards.rows import CUSTOMER, FIGURES, NAMED, json_object, member


class Metric(StrEnum):
    """What customers are ranked by."""

    PURCHASES = "number_of_purchases"
    AVERAGE = "average_order_amount"
    SPEND = "total_spend"


class Compare(StrEnum):
    """What each row is compared with."""

    PREVIOUS = "previous"
    GAP = "gap"


PAGE = """
    SELECT t.id, t.version, t.besides{previous_version}, t.customers, t.purchases,
           (t.spend * cast(:unit AS numeric))::text AS spend,
           (SELECT '[' || coalesce(string_agg({item}, ',' ORDER BY p.place), '') || ']'
            {named} {previous} WHERE p.place <= cast(:limit AS bigint)) AS items,
           l.value AS last_value, l.customer_id AS last_customer, l.rank AS last_rank,
           {before} AS before
    FROM {totals} AS t
    LEFT JOIN (SELECT {measure} AS value, customer_id, rank, place FROM numbered) AS l
        ON l.place = cast(:limit AS bigint)
        AND EXISTS (SELECT FROM numbered AS m WHERE m.place > cast(:limit AS bigint))
"""

PREVIOUS_VERSION = """, (SELECT id FROM previous_board) AS previous_id,
    (SELECT version FROM previous_board) AS previous_version"""

KEYSET = "AND {measure} <= :value AND ({measure} < :value OR customer_id > :customer)"

WALK = """(
    SELECT customer_id, purchases, spend, average, last_order_at FROM standings
    WHERE account_id = :account_id AND board_id = (SELECT id FROM board) {condition}
    ORDER BY {measure} DESC, customer_id
    LIMIT cast(:limit AS bigint) + 1)
"""
TIED, LOWER = "AND {measure} = :value AND customer_id > :customer", "AND {measure} < :value"
"""What follows a row. One walk for both would begin at the first of the row's ties, and most customers buy once."""

PUT_BACK = "(SELECT customer_id, purchases, spend, average, last_order_at FROM late_then WHERE true {keyset})"


def gap(metric: Metric) -> str:
    """What is missing to the next better rank, as the metric is shown."""
    missing = f"(p.better - p.{MEASURES[metric]})"
    return f"{missing}::text" if metric is Metric.PURCHASES else f"({missing} * cast(:unit AS numeric))::text"


def item(metric: Metric, compare: Compare | None) -> str:
    """One row as JSON text, with the members that a comparison adds."""
    added: tuple[str, ...] = ()
    if compare is Compare.PREVIOUS:
        movement = """coalesce((q.rank - p.rank)::text, '"new"')"""
        added = (member("previous_rank", "coalesce(q.rank::text, 'null')"), member("movement", movement))
    elif compare is Compare.GAP:
        shown = gap(metric) if metric is Metric.PURCHASES else f"""'"' || {gap(metric)} || '"'"""
        added = (member("gap", f"coalesce({shown}, 'null')"),)
    return json_object(member("rank", "p.rank"), CUSTOMER, FIGURES, *added)


def _walked(measure: str, *, continued: bool, late: bool) -> str:
    """The rows of a board from which a page is taken: those that walks along the index give, and the late ones."""
    walks = [
        WALK.format(measure=measure, condition=f"{NOT_LATE if late else ''} {keyset.format(measure=measure)}")
        for keyset in ((TIED, LOWER) if continued else ("",))
    ]
    if late:
        walks.append(PUT_BACK.format(keyset=KEYSET.format(measure=measure) if continued else ""))
    return " UNION ALL ".join(walks)


@cache
def board_page(metric: Metric, *, continued: bool, compare: Compare | None, late: bool) -> TextClause:
    """One page of a board from its standings; no row when no board can answer.

    A page that continues another knows from the cursor how many rows lie before it, as long as
    the board is unchanged; otherwise that is counted.
    """
    measure, compared = MEASURES[metric], compare is Compare.PREVIOUS
    rank, better = f"rank() OVER (ORDER BY {measure} DESC)", BETTER.format(measure=measure)
    if continued:
        rank = f"CASE WHEN {measure} = o.value THEN o.above + 1 ELSE o.before + {rank} END"
        better = f"coalesce({better}, CASE WHEN {measure} = o.value THEN o.better END)"
    return text(f"""
        WITH {LATE if late else f"board AS MATERIALIZED ({board()}),"}
        {f"previous_board AS MATERIALIZED ({board('previous_')})," if compared else ""}
        page AS MATERIALIZED (
            SELECT customer_id, purchases, spend, average, last_order_at
            FROM ({_walked(measure, continued=continued, late=late)}) AS u
            ORDER BY {measure} DESC, customer_id
            LIMIT cast(:limit AS bigint) + 1),
        {f"offsets AS MATERIALIZED ({_offsets(metric, compare, late=late)})," if continued else ""}
        numbered AS MATERIALIZED (
            SELECT customer_id, purchases, spend, average, last_order_at, {rank} AS rank,
                   {f"{better} AS better," if compare is Compare.GAP else ""}
                   row_number() OVER (ORDER BY {measure} DESC, customer_id) AS place
            FROM page {"CROSS JOIN offsets AS o" if continued else ""})
        {_page(metric, compare, "board", _previous_by_buckets(metric), "offsets" if continued else "")}
        {"WHERE EXISTS (SELECT FROM previous_board)" if compared else ""}
    """)


def _offsets(metric: Metric, compare: Compare | None, *, late: bool) -> str:
    """How many rows lie above the value of the page's first row, how many before that row, and the next value above."""
    measure = MEASURES[metric]
    here = "n.account_id = :account_id AND n.board_id = (SELECT id FROM board)"
    above = ABOVE.format(board="(SELECT id FROM board)", metric=metric, measure=measure, value="f.value")
    same = f"n.{measure} = f.value AND n.customer_id < f.customer_id"
    ties = f"(SELECT count(*) FROM standings AS n WHERE {here} AND {same})"
    if late:
        for sign, rows in LATE_CORRECTIONS:
            above += f" {sign} (SELECT count(*) FROM {rows} AS n WHERE n.{measure} > f.value)"
            ties += f" {sign} (SELECT count(*) FROM {rows} AS n WHERE {same})"
    better = f"SELECT min(n.{measure}) FROM standings AS n WHERE {here} AND n.{measure} > f.value"
    if late:
        then = f"SELECT min(n.{measure}) FROM late_then AS n WHERE n.{measure} > f.value"
        better = f"SELECT least(({better} {NOT_LATE}), ({then}))"
    unchanged = "false" if late else "(SELECT id FROM board) = :board AND (SELECT version FROM board) = :version"
    return f"""
        SELECT f.value, {f"({better}) AS better," if compare is Compare.GAP else ""}
            CASE WHEN {unchanged} THEN CASE WHEN f.value = :value THEN cast(:rank AS bigint) - 1
                 ELSE cast(:position AS bigint) END ELSE {above} END AS above,
            CASE WHEN {unchanged} THEN cast(:position AS bigint) ELSE {above} + {ties} END AS before
        FROM (SELECT {measure} AS value, customer_id FROM page
              ORDER BY {measure} DESC, customer_id LIMIT 1) AS f"""


def _previous_by_buckets(metric: Metric) -> str:
    measure = MEASURES[metric]
    above = ABOVE.format(board="r.board_id", metric=metric, measure=measure, value=f"r.{measure}")
    return f"""LEFT JOIN LATERAL (
        SELECT {above} + 1 AS rank FROM standings AS r
        WHERE r.account_id = :account_id AND r.board_id = (SELECT id FROM previous_board)
          AND r.customer_id = p.customer_id) AS q ON true"""


def previous_by_window(metric: Metric) -> str:
    return f"""LEFT JOIN (SELECT customer_id, rank() OVER (ORDER BY {MEASURES[metric]} DESC) AS rank
        FROM ({AVERAGED.format(p="previous_").format(whose="")}) AS a) AS q ON q.customer_id = p.customer_id"""


def _page(metric: Metric, compare: Compare | None, totals: str, previous: str, offsets: str = "") -> str:
    compared = compare is Compare.PREVIOUS
    return PAGE.format(
        before=f"(SELECT before FROM {offsets})" if offsets else "0",
        item=item(metric, compare),
        named=NAMED.format(ranked="numbered"),
        previous=previous if compared else "",
        previous_version=PREVIOUS_VERSION if compared and totals == "board" else "",
        totals=totals,
        measure=MEASURES[metric],
    )


RANKED = """
    ranked AS MATERIALIZED (
        SELECT account_id, customer_id, purchases, spend, average, last_order_at,
               rank() OVER (ORDER BY {measure} DESC) AS rank{better}
        FROM ({averaged}) AS a),
    totals AS MATERIALIZED (
        SELECT 0 AS id, version, {later} AS besides, (SELECT count(*) FROM ranked) AS customers,
               (SELECT coalesce(sum(purchases), 0) FROM ranked) AS purchases,
               (SELECT coalesce(sum(spend), 0) FROM ranked) AS spend
        FROM sources WHERE account_id = :account_id AND id = :source_id)
"""


def ranked(metric: Metric, compare: Compare | None = None) -> str:
    """Everyone over an interval, from the orders, and the totals."""
    better = f", {BETTER.format(measure=MEASURES[metric])} AS better" if compare is Compare.GAP else ""
    averaged = AVERAGED.format(p="").format(whose="")
    return RANKED.format(measure=MEASURES[metric], averaged=averaged, better=better, later=NEXT_LATER)


@cache
def orders_page(metric: Metric, *, continued: bool, compare: Compare | None) -> TextClause:
    """One page over any interval, from the orders; always a row."""
    measure = MEASURES[metric]
    return text(f"""
        WITH {ranked(metric, compare)},
        numbered AS MATERIALIZED (
            SELECT customer_id, purchases, spend, average, last_order_at, rank,
                   {"better," if compare is Compare.GAP else ""}
                   row_number() OVER (ORDER BY {measure} DESC, customer_id) AS place
            FROM (SELECT * FROM ranked
                  WHERE account_id = :account_id {KEYSET.format(measure=measure) if continued else ""}
                  ORDER BY {measure} DESC, customer_id LIMIT cast(:limit AS bigint) + 1) AS r)
        {_page(metric, compare, "totals", previous_by_window(metric))}
    """)


# ---------------------------------------------------------------- the page that holds a customer


@cache
def board_place(metric: Metric) -> TextClause:
    """Where a customer stands: the rows before the page of `limit` that holds them, and the last of those rows."""
    measure = MEASURES[metric]
    above = ABOVE.format(board="b.id", metric=metric, measure=measure, value=f"s.{measure}")
    above_last = ABOVE.format(board="h.board_id", metric=metric, measure=measure, value="l.value")
    return text(f"""
        WITH board AS MATERIALIZED ({board()}),
        holder AS MATERIALIZED (
            SELECT b.id AS board_id, b.version, s.{measure} AS value, s.customer_id, {above}
                + (SELECT count(*) FROM standings AS n
                   WHERE n.account_id = :account_id AND n.board_id = b.id
                     AND n.{measure} = s.{measure} AND n.customer_id < s.customer_id) AS before
            FROM board AS b LEFT JOIN standings AS s
                ON s.account_id = :account_id AND s.board_id = b.id AND s.customer_id = cast(:around AS bigint))
        SELECT h.board_id AS board, h.version, h.customer_id,
               (h.before - h.before % cast(:limit AS bigint))::bigint AS position,
               l.value, l.customer_id AS customer, ({above_last} + 1)::bigint AS rank
        FROM holder AS h LEFT JOIN LATERAL (
            SELECT n.{measure} AS value, n.customer_id FROM standings AS n
            WHERE n.account_id = :account_id AND n.board_id = h.board_id
              AND n.{measure} >= h.value AND (n.{measure} > h.value OR n.customer_id < h.customer_id)
            ORDER BY n.{measure}, n.customer_id DESC
            LIMIT 1 OFFSET (h.before % cast(:limit AS bigint))::bigint) AS l ON true
    """)


@cache
def orders_place(metric: Metric) -> TextClause:
    """The same as `board_place` over any interval, from the orders."""
    measure = MEASURES[metric]
    return text(f"""
        WITH {ranked(metric)},
        placed AS MATERIALIZED (
            SELECT customer_id, {measure} AS value, rank,
                   row_number() OVER (ORDER BY {measure} DESC, customer_id) - 1 AS before
            FROM ranked)
        SELECT t.version, h.customer_id, h.before - h.before % cast(:limit AS bigint) AS position, l.value,
               l.customer_id AS customer, l.rank
        FROM totals AS t
        LEFT JOIN placed AS h ON h.customer_id = cast(:around AS bigint)
        LEFT JOIN placed AS l ON l.before = h.before - h.before % cast(:limit AS bigint) - 1
    """)
