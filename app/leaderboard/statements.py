"""Statements: who stands where on a board.

A page comes from standings, or from a window over the orders where no board can answer; both feed the
same last step, so they agree byte for byte. Equal values share a rank and the next one is skipped
(1, 1, 3). Inside a rank rows are ordered by customer, so paging an unchanged board repeats and loses no one.
"""

from enum import StrEnum
from functools import cache

from sqlalchemy import TextClause, text

from app.boards.answers import (
    NOT_LATE,
    board_ctes,
    corrected,
    cte,
    customers_above,
    figures_of_orders,
    rank_on_board,
    totals_of_figures,
    value_above,
    with_ctes,
)
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
from app.boards.metrics import (
    AMOUNTS,
    COLUMNS,
    FIGURES,
    after_start,
    amount,
    next_better_value,
    rank_below_ties,
    rank_by,
    rank_from_start,
    ranked_by,
)
from app.vocabulary import Metric

ONE_MORE = "cast(:limit AS bigint) + 1"
"""A page reads one row more than it shows: it tells whether another page follows."""


class Compare(StrEnum):
    """What a row is compared with: its rank in the period before, or the next better rank."""

    PREVIOUS = "previous"
    GAP = "gap"


# ---------------------------------------------------------------- one row


def gap_of(metric: Metric) -> str:
    """What is missing to the next better rank, as the metric is shown."""
    missing = f"(p.better - p.{COLUMNS[metric]})"
    return amount(missing) if metric in AMOUNTS else f"{missing}::text"


def json_row(metric: Metric, compare: Compare | None) -> str:
    """One row as JSON text, with the members that a comparison adds."""
    added: tuple[str, ...] = ()
    if compare is Compare.PREVIOUS:
        added = (
            member("previous_rank", "coalesce(q.rank::text, 'null')"),
            member("movement", "coalesce((q.rank - p.rank)::text, 'null')"),
            member("is_new", "(q.rank IS NULL)"),
        )
    elif compare is Compare.GAP:
        gap = f"""'"' || {gap_of(metric)} || '"'""" if metric in AMOUNTS else gap_of(metric)
        added = (member("gap", f"coalesce({gap}, 'null')"),)
    return json_object(member("rank", "p.rank"), CUSTOMER_MEMBER, FIGURE_MEMBERS, *added)


# ---------------------------------------------------------------- pages


@cache
def select_board_page(metric: Metric, *, continued: bool, compare: Compare | None, late: bool) -> TextClause:
    """One page of a board from its standings; no row when no board can answer.

    A page that continues another knows from the cursor how many rows lie before it, as long as
    the board is unchanged; otherwise they are counted.
    """
    column, compared = COLUMNS[metric], compare is Compare.PREVIOUS
    rank, better = rank_by(metric), next_better_value(metric)
    if continued:
        rank = f"CASE WHEN {column} = o.value THEN o.rank ELSE {rank_below_ties(metric, before='o.before')} END"
        better = f"coalesce({better}, CASE WHEN {column} = o.value THEN o.better END)"
    numbered = f"""
        SELECT customer_id, {FIGURES}, {rank} AS rank, {f"{better} AS better," if compare is Compare.GAP else ""}
               row_number() OVER (ORDER BY {ranked_by(metric)}) AS position
        FROM page {"CROSS JOIN offsets AS o" if continued else ""}"""
    ctes = [
        *board_ctes(late=late, compared=compared),
        cte("page", page_of_board(metric, continued=continued, late=late), "the rows of the page and one more"),
        *(
            [
                cte(
                    "offsets",
                    offsets_of_page(metric, compare, late=late),
                    "the rank of its first row, and what lies above it",
                )
            ]
            if continued
            else []
        ),
        cte("numbered", numbered, "the same rows with their ranks"),
    ]
    previous = previous_rank_by_buckets(metric) if compared else ""
    select = select_page(metric, compare, totals="board", previous=previous, continued=continued)
    return with_ctes(ctes, f"{select} WHERE EXISTS (SELECT FROM previous_board)" if compared else select)


