"""Board page: a page and an exact rank, each against counting it at the time of asking, and requests over HTTP."""

import asyncio
import json
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import asyncpg
from sqlalchemy import Row, TextClause, event, text

from app.boards.answers import customers_above
from app.boards.questions import read_version
from app.database.pools import Connection
from app.leaderboard.read_board import BoardQuestion, Page, read_page, resolve
from app.periods import TimeFrame
from app.vocabulary import Metric
from benchmarks.report import Figure, compare, goal_for, shown
from benchmarks.scene import NOW, Scene
from benchmarks.servers import serving

LIMIT = 100


async def question(scene: Scene, time_frame: TimeFrame) -> BoardQuestion:
    """The spenders of a time frame."""
    database = scene.database()
    source = await scene.source(database)
    await database.close()
    return resolve(source, Metric.SPEND, time_frame, NOW)


async def first_page(conn: Connection, asked: BoardQuestion) -> Page:
    """The page as the service reads it from standings."""
    page = await read_page(conn, asked, limit=LIMIT, origins=asked.boards)
    if page is None:
        raise RuntimeError("no board answers")
    return page


async def statement_of(scene: Scene, asked: BoardQuestion) -> tuple[str, tuple[Any, ...]]:
    """The SQL and the parameters that asyncpg is given for that page."""
    seen: list[tuple[str, tuple[Any, ...]]] = []
    database = scene.database()

    @event.listens_for(database.reading.engine.sync_engine, "before_cursor_execute")
    def remember(_conn: object, _cursor: object, sql: str, parameters: tuple[Any, ...], *_rest: object) -> None:
        seen.append((sql, parameters))

    async with database.read() as conn:
        await first_page(conn, asked)
    await database.close()
    return seen[-1]


PAGES_A_ROUND = 60
RANKS_A_ROUND = 40
DEPTHS = (0.001, 0.01, 0.1, 0.5, 0.9)
GOALS = ((10_000_000, 3_000.0), (1_000_000, 300.0))
"""`(orders, factor)`: from this many orders on, a page must be faster than the window query by the factor."""

WINDOW_QUERY = text("""
    SELECT r.rank, r.customer_id, c.external_id, c.name, c.email, c.marketing,
           r.purchases, r.spend, r.average, r.last_order_at
    FROM (SELECT customer_id, count(*) AS purchases, sum(spend) AS spend,
                 round(sum(spend) / count(*)) AS average, max(ordered_at) AS last_order_at,
                 rank() OVER (ORDER BY sum(spend) DESC) AS rank
          FROM orders
          WHERE account_id = :account_id AND source_id = :source_id AND spend IS NOT NULL
            AND ordered_at >= :start AND ordered_at < :before
          GROUP BY customer_id
          ORDER BY rank, customer_id
          LIMIT :limit) AS r
    JOIN customers AS c ON c.account_id = :account_id AND c.id = r.customer_id
    ORDER BY r.rank, r.customer_id
""")
"""The same question in plain SQL, as one would write it without standings."""

AT_DEPTH = text("""
    SELECT customer_id FROM standings
    WHERE account_id = :account_id AND board_id = :board_id
    ORDER BY spend DESC, customer_id OFFSET :position LIMIT 1
""")

BY_BUCKETS = text(f"""
    SELECT {customers_above(board="s.board_id", metric=Metric.SPEND, value="s.spend")} + 1
    FROM standings AS s
    WHERE s.account_id = :account_id AND s.board_id = :board_id AND s.customer_id = :customer_id
""")

BY_COUNTING = text("""
    SELECT 1 + (SELECT count(*) FROM standings AS n
                WHERE n.account_id = :account_id AND n.board_id = :board_id AND n.spend > s.spend)
    FROM standings AS s
    WHERE s.account_id = :account_id AND s.board_id = :board_id AND s.customer_id = :customer_id
""")


def measure_reads(scene: Scene, orders: int) -> list[Figure]:
    """The figures of pages and ranks."""
    return [
        asyncio.run(_page(scene, orders)),
        asyncio.run(_buffers(scene)),
        *asyncio.run(_ranks(scene)),
    ]


async def _page(scene: Scene, orders: int) -> Figure:
    asked = await question(scene, TimeFrame.YEAR_TO_DATE)
    bound = scene_parameters(asked)
    database = scene.database()

    async def page() -> None:
        async with database.read() as conn:
            await first_page(conn, asked)

    async def window() -> None:
        async with database.read() as conn:
            await conn.execute(WINDOW_QUERY, bound)

    async with database.read() as conn:
        await _agree(conn, asked)
    measured = await compare(page, window, ours_a_round=PAGES_A_ROUND)
    await database.close()
    return Figure(
        "page of 100, year to date, from the pool",
        shown(measured.ours),
        f"{shown(measured.reference)} window query over orders",
        measured.ratio,
        goal_for(GOALS, orders),
    )


