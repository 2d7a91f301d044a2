"""Choosing recipients: recipients of a batch, from the same queries that answer GET /leaderboard and /segments/vip."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.accounts.access import Caller
from app.boards.questions import from_first_origin
from app.boards.source import Source
from app.database.pools import Database
from app.leaderboard.read_board import read_page, resolve
from app.messages.rank_recipients import BoardChoice, BoardRank
from app.messages.schemas import Top, VipRecipients
from app.messages.writing.facts import Bought
from app.segments.ask_vips import ask_vips, next_vip_cursor
from app.segments.read_vips import read_vip_page
from app.wire.ids import row_id


@dataclass(frozen=True, slots=True)
class Chosen:
    """Customers in the order of the list, with the ranks that it gives them, and the cursor of the rest."""

    customers: list[int]
    ranks: dict[int, BoardRank] = field(default_factory=dict)
    next_cursor: str | None = None


def row_ids(customers: list[str]) -> dict[str, int]:
    """The row behind each id; zero for a text that is no id."""
    return {each: row_id("cus", each) or 0 for each in customers}


async def choose_top(database: Database, source: Source, wanted: Top, now: datetime) -> Chosen:
    """The first customers of a board."""
    question = resolve(source, wanted.rank_by, wanted.time_frame, now)
    page = await from_first_origin(
        database, question, lambda conn, origins: read_page(conn, question, limit=wanted.limit, origins=origins)
    )
    board = BoardChoice(wanted.rank_by, wanted.time_frame)
    ranks = {
        _customer_row(item["customer"]): BoardRank(item["rank"], board, _bought_by(item, source))
        for item in json.loads(page.items)
    }
    return Chosen([*ranks], ranks)


async def choose_vips(
    database: Database, source: Source, wanted: VipRecipients, caller: Caller, now: datetime
) -> Chosen:
    """The VIPs that follow those of the batch before."""
    binding = f"batch{wanted.model_dump_json(exclude={'limit', 'cursor'})}"
    question, start = ask_vips(source, wanted, caller, binding, now)
    page = await from_first_origin(
        database,
        question,
        lambda conn, origins: read_vip_page(
            conn, question, wanted.criteria, limit=wanted.limit, start=start, origins=origins
        ),
    )
    customers = [_customer_row(item["customer"]) for item in json.loads(page.items)]
    return Chosen(customers, next_cursor=next_vip_cursor(caller, binding, question, page))


def _bought_by(item: dict[str, Any], source: Source) -> Bought:
    return Bought(item["number_of_purchases"], Decimal(item["total_spend"]), source.currency)


def _customer_row(customer: dict[str, str]) -> int:
    return row_id("cus", customer["id"]) or 0
