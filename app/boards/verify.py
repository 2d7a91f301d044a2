"""Verify: everything derived is recomputed from the orders and compared with what is stored."""

from collections.abc import Sequence

from sqlalchemy import text

from app.boards.boards import StoredBoard, summed_standings
from app.boards.buckets import BUCKET_EDGES, counted_buckets
from app.boards.cells import counted_cells
from app.boards.recount import stored_boards
from app.boards.source import Source, counted_orders
from app.boards.standings import board_parameters, differences
from app.database.pools import Connection, Database

MOST_FINDINGS = 20
"""The most differences of each kind that are listed."""

SELECT_WRONG_STANDINGS = text(f"""
    SELECT board_id, customer_id
    FROM ({differences()}
        -- those set aside by a running import are expected to differ
        AND NOT EXISTS (SELECT FROM outdated_standings AS b
                        WHERE b.account_id = :account_id AND b.source_id = :source_id
                          AND b.customer_id = coalesce(f.customer_id, s.customer_id))) AS d
    ORDER BY 1, 2 LIMIT :most
""")

SELECT_WRONG_TOTALS = text(f"""
    SELECT b.id
    FROM boards AS b
    LEFT JOIN ({summed_standings()}) AS n ON n.account_id = b.account_id AND n.board_id = b.id
    WHERE b.account_id = :account_id AND b.id = ANY(cast(:boards AS bigint[]))
      AND (b.customers, b.purchases, b.spend)
          <> (coalesce(n.customers, 0), coalesce(n.purchases, 0), coalesce(n.spend, 0))
    ORDER BY 1 LIMIT :most
""")

SELECT_WRONG_BUCKETS = text(f"""
    SELECT DISTINCT coalesce(n.board_id, b.board_id) AS board_id
    FROM ({counted_buckets()}) AS n
    FULL JOIN (SELECT board_id, metric, least_value, customers FROM standing_buckets
               WHERE account_id = :account_id AND board_id = ANY(cast(:boards AS bigint[]))) AS b
        ON b.board_id = n.board_id AND b.metric = n.metric AND b.least_value = n.least_value
    WHERE coalesce(n.customers, 0) <> coalesce(b.customers, 0)
    ORDER BY 1 LIMIT :most
""")

SELECT_WRONG_CELLS = text(f"""
    SELECT DISTINCT coalesce(n.board_id, c.board_id) AS board_id
    FROM ({counted_cells()}) AS n
    FULL JOIN (SELECT board_id, least_purchases, least_spend, customers FROM standing_cells
               WHERE account_id = :account_id AND board_id = ANY(cast(:boards AS bigint[]))) AS c
        ON c.board_id = n.board_id AND c.least_purchases = n.least_purchases AND c.least_spend = n.least_spend
    WHERE coalesce(n.customers, 0) <> coalesce(c.customers, 0)
    ORDER BY 1 LIMIT :most
""")

SELECT_WRONG_COUNTS = text(f"""
    SELECT s.id
    FROM sources AS s
    JOIN ({counted_orders()}) AS n ON true
    WHERE s.account_id = :account_id AND s.id = :source_id
      AND (s.orders, s.unattributed, s.foreign_currency, s.amounts)
          <> (n.orders, n.unattributed, n.foreign_currency, n.amounts)
""")
"""The source, if its own counts are not what its orders say."""

SELECT_WRONG_OWNERS = text("""
    SELECT o.order_id
    FROM orders AS o
    LEFT JOIN addresses AS a ON a.account_id = o.account_id AND a.source_id = o.source_id AND a.email = o.guest_email
    WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.guest_email IS NOT NULL
      AND o.customer_id IS DISTINCT FROM a.customer_id
    ORDER BY 1 LIMIT :most
""")
"""Guest orders that do not belong to the owner of their address."""


async def verify(database: Database, source: Source) -> list[str]:
    """Everything of this source that is not as its orders say, one line each; empty when all is right."""
    most = {"most": MOST_FINDINGS}
    async with database.snapshot() as conn:
        boards = await stored_boards(conn, source)
        findings = await _wrong_boards(conn, source, boards) if boards else []
        if (await conn.execute(SELECT_WRONG_COUNTS, source.key)).all():
            findings.append("the source's own counts")
        owners = (await conn.execute(SELECT_WRONG_OWNERS, source.key | most)).scalars()
        return findings + [f"customer of order {order_id!r}" for order_id in owners]


async def _wrong_boards(conn: Connection, source: Source, boards: Sequence[StoredBoard]) -> list[str]:
    names = {board.id: f"{board.period.kind} of {board.period.start:%Y-%m-%d}" for board in boards}
    most = {"most": MOST_FINDINGS}
    bound = {"account_id": source.account_id, "boards": [*names], "bucket_edges": BUCKET_EDGES} | most
    wrong = await conn.execute(SELECT_WRONG_STANDINGS, source.key | board_parameters(boards) | most)
    findings = [f"standing of customer {customer} on the board {names[board]}" for board, customer in wrong]
    for what, statement in (
        ("totals", SELECT_WRONG_TOTALS),
        ("buckets", SELECT_WRONG_BUCKETS),
        ("cells", SELECT_WRONG_CELLS),
    ):
        found = (await conn.execute(statement, bound)).scalars()
        findings += [f"{what} of the board {names[board]}" for board in found]
    return findings
