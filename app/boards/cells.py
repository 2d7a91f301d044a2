"""Cells: how many customers of a board share a bucket of purchases and a bucket of spend.

Only boards of the last 365 days have cells: VIPs are counted with them. How many customers exceed one
value but not another is a sum of cells, plus a count inside the bucket of each value.
"""

from sqlalchemy import text

from app.boards.buckets import least_value_of
from app.vocabulary import BoardKind

CELLED_KIND = BoardKind.LAST_365_DAYS

GIVEN_CELLS = """
    unnest(cast(:boards AS bigint[]), cast(:least_purchases AS bigint[]), cast(:least_spends AS bigint[]),
           cast(:customers AS bigint[])) AS n (board_id, least_purchases, least_spend, customers)
"""

RAISE_CELLS = text(f"""
    INSERT INTO standing_cells AS c (account_id, board_id, least_purchases, least_spend, customers)
    SELECT cast(:account_id AS bigint), n.board_id, n.least_purchases, n.least_spend, n.customers
    FROM {GIVEN_CELLS}
    ON CONFLICT (account_id, board_id, least_purchases, least_spend)
        DO UPDATE SET customers = c.customers + excluded.customers
""")

LOWER_CELLS = text(f"""
    UPDATE standing_cells AS c
    SET customers = c.customers + n.customers
    FROM {GIVEN_CELLS}
    WHERE c.account_id = :account_id AND c.board_id = n.board_id AND c.least_purchases = n.least_purchases
      AND c.least_spend = n.least_spend
""")
"""After RAISE_CELLS: the cells that lose customers."""


def counted_cells() -> str:
    """SQL: the cells of boards, counted from their standings."""
    return f"""
        SELECT s.account_id, s.board_id, {least_value_of("s.purchases")} AS least_purchases,
               {least_value_of("s.spend")} AS least_spend, count(*) AS customers
        FROM standings AS s
        JOIN boards AS b ON b.account_id = s.account_id AND b.id = s.board_id AND b.kind = '{CELLED_KIND}'
        WHERE s.account_id = :account_id AND s.board_id = ANY(cast(:boards AS bigint[]))
        GROUP BY s.account_id, s.board_id, least_purchases, least_spend"""


INSERT_COUNTED_CELLS = text(f"""
    INSERT INTO standing_cells (account_id, board_id, least_purchases, least_spend, customers)
    {counted_cells()}
    ORDER BY 1, 2, 3, 4
""")
"""The cells of boards that have none yet; inserted in order, so that a sum reads few pages."""


def customers_in_cells(*, board: str, purchases: str, spend: str) -> str:
    """SQL: how many customers are in a higher bucket than `spend`, but not in a higher one than `purchases`.

    There are few buckets of few purchases, so this reads fewer cells than counting those who exceed both.
    """
    return f"""
        SELECT coalesce(sum(k.customers), 0)::bigint AS customers
        FROM standing_cells AS k
        WHERE k.account_id = :account_id AND k.board_id = {board}
          AND k.least_purchases <= {purchases} AND k.least_spend > {spend}"""
