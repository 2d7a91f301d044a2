"""Usual server: FastAPI, SQLAlchemy and a Pydantic response model, as tutorials combine them.

It reads the same standings and joins the same names, so it differs only in how an answer is
made: 100 rows become Python objects, are validated and are written as JSON. It checks no key.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Depends, FastAPI, Query
from sqlalchemy import Row as Record
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from app.leaderboard.schemas import Board, BoardQuery, Row
from app.orders.schemas import Buyer
from app.periods import Calendar, Period
from app.settings import asyncpg_url
from app.tables import boards, customers, standings
from app.vocabulary import BoardKind
from app.wire.ids import public_id
from app.wire.instants import rfc3339
from app.wire.money import decimal_string
from benchmarks.material import NOW
from benchmarks.scene import POOL_SIZE, STORE, Scene

DIGITS = 2


def page(scene: Scene, period: Period, limit: int) -> Select[Any]:
    """The rows of a page with the names of its customers."""
    board = select(boards.c.id).where(
        boards.c.account_id == scene.account_id,
        boards.c.source_id == scene.source_id,
        boards.c.kind == period.kind.value,
        boards.c.start == period.start,
    )
    best = (
        select(standings, func.rank().over(order_by=standings.c.spend.desc()).label("rank"))
        .where(standings.c.account_id == scene.account_id, standings.c.board_id == board.scalar_subquery())
        .order_by(standings.c.spend.desc(), standings.c.customer_id)
        .limit(limit)
        .subquery("best")
    )
    return (
        select(
            best,
            customers.c.external_id,
            customers.c.name,
            customers.c.email,
            customers.c.marketing,
            boards.c.customers,
            boards.c.purchases.label("board_purchases"),
            boards.c.spend.label("board_spend"),
        )
        .join(customers, (customers.c.account_id == best.c.account_id) & (customers.c.id == best.c.customer_id))
        .join(boards, (boards.c.account_id == best.c.account_id) & (boards.c.id == best.c.board_id))
        .order_by(best.c.spend.desc(), best.c.customer_id)
    )


def ranked(row: Record[Any]) -> Row:
    """A record as its model."""
    return Row(
        rank=row.rank,
        customer=Buyer(
            id=public_id("cus", row.customer_id),
            external_id=row.external_id,
            name=row.name,
            email=row.email,
            messageable=row.marketing == "subscribed" and row.email is not None,
        ),
        number_of_purchases=row.purchases,
        total_spend=decimal_string(row.spend, DIGITS),
        average_order_amount=decimal_string(row.average, DIGITS),
        last_order_at=rfc3339(row.last_order_at),
        previous_rank=None,
        movement=None,
    )


def usual_app(scene: Scene) -> FastAPI:
    """The application."""
    engine = create_async_engine(
        asyncpg_url(scene.read), pool_size=POOL_SIZE, max_overflow=0, isolation_level="AUTOCOMMIT"
    )
    calendar = Calendar(ZoneInfo(STORE["time_zone"]))
    app = FastAPI()

    async def connection() -> AsyncIterator[AsyncConnection]:
        async with engine.connect() as conn:
            yield conn

    @app.get("/leaderboard", response_model=Board)
    async def read_leaderboard(
        query: Annotated[BoardQuery, Query()], conn: Annotated[AsyncConnection, Depends(connection)]
    ) -> dict[str, Any]:
        period = calendar.period(BoardKind.MONTH, NOW, back=1)
        rows = (await conn.execute(page(scene, period, query.limit))).all()
        return {
            "audience": query.audience,
            "source": query.source,
            "rank_by": query.rank_by,
            "time_frame": query.time_frame,
            "start": period.counted_from.isoformat(),
            "end": period.counted_until.isoformat(),
            "time_zone": STORE["time_zone"],
            "as_of": rfc3339(NOW),
            "currency": STORE["currency"],
            "customers": rows[0].customers,
            "number_of_purchases": rows[0].board_purchases,
            "total_spend": decimal_string(int(rows[0].board_spend), DIGITS),
            "items": [ranked(row) for row in rows],
            "next_cursor": None,
        }

    return app
