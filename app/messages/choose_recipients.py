"""Choosing recipients: whom a batch is for at this moment, by the very answers of the board and of the VIPs."""

import json
from dataclasses import dataclass, field
from datetime import datetime

from app.accounts.access import Caller
from app.boards.source import Source, UnknownSource
from app.database.pools import Connection
from app.leaderboard import read_board
from app.leaderboard.read_board import Asked
from app.messages.rank_recipients import Board, Place
from app.messages.schemas import Top, Vips
from app.segments import read_vips
from app.segments.ask_vips import located, sealed
from app.wire.ids import row_id


@dataclass(frozen=True, slots=True)
class Chosen:
    """Customers in the order of the list, with the places that it gives them, and where it goes on."""

    customers: list[int]
    places: dict[int, Place] = field(default_factory=dict)
    following: str | None = None


def named(customers: list[str]) -> dict[str, int]:
    """The rows behind the ids, each once; zero for what is no id."""
    return {each: row_id("cus", each) or 0 for each in customers}


async def top(conn: Connection, source: Source, wanted: Top, now: datetime) -> Chosen:
    """The first of a board."""
    asked = Asked(wanted.rank_by, wanted.time_frame, now, None, None, None)
    question = read_board.resolve(source, asked)
    board = Board(wanted.rank_by, wanted.time_frame)
    for way in question.ways:
        page = await read_board.read_page(conn, question, way, limit=wanted.limit, place=None)
        if page is not None:
            ranks = {_row(item["customer"]): item["rank"] for item in json.loads(page.items)}
            return Chosen([*ranks], {customer: Place(rank, board) for customer, rank in ranks.items()})
    raise UnknownSource


async def vips(conn: Connection, source: Source, wanted: Vips, caller: Caller, now: datetime) -> Chosen:
    """The VIPs, from where the batch before has ended."""
    binding = f"batch{wanted.model_dump_json(exclude={'limit', 'cursor'})}"
    question, place = located(source, wanted, caller, binding, now)
    page = await read_vips.read_page(conn, question, wanted.criteria, limit=wanted.limit, place=place)
    customers = [_row(item["customer"]) for item in json.loads(page.items)]
    return Chosen(customers, following=sealed(caller, binding, question, page))


def _row(customer: dict[str, str]) -> int:
    return row_id("cus", customer["id"]) or 0