def scene_parameters(asked: BoardQuestion) -> dict[str, object]:
    """What the window query is bound to."""
    bound = asked.parameters()
    return {name: bound[name] for name in ("account_id", "source_id", "start", "before")} | {"limit": LIMIT}


async def _agree(conn: Connection, asked: BoardQuestion) -> None:
    """What is compared must be the same answer."""
    page = await first_page(conn, asked)
    rows = (await conn.execute(WINDOW_QUERY, scene_parameters(asked))).all()
    live = [(item["rank"], item["customer"]["id"]) for item in json.loads(page.items)]
    if live != [(row.rank, f"cus_{row.customer_id}") for row in rows]:
        raise RuntimeError("the page and the window query differ")


async def _buffers(scene: Scene) -> Figure:
    asked = await question(scene, TimeFrame.YEAR_TO_DATE)
    sql, parameters = await statement_of(scene, asked)
    conn = await asyncpg.connect(scene.read)
    try:
        await conn.fetch(sql, *parameters)
        explained = await conn.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", *parameters)
    finally:
        await conn.close()
    [answer] = json.loads(explained)
    plan = answer["Plan"]
    buffers = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    milliseconds = answer["Planning Time"] + answer["Execution Time"]
    return Figure("shared buffers that this page touches", f"{buffers}", f"{milliseconds:.2f} ms in PostgreSQL")


async def _ranks(scene: Scene) -> list[Figure]:
    asked = await question(scene, TimeFrame.ALL_TIME)
    database = scene.database()
    async with database.read() as conn:
        version = await read_version(conn, asked)
        board: dict[str, object] = {"account_id": scene.account_id, "board_id": version.board_id}
        customers = (await first_page(conn, asked)).customers
        figures = [await _rank(conn, board, customers, depth) for depth in DEPTHS]
    await database.close()
    return figures


async def _rank(conn: Connection, board: dict[str, object], customers: int, depth: float) -> Figure:
    row = await _one(conn, AT_DEPTH, board | {"position": int(customers * depth)})
    bound = board | {"customer_id": row.customer_id}
    if (await _one(conn, BY_BUCKETS, bound))[0] != (await _one(conn, BY_COUNTING, bound))[0]:
        raise RuntimeError("the two ways to a rank differ")
    measured = await compare(
        lambda: _one(conn, BY_BUCKETS, bound),
        lambda: _one(conn, BY_COUNTING, bound),
        ours_a_round=RANKS_A_ROUND,
        references_a_round=RANKS_A_ROUND // 8,
    )
    return Figure(
        f"exact rank at {depth:.1%} of the board of all time",
        shown(measured.ours),
        f"{shown(measured.reference)} count(*) of those above",
        measured.ratio,
    )


async def _one(conn: Connection, statement: TextClause, bound: dict[str, object]) -> Row[tuple[object, ...]]:
    return (await conn.execute(statement, bound)).one()


ROUNDS = 3
CONNECTIONS = 12
WARM_UP_SECONDS = 1.0
REQUEST_GOALS = {"bare": 0.6, "usual": 3.0}
NAMES = {"bare": "bare: ASGI, asyncpg", "usual": "usual: FastAPI, SQLAlchemy, Pydantic"}


def measure_requests(scene: Scene, seconds: float) -> list[Figure]:
    """The service and both references in turn, so that a slow moment of the machine meets all of them."""
    path = scene.board_path(limit=LIMIT)
    servers = ("service", *REQUEST_GOALS)
    with ExitStack() as held:
        running = {name: held.enter_context(serving(name, scene)) for name in servers}
        for name in servers:
            running[name].under_load(path, seconds=WARM_UP_SECONDS, connections=CONNECTIONS)
        rounds = [
            {name: running[name].under_load(path, seconds=seconds, connections=CONNECTIONS) for name in servers}
            for _ in range(ROUNDS)
        ]

    def middle(name: str, figure: str) -> float:
        return statistics.median(each[name][figure] for each in rounds)

    def beside(spoken: Callable[[str], str]) -> tuple[str, str]:
        return spoken("service"), ", ".join(f"{spoken(name)} {name}" for name in REQUEST_GOALS)

    return [
        *(
            Figure(
                f"GET /leaderboard?limit={LIMIT}, one worker",
                f"{middle('service', 'requests'):,.0f}/s",
                f"{middle(name, 'requests'):,.0f}/s {NAMES[name]}",
                statistics.median(each["service"]["requests"] / each[name]["requests"] for each in rounds),
                goal,
            )
            for name, goal in REQUEST_GOALS.items()
        ),
        Figure(
            f"p50, p99 of {CONNECTIONS} connections",
            *beside(lambda name: f"{middle(name, 'p50'):.1f}, {middle(name, 'p99'):.1f} ms"),
        ),
        Figure("CPU of the worker for a request", *beside(lambda name: f"{middle(name, 'processor'):.2f} ms")),
    ]