def page_of_board(metric: Metric, *, continued: bool, late: bool) -> str:
    """The first rows of a board behind the start of a page, best first.

    What follows a row are its ties and then the lower values, by two scans of the index. One scan for both
    would begin at the first of the ties, and most customers buy once.
    """
    column = COLUMNS[metric]
    parts = [f"AND {column} = :value AND customer_id > :customer", f"AND {column} < :value"] if continued else [""]
    scans = [
        f"""(SELECT customer_id, {FIGURES} FROM standings
             WHERE account_id = :account_id AND board_id = (SELECT id FROM board) {NOT_LATE if late else ""} {part}
             ORDER BY {ranked_by(metric)} LIMIT {ONE_MORE})"""
        for part in parts
    ]
    if late:
        scans.append(
            f"(SELECT customer_id, {FIGURES} FROM late_then {f'WHERE {after_start(metric)}' if continued else ''})"
        )
    rows = " UNION ALL ".join(scans)
    return f"SELECT customer_id, {FIGURES} FROM ({rows}) AS u ORDER BY {ranked_by(metric)} LIMIT {ONE_MORE}"


def offsets_of_page(metric: Metric, compare: Compare | None, *, late: bool) -> str:
    """The rank of the page's first row, how many rows lie before it, and the next better value.

    On an unchanged board both follow from the cursor.
    """
    column, board = COLUMNS[metric], "(SELECT id FROM board)"
    tied = f"n.{column} = f.value AND n.customer_id < f.customer_id"
    ties = f"(SELECT count(*) FROM standings AS n WHERE n.account_id = :account_id AND n.board_id = {board} AND {tied})"
    above = corrected(customers_above(board=board, metric=metric, value="f.value"), f"n.{column} > f.value", late=late)
    before = f"{above} + {corrected(ties, tied, late=late)}"
    rank = rank_on_board(board=board, metric=metric, value="f.value", late=late)
    if not late:
        unchanged = f"{board} = cast(:board AS bigint) AND (SELECT version FROM board) = :version"
        rank = f"CASE WHEN {unchanged} THEN {rank_from_start('f.value')} ELSE {rank} END"
        before = f"CASE WHEN {unchanged} THEN cast(:position AS bigint) ELSE {before} END"
    better = f"({better_value(metric, late=late)}) AS better," if compare is Compare.GAP else ""
    return f"""
        SELECT f.value, {better} {rank} AS rank, {before} AS before
        FROM (SELECT {column} AS value, customer_id FROM page ORDER BY {ranked_by(metric)} LIMIT 1) AS f"""


def better_value(metric: Metric, *, late: bool) -> str:
    """The next better value than that of the page's first row."""
    better = value_above(board="(SELECT id FROM board)", metric=metric, value="f.value")
    if not late:
        return better
    column = COLUMNS[metric]
    then = f"SELECT min(n.{column}) FROM late_then AS n WHERE n.{column} > f.value"
    return f"SELECT least(({better} {NOT_LATE}), ({then}))"


@cache
def select_orders_page(metric: Metric, *, continued: bool, compare: Compare | None) -> TextClause:
    """One page over any interval, from the orders; always a row."""
    numbered = f"""
        SELECT customer_id, {FIGURES}, rank, {"better," if compare is Compare.GAP else ""}
               row_number() OVER (ORDER BY {ranked_by(metric)}) AS position
        FROM (SELECT * FROM ranked
              WHERE account_id = :account_id {f"AND {after_start(metric)}" if continued else ""}
              ORDER BY {ranked_by(metric)} LIMIT {ONE_MORE}) AS r"""
    ctes = [*ranked_ctes(metric, compare), cte("numbered", numbered, "the rows of the page and one more")]
    previous = previous_rank_by_window(metric) if compare is Compare.PREVIOUS else ""
    return with_ctes(ctes, select_page(metric, compare, totals="totals", previous=previous))


