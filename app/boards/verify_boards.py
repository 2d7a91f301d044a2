"""Verifying: everything derived is recomputed from the orders and compared with what is stored."""

from collections.abc import Sequence

from app.boards import audit
from app.boards.boards import Board
from app.boards.buckets import BUCKET_EDGES
from app.boards.recount import stored_boards
from app.boards.source import Source
from app.boards.standings import figures_parameters
from app.database.pools import Connection, Database

MOST_FINDINGS = 20
"""Of each kind; more tell nothing new."""


async def verify(database: Database, source: Source) -> list[str]:
    """What of this source is not as its orders say, one line each; empty when all is right."""
    most = {"most": MOST_FINDINGS}
    async with database.snapshot() as conn:
        boards = await stored_boards(conn, source)
        names = {board.id: f"{board.period.kind} of {board.period.start:%Y-%m-%d}" for board in boards}
        findings = await _wrong_boards(conn, source, boards, names) if boards else []
        if (await conn.execute(audit.WRONG_COUNTS, source.key)).all():
            findings.append("the source's own counts")
        owners = await conn.execute(audit.WRONG_OWNERS, source.key | most)
        return findings + [f"customer of order {row.order_id!r}" for row in owners]


async def _wrong_boards(conn: Connection, source: Source, boards: Sequence[Board], names: dict[int, str]) -> list[str]:
    most = {"most": MOST_FINDINGS}
    of_boards = {"account_id": source.account_id, "boards": [*names]} | most
    wrong = await conn.execute(audit.WRONG, source.key | figures_parameters(boards) | most)
    findings = [f"standing of customer {row.customer_id} on the board {names[row.board_id]}" for row in wrong]
    totals = await conn.execute(audit.WRONG_TOTALS, of_boards)
    findings += [f"totals of the board {names[row.id]}" for row in totals]
    for counted, statement in (("buckets", audit.WRONG_BUCKETS), ("cells", audit.WRONG_CELLS)):
        boards_found = await conn.execute(statement, of_boards | {"bucket_edges": BUCKET_EDGES})
        findings += [f"{counted} of the board {names[row.board_id]}" for row in boards_found]
    return findings
