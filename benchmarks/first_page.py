"""First page: the question that the benchmarks ask, and the statement that the service answers it with."""

from typing import Any

from sqlalchemy import event

from app.database.pools import Connection
from app.leaderboard.read_board import BoardQuestion, Page, read_page, resolve
from app.periods import TimeFrame
from app.vocabulary import Metric
from benchmarks.material import NOW
from benchmarks.scene import Scene

LIMIT = 100


async def question(scene: Scene, time_frame: TimeFrame) -> BoardQuestion:
    """The spenders of a time frame."""
    database = scene.database()
    source = await scene.source(database)
    await database.close()
    return resolve(source, Metric.SPEND, time_frame, NOW)


async def first_page(conn: Connection, asked: BoardQuestion) -> Page:
    """The page as the service reads it from standings."""
    page = await read_page(conn, asked, limit=LIMIT)
    if page.version.board_id is None:
        raise RuntimeError("no board answers")
    return page


async def statement_of(scene: Scene, asked: BoardQuestion) -> tuple[str, tuple[Any, ...]]:
    """The SQL and the parameters that asyncpg is given for that page."""
    seen: list[tuple[str, tuple[Any, ...]]] = []
    database = scene.database()

    @event.listens_for(database.reading.sync_engine, "before_cursor_execute")
    def remember(_conn: object, _cursor: object, sql: str, parameters: tuple[Any, ...], *_rest: object) -> None:
        seen.append((sql, parameters))

    async with database.read() as conn:
        await first_page(conn, asked)
    await database.close()
    return seen[-1]