def ranked_ctes(metric: Metric, compare: Compare | None = None) -> list[str]:
    """Everybody over an interval, from the orders, and the totals."""
    better = f", {next_better_value(metric)} AS better" if compare is Compare.GAP else ""
    ranked = f"""
        SELECT account_id, customer_id, {FIGURES}, {rank_by(metric)} AS rank{better}
        FROM ({figures_of_orders()}) AS a"""
    return [
        cte("ranked", ranked, "every customer with purchases, ranked"),
        cte("totals", totals_of_figures("ranked"), "the figures of all of them"),
    ]


def select_page(metric: Metric, compare: Compare | None, *, totals: str, previous: str, continued: bool = False) -> str:
    """The last step of both ways: the page as JSON, the totals, and the last row, where another page follows."""
    previous_id, previous_version = "cast(NULL AS bigint)", "cast(NULL AS bigint)"
    if previous and totals == "board":
        previous_id, previous_version = "(SELECT id FROM previous_board)", "(SELECT version FROM previous_board)"
    items = json_array(
        json_row(metric, compare), rows="numbered", join=previous, where="p.position <= cast(:limit AS bigint)"
    )
    return f"""
        SELECT t.version, t.contacts_version, t.next_purchase_at, t.id AS board_id,
               {previous_id} AS previous_board_id, {previous_version} AS previous_version,
               t.customers, t.purchases, {amount("t.spend")} AS spend, {items} AS items,
               l.value AS last_value, l.customer_id AS last_customer, l.rank AS last_rank,
               {"(SELECT before FROM offsets)" if continued else "0"} AS before
        FROM {totals} AS t
        LEFT JOIN (SELECT {COLUMNS[metric]} AS value, customer_id, rank, position FROM numbered) AS l
            ON l.position = cast(:limit AS bigint)
            AND EXISTS (SELECT FROM numbered AS m WHERE m.position > cast(:limit AS bigint))"""


def previous_rank_by_buckets(metric: Metric) -> str:
    """The rank of the row's customer on the previous board."""
    rank = rank_on_board(board="r.board_id", metric=metric, value=f"r.{COLUMNS[metric]}")
    return f"""LEFT JOIN LATERAL (
        SELECT {rank} AS rank FROM standings AS r
        WHERE r.account_id = :account_id AND r.board_id = (SELECT id FROM previous_board)
          AND r.customer_id = p.customer_id) AS q ON true"""


def previous_rank_by_window(metric: Metric) -> str:
    """The rank of the row's customer over the previous interval, from the orders."""
    return f"""LEFT JOIN (
        SELECT customer_id, {rank_by(metric)} AS rank
        FROM ({figures_of_orders(frame="previous_")}) AS a) AS q ON q.customer_id = p.customer_id"""


# ---------------------------------------------------------------- the page that holds a customer


@cache
def select_page_start_on_board(metric: Metric) -> TextClause:
    """Where the page that holds a customer begins: the rows before it, and the last of those rows."""
    column = COLUMNS[metric]
    holder = f"""
        SELECT b.id AS board_id, b.version, s.{column} AS value, s.customer_id,
               {customers_above(board="b.id", metric=metric, value=f"s.{column}")}
               + (SELECT count(*) FROM standings AS n
                  WHERE n.account_id = :account_id AND n.board_id = b.id
                    AND n.{column} = s.{column} AND n.customer_id < s.customer_id) AS before
        FROM board AS b LEFT JOIN standings AS s
            ON s.account_id = :account_id AND s.board_id = b.id AND s.customer_id = cast(:around AS bigint)"""
    ctes = [*board_ctes(late=False), cte("holder", holder, "the customer and how many rows lie before theirs")]
    return with_ctes(
        ctes,
        f"""
        SELECT h.customer_id AS around, l.value, l.customer_id AS customer,
               (h.before - h.before % cast(:limit AS bigint))::bigint AS position,
               {rank_on_board(board="h.board_id", metric=metric, value="l.value")}::bigint AS rank,
               h.board_id AS board, h.version
        FROM holder AS h LEFT JOIN LATERAL (
            SELECT n.{column} AS value, n.customer_id FROM standings AS n
            WHERE n.account_id = :account_id AND n.board_id = h.board_id
              AND n.{column} >= h.value AND (n.{column} > h.value OR n.customer_id < h.customer_id)
            ORDER BY n.{column}, n.customer_id DESC
            LIMIT 1 OFFSET (h.before % cast(:limit AS bigint))::bigint) AS l ON true""",
    )


