"""Ranks: the statement that tells how recipients stand on a board."""

from functools import cache

from sqlalchemy import TextClause, text

from app.boards.answers import ABOVE, board
from app.boards.buckets import MEASURES


@cache
def ranks(metric: str) -> TextClause:
    """`customer_id, rank` of those of the customers who are on the board of a frame, if one can answer."""
    measure = MEASURES[metric]
    above = ABOVE.format(board="s.board_id", metric=metric, measure=measure, value=f"s.{measure}")
    return text(f"""
        SELECT s.customer_id, {above} + 1 AS rank
        FROM ({board()}) AS b
        JOIN standings AS s ON s.account_id = :account_id AND s.board_id = b.id
        WHERE s.customer_id = ANY(cast(:customers AS bigint[]))
    """)
