"""Listing: a whole board in order, for files."""

from functools import cache

from sqlalchemy import TextClause, text

from app.leaderboard.ranking import COMPARED, ITEM, Metric, previous_by_window
from app.orders import rows
from app.orders.answers import AVERAGED
from app.orders.buckets import MEASURES

COLUMNS = ("rank", *rows.COLUMNS)
COMPARED_COLUMNS = ("previous_rank", "movement")

CELLS = f"p.rank, {rows.CELLS}"
COMPARED_CELLS = ", q.rank AS previous_rank, coalesce((q.rank - p.rank)::text, 'new') AS movement"


@cache
def whole_board(metric: Metric, *, live: bool, compared: bool, as_json: bool) -> TextClause:
    """Every row of a board in order, as JSON text or as cells."""
    measure = MEASURES[metric]
    standings = "SELECT * FROM standings WHERE account_id = :account_id AND board_id = :board_id"
    previous = f"""LEFT JOIN (SELECT customer_id, rank() OVER (ORDER BY {measure} DESC) AS rank FROM standings
        WHERE account_id = :account_id AND board_id = :previous_board_id) AS q
        ON q.customer_id = p.customer_id"""
    if not live:
        standings, previous = AVERAGED.format(p="").format(whose=""), previous_by_window(metric)
    cells = ITEM.format(compared=COMPARED if compared else "") if as_json else CELLS
    return text(f"""
        SELECT {cells}{COMPARED_CELLS if compared and not as_json else ""}
        FROM (SELECT *, rank() OVER (ORDER BY {measure} DESC) AS rank FROM ({standings}) AS a) AS p
        JOIN customers AS c ON c.account_id = :account_id AND c.id = p.customer_id
        {previous if compared else ""}
        ORDER BY p.{measure} DESC, p.customer_id
    """)
