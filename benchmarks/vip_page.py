"""VIPs: the first page of the segment from its board, against one window query over the orders."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text

from app.periods import DAYS_WITH_A_BOARD
from app.segments.read_vips import Limits, VipPage, read_vip_page, resolve_vips
from app.segments.statements import Criteria
from app.wire.ids import public_id
from benchmarks.board_page import LIMIT
from benchmarks.report import Figure, compare, goal_for, shown
from benchmarks.scene import NOW, Scene

PAGES_A_ROUND = 60
GOALS = ((10_000_000, 2_000.0), (1_000_000, 200.0))
"""`(orders, factor)`: from this many orders on, a page must be faster than the window query by the factor."""

WINDOW_QUERY = text("""
    SELECT v.*, c.external_id, c.name, c.email, c.marketing
    FROM (SELECT b.*, count(*) OVER () AS members
          FROM (SELECT customer_id, count(*) AS purchases, sum(spend) AS spend,
                       round(sum(spend) / count(*)) AS average, max(ordered_at) AS last_order_at,
                       round(avg(sum(spend)) OVER () * 1.10) AS min_spend,
                       floor(avg(count(*)) OVER ()) + 1 AS min_orders,
                       count(*) OVER () AS customers
                FROM orders
                WHERE account_id = :account_id AND source_id = :source_id AND spend IS NOT NULL
                  AND ordered_at >= :start AND ordered_at < :before
                GROUP BY customer_id) AS b
          WHERE b.spend > b.min_spend OR b.purchases > b.min_orders
          ORDER BY b.spend DESC, b.customer_id
          LIMIT :limit) AS v
    JOIN customers AS c ON c.account_id = :account_id AND c.id = v.customer_id
    ORDER BY v.spend DESC, v.customer_id
""")
"""The same question in plain SQL: thresholds from the averages, the number of members and the best of them."""


def measure_vips(scene: Scene, orders: int) -> list[Figure]:
    """The figure of the segment."""
    return [asyncio.run(_page(scene, orders))]


async def _page(scene: Scene, orders: int) -> Figure:
    database = scene.database()
    asked = resolve_vips(await scene.source(database), NOW, DAYS_WITH_A_BOARD, Limits(None, None))
    parameters = asked.parameters()
    bound = {name: parameters[name] for name in ("account_id", "source_id", "start", "before")} | {"limit": LIMIT}

    async def page() -> VipPage:
        async with database.read() as conn:
            found = await read_vip_page(conn, asked, Criteria.BLENDED, limit=LIMIT, start=None, origins=asked.boards)
        if found is None:
            raise RuntimeError("no board answers")
        return found

    async def window() -> Sequence[Row[Any]]:
        async with database.read() as conn:
            return (await conn.execute(WINDOW_QUERY, bound)).all()

    _agree(await page(), await window())
    measured = await compare(page, window, ours_a_round=PAGES_A_ROUND)
    await database.close()
    return Figure(
        f"VIPs, first page of {LIMIT}, {DAYS_WITH_A_BOARD} days, from the pool",
        shown(measured.ours),
        f"{shown(measured.reference)} window query over orders",
        measured.ratio,
        goal_for(GOALS, orders),
    )


def _agree(page: VipPage, rows: Sequence[Row[Any]]) -> None:
    """What is compared must be the same answer, and that of the board."""
    totals = page.totals
    if totals.version.board_id is None:
        raise RuntimeError("no board answers")
    told = [(item["customer"]["id"], item["number_of_purchases"]) for item in json.loads(page.items)]
    asked = [(public_id("cus", row.customer_id), row.purchases) for row in rows]
    whole = (totals.customers, totals.members[Criteria.BLENDED], *totals.limits)
    first = rows[0]
    if told != asked or whole != (first.customers, first.members, first.min_spend, first.min_orders):
        raise RuntimeError("the page of VIPs and the window query differ")