@cache
def select_page_start_in_orders(metric: Metric) -> TextClause:
    """The same over any interval, from the orders."""
    positioned = f"""
        SELECT customer_id, {COLUMNS[metric]} AS value, rank,
               row_number() OVER (ORDER BY {ranked_by(metric)}) - 1 AS before
        FROM ranked"""
    return with_ctes(
        [*ranked_ctes(metric), cte("positioned", positioned, "everybody, and how many rows lie before theirs")],
        """
        SELECT h.customer_id AS around, l.value, l.customer_id AS customer,
               h.before - h.before % cast(:limit AS bigint) AS position, l.rank, t.id AS board, t.version
        FROM totals AS t
        LEFT JOIN positioned AS h ON h.customer_id = cast(:around AS bigint)
        LEFT JOIN positioned AS l ON l.before = h.before - h.before % cast(:limit AS bigint) - 1""",
    )


# ---------------------------------------------------------------- the whole board, for files

COMPARED_HEADER = {None: (), Compare.PREVIOUS: ("previous_rank", "movement", "is_new"), Compare.GAP: ("gap",)}


def file_header(compare: Compare | None) -> tuple[str, ...]:
    """The columns of a file."""
    return ("rank", *FILE_HEADER, *COMPARED_HEADER[compare])


@cache
def select_whole_board(metric: Metric, *, live: bool, compare: Compare | None, as_json: bool) -> TextClause:
    """Every row of a board in order, as JSON text or as the cells of a file; `live` from standings."""
    column = COLUMNS[metric]
    figures = "SELECT * FROM standings WHERE account_id = :account_id AND board_id = :board_id"
    previous = f"""LEFT JOIN (
        SELECT customer_id, {rank_by(metric)} AS rank FROM standings
        WHERE account_id = :account_id AND board_id = :previous_board_id) AS q ON q.customer_id = p.customer_id"""
    if not live:
        figures, previous = figures_of_orders(), previous_rank_by_window(metric)
    compared_cells = {
        None: "",
        Compare.PREVIOUS: ", q.rank AS previous_rank, q.rank - p.rank AS movement, q.rank IS NULL AS is_new",
        Compare.GAP: f", {gap_of(metric)} AS gap",
    }[compare]
    better = f", {next_better_value(metric)} AS better" if compare is Compare.GAP else ""
    return text(f"""
        SELECT {json_row(metric, compare) if as_json else f"p.rank, {FILE_CELLS}{compared_cells}"}
        {with_customers(f"(SELECT *, {rank_by(metric)} AS rank{better} FROM ({figures}) AS a)")}
        {previous if compare is Compare.PREVIOUS else ""}
        ORDER BY p.{column} DESC, p.customer_id
    """)


# ---------------------------------------------------------------- what a board can be asked for

SELECT_AUDIENCES_WITH_SOURCES = text("""
    SELECT a.id AS audience_id, a.name AS audience, s.id, s.name, s.platform, s.currency, s.time_zone, s.week_start
    FROM audiences AS a
    LEFT JOIN sources AS s ON s.account_id = a.account_id AND s.audience_id = a.id AND s.deleted_at IS NULL
    WHERE a.account_id = :account_id
      AND (cast(:sources AS bigint[]) IS NULL OR s.id = ANY(cast(:sources AS bigint[])))
    ORDER BY a.id, s.id
    LIMIT :limit
""")
"""A row per source, and one per audience that has none; oldest audiences first, in them oldest sources.

`sources` are the only ones to list, with their audiences."""
