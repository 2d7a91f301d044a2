"""Listing: a whole board in order, for files."""

from functools import cache

from sqlalchemy import TextClause, text

from app.boards import rows
from app.boards.answers import AVERAGED, BETTER
from app.boards.buckets import MEASURES
from app.leaderboard.ranking import Compare, Metric, gap, item, previous_by_window

COLUMNS = ("rank", *rows.COLUMNS)
COMPARED_COLUMNS = {None: (), Compare.PREVIOUS: ("previous_rank", "movement"), Compare.GAP: ("gap",)}

CELLS = f"p.rank, {rows.CELLS}"
COMPARED_CELLS = ", q.rank AS previous_rank, coalesce((q.rank - p.rank)::text, 'new') AS movement"


@cache
def whole_board(metric: Metric, *, live: bool, compare: Compare | None, as_json: bool) -> TextClause:
    """Every row of a board in order, as JSON text or as cells."""
    measure = MEASURES[metric]
    standings = "SELECT * FROM standings WHERE account_id = :account_id AND board_id = :board_id"
    previous = f"""LEFT JOIN (SELECT customer_id, rank() OVER (ORDER BY {measure} DESC) AS rank FROM standings
        WHERE account_id = :account_id AND board_id = :previous_board_id) AS q
        ON q.customer_id = p.customer_id"""
    if not live:
        standings, previous = AVERAGED.format(p="").format(whose=""), previous_by_window(metric)
    compared_cells = {None: "", Compare.PREVIOUS: COMPARED_CELLS, Compare.GAP: f", {gap(metric)} AS gap"}[compare]
    cells = item(metric, compare) if as_json else CELLS + compared_cells
    better = f", {BETTER.format(measure=measure)} AS better" if compare is Compare.GAP else ""
    return text(f"""
        SELECT {cells}
        FROM (SELECT *, rank() OVER (ORDER BY {measure} DESC) AS rank{better} FROM ({standings}) AS a) AS p
        JOIN customers AS c ON c.account_id = :account_id AND c.id = p.customer_id
        {previous if compare is Compare.PREVIOUS else ""}
        ORDER BY p.{measure} DESC, p.customer_id
    """)
