"""Upkeep: what the calendar, crashes and planted errors ask of the worker, `verify` and `rebuild`."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from shop import order

from app.boards.recount import repair
from app.boards.source import Source, read_source
from app.boards.verify import verify
from app.orders.file_options import ImportOptions
from app.orders.import_orders import SILENT_IMPORT, import_rows, orders_of
from app.orders.order_file import OrderFile
from app.orders.read_orders import OrderReader
from app.vocabulary import FileFormat
from app.worker import work_once

pytestmark = pytest.mark.usefixtures("midday")

TICK = timedelta(microseconds=1)
CALENDAR_KINDS = ("week", "month", "quarter", "year")


@pytest.fixture
def upkeep(database, clock, sql, statements):
    return Upkeep(database, clock, sql, statements)


class Upkeep:
    """The worker and the operator's commands, and a look at what they leave."""

    def __init__(self, database, clock, sql, statements) -> None:
        self.database, self.clock, self.sql, self.statements = database, clock, sql, statements

    async def work(self) -> None:
        await work_once(self.database, self.clock)

    async def source(self, store) -> Source:
        key = int(store.account.removeprefix("acc_")), store.source_id
        async with self.database.read() as conn:
            return await read_source(conn, *key)

    async def verify(self, store) -> list[str]:
        return await verify(self.database, await self.source(store))

    async def rebuild(self, store) -> None:
        source = await self.source(store)
        async with self.database.write_in_turn(source.id) as conn:
            await repair(conn, source, self.clock())

    async def starts(self, store, kind: str) -> list[str]:
        rows = await self.sql.fetch(
            "SELECT start FROM boards WHERE source_id = $1 AND kind::text = $2 ORDER BY 1", store.source_id, kind
        )
        return [row["start"].strftime("%Y-%m-%d %H:%M") for row in rows]

    async def answered(self, store, **question) -> tuple[list, bool]:
        """`(external id, spend)` of the rows, and whether standings gave them."""
        with self.statements.during() as block:
            page = await store.ask(**question)
        rows = [(row["customer"]["external_id"], row["total_spend"]) for row in page["items"]]
        return rows, not any("ranked AS MATERIALIZED" in statement for _, statement in block)


async def test_a_purchase_leaves_the_last_365_days_at_midnight_whether_or_not_the_worker_has_run(
    open_store, clock, upkeep
):
    store = await open_store(time_zone="Europe/Berlin")
    edge = datetime(2025, 3, 17, 23, tzinfo=UTC)  # midnight of 18 March 2025 in Berlin
    await store.send(
        order("1", "on the edge", at=edge.isoformat()), order("2", "before", at=(edge - TICK).isoformat()),
        order("3", "next midnight", at=(edge + timedelta(days=1)).isoformat()),
        order("4", "just before it", at=(edge + timedelta(days=1) - TICK).isoformat()),
    )  # fmt: skip
    all_three = [(who, "10.00") for who in ("on the edge", "next midnight", "just before it")]
    assert await upkeep.answered(store, time_frame="last_365_days") == (all_three, True)

    clock.now = datetime(2026, 3, 18, 23, tzinfo=UTC) - TICK
    assert await upkeep.answered(store, time_frame="last_365_days") == (all_three, True)
    clock.now += TICK
    assert await upkeep.answered(store, time_frame="last_365_days") == ([("next midnight", "10.00")], False)
    await upkeep.work()
    assert await upkeep.answered(store, time_frame="last_365_days") == ([("next midnight", "10.00")], True)
    assert await upkeep.verify(store) == []


async def test_new_periods_are_right_before_the_worker_opens_them_and_old_ones_are_dropped(open_store, clock, upkeep):
    store = await open_store()
    for month, who in ((1, "jan"), (2, "feb"), (3, "mar")):
        await store.send(order(who, who, at=f"2026-{month:02}-10T12:00:00Z"))
    assert await upkeep.starts(store, "month") == ["2026-01-01 00:00", "2026-02-01 00:00", "2026-03-01 00:00"]

    clock.now = datetime(2026, 4, 1, tzinfo=UTC)
    await store.send(order("apr", "apr", at="2026-04-01T00:00:00Z"))
    expected = {
        "month_to_date": [("apr", "10.00")], "quarter_to_date": [("apr", "10.00")], "last_month": [("mar", "10.00")],
        "last_quarter": [(who, "10.00") for who in ("jan", "feb", "mar")],
    }  # fmt: skip
    for time_frame, rows in expected.items():
        was_there = time_frame.startswith("last_")
        assert await upkeep.answered(store, time_frame=time_frame) == (rows, was_there)

    await upkeep.work()

    for time_frame, rows in expected.items():
        assert await upkeep.answered(store, time_frame=time_frame) == (rows, True)
    assert await upkeep.starts(store, "month") == ["2026-02-01 00:00", "2026-03-01 00:00", "2026-04-01 00:00"]
    assert await upkeep.starts(store, "quarter") == ["2025-10-01 00:00", "2026-01-01 00:00", "2026-04-01 00:00"]
    leftovers = await upkeep.sql.fetchval(
        "SELECT count(*) FROM standings AS s WHERE NOT EXISTS (SELECT FROM boards AS b WHERE b.id = s.board_id)"
    )
    assert leftovers == 0
    dropped = await upkeep.answered(store, time_frame="last_month", as_of="2026-02-10T00:00:00Z")
    assert dropped == ([("jan", "10.00")], False)
    assert await upkeep.verify(store) == []


async def test_after_years_without_a_worker_answers_are_right_and_one_round_opens_all(open_store, clock, upkeep):
    store = await open_store(time_zone="America/New_York")
    await store.sold(("ada", "5.00"))
    clock.now = datetime(2029, 2, 28, 12, tzinfo=UTC)
    await store.send(order("late", "bea", "7.00", "2029-01-31T12:00:00Z"))

    for _ in range(2):
        assert (await upkeep.answered(store, time_frame="last_month"))[0] == [("bea", "7.00")]
        assert (await upkeep.answered(store, time_frame="all_time"))[0] == [("bea", "7.00"), ("ada", "5.00")]
        assert await upkeep.verify(store) == []
        await upkeep.work()

    assert (await upkeep.answered(store, time_frame="last_month"))[1]
    for kind in CALENDAR_KINDS:
        assert len(await upkeep.starts(store, kind)) == 3


@pytest.mark.parametrize(
    ("change", "counted_before", "counted_after"),
    [
        ({"time_zone": "America/New_York"}, [("edge", "10.00")], []),
        ({"time_zone": "Pacific/Kiritimati"}, [("edge", "10.00")], [("edge", "10.00"), ("eve", "10.00")]),
    ],
)
async def test_figures_follow_a_changed_time_zone_at_once_and_boards_with_the_worker(
    api, open_store, upkeep, change, counted_before, counted_after
):
    store = await open_store()
    await store.send(order("1", "edge", at="2026-03-01T01:00:00Z"), order("2", "eve", at="2026-02-28T23:00:00Z"))
    assert await upkeep.answered(store, time_frame="month_to_date") == (counted_before, True)

    changed = await api.patch(f"/sources/{store.source}", json=change, headers=store.auth)
    assert changed.status_code == 200

    assert await upkeep.answered(store, time_frame="month_to_date") == (counted_after, False)
    await upkeep.work()
    assert await upkeep.answered(store, time_frame="month_to_date") == (counted_after, True)
    assert await upkeep.verify(store) == []


async def test_weeks_follow_a_changed_first_day(api, open_store, upkeep):
    store = await open_store()
    # NOW is a Wednesday; last week is 9 to 15 March from Monday on, 8 to 14 March from Sunday on.
    await store.send(
        order("1", "sunday 8th", at="2026-03-08T12:00:00Z"), order("2", "sunday 15th", at="2026-03-15T12:00:00Z")
    )
    assert await upkeep.answered(store, time_frame="last_week") == ([("sunday 15th", "10.00")], True)

    await api.patch(f"/sources/{store.source}", json={"week_start": "sunday"}, headers=store.auth)

    assert await upkeep.answered(store, time_frame="last_week") == ([("sunday 8th", "10.00")], False)
    await upkeep.work()
    assert await upkeep.answered(store, time_frame="last_week") == ([("sunday 8th", "10.00")], True)
    assert await upkeep.starts(store, "week") == ["2026-03-01 00:00", "2026-03-08 00:00", "2026-03-15 00:00"]
    assert await upkeep.verify(store) == []


async def test_the_worker_leaves_alone_what_is_not_due(open_store, clock, upkeep):
    store = await open_store()
    await store.sold(("ada", "5.00"))
    versions = "SELECT id, version FROM boards ORDER BY id"
    before = await upkeep.sql.fetch(versions)
    await upkeep.work()
    clock.now += timedelta(hours=11)
    await upkeep.work()
    assert await upkeep.sql.fetch(versions) == before


ERRORS = {
    "another spend": ("UPDATE standings SET spend = spend + 1", "standing of customer"),
    "another count": ("UPDATE standings SET purchases = purchases + 1", "standing of customer"),
    "another last order": ("UPDATE standings SET last_order_at = now()", "standing of customer"),
    "a missing standing": (
        "DELETE FROM standings WHERE board_id = (SELECT max(board_id) FROM standings)", "standing of customer",
    ),
    "a standing of nobody": (
        """INSERT INTO standings (account_id, board_id, customer_id, spend, last_order_at, purchases)
           SELECT account_id, board_id, 999999, spend, last_order_at, purchases FROM standings LIMIT 1""",
        "standing of customer 999999",
    ),
    "a bucket with one more": ("UPDATE standing_buckets SET customers = customers + 1", "buckets of the board"),
    "a missing bucket": ("DELETE FROM standing_buckets", "buckets of the board"),
    "a bucket of nobody": (
        "INSERT INTO standing_buckets SELECT account_id, board_id, metric, 1000, 1 FROM standing_buckets LIMIT 1",
        "buckets of the board",
    ),
    "totals: customers": ("UPDATE boards SET customers = customers + 1", "totals of the board"),
    "totals: purchases": ("UPDATE boards SET purchases = purchases + 1", "totals of the board"),
    "totals: spend": ("UPDATE boards SET spend = spend + 1", "totals of the board"),
    "an order unknown to its board": ("UPDATE orders SET total = total + 1", "standing of customer"),
}  # fmt: skip


@pytest.mark.parametrize("error", ERRORS)
async def test_verify_finds_a_planted_error_and_rebuild_repairs_it(open_store, upkeep, error):
    statement, finding = ERRORS[error]
    store = await open_store()
    await store.sold(("ada", "5.00"), ("bea", "7.00"))
    assert await upkeep.verify(store) == []

    await upkeep.sql.execute(statement)

    found = await upkeep.verify(store)
    assert any(line.startswith(finding) for line in found)
    await upkeep.rebuild(store)
    assert await upkeep.verify(store) == []
    rows, live = await upkeep.answered(store, time_frame="month_to_date")
    assert ([who for who, _ in rows], live) == (["bea", "ada"], True)


@pytest.mark.parametrize("count", ["orders", "unattributed", "foreign_currency", "amounts"])
async def test_verify_finds_wrong_counts_of_a_source(open_store, upkeep, count):
    store = await open_store()
    await store.sold(("ada", "5.00"))
    await upkeep.sql.execute(f"UPDATE sources SET {count} = {count} + 1")
    assert await upkeep.verify(store) == ["the source's own counts"]
    await upkeep.rebuild(store)
    assert await upkeep.verify(store) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE addresses SET customer_id = (SELECT id FROM customers WHERE external_id = 'ada')",
        "DELETE FROM addresses",
        "UPDATE orders SET customer_id = NULL WHERE order_id = 'guest''s'",
    ],
)
async def test_verify_finds_an_order_of_an_address_that_is_not_its_owners(open_store, upkeep, statement):
    store = await open_store()
    await store.send(order("ada's", "ada"), order("guest's", None, email="guest@example.test"))
    await upkeep.sql.execute(statement)
    assert 'customer of order "guest\'s"' in await upkeep.verify(store)


async def test_verify_looks_at_one_source_only(open_store, upkeep):
    right = await open_store()
    wrong = await open_store(beside=right)
    for store in (right, wrong):
        await store.sold(("ada", "5.00"))
    await upkeep.sql.execute(
        "UPDATE standings SET spend = 1 WHERE board_id IN (SELECT id FROM boards WHERE source_id = $1)", wrong.source_id
    )
    assert await upkeep.verify(right) == []
    assert await upkeep.verify(wrong) != []


class ConnectionLostError(Exception):
    """The end of an import's process, as far as the database can tell."""


async def abandoned_import(upkeep, store, monkeypatch) -> None:
    """An import that dies after it has stored two batches: what follows its last commit never runs."""
    monkeypatch.setattr("app.orders.import_orders.BATCH_ROWS", 2)

    async def never(*_: object) -> None:
        raise ConnectionLostError

    monkeypatch.setattr("app.orders.import_orders.catch_up", never)
    source = await upkeep.source(store)

    async def chunks():
        yield "\n".join(json.dumps(order(f"o{n}", f"c{n % 3}", f"{n}.00")) for n in range(1, 6)).encode()

    file = OrderFile(chunks(), FileFormat.NDJSON, ImportOptions().as_written(), source)

    with pytest.raises(ConnectionLostError):
        await import_rows(upkeep.database, source, file, orders_of(OrderReader()), upkeep.clock)


async def test_an_abandoned_import_leaves_right_answers_and_is_caught_up_after_the_silence(
    open_store, clock, upkeep, monkeypatch
):
    store = await open_store()
    await store.sold(("c0", "100.00"))
    await abandoned_import(upkeep, store, monkeypatch)
    right = [("c0", "103.00"), ("c2", "7.00"), ("c1", "5.00")]
    behind = "SELECT count(*) FROM outdated_standings"
    assert await upkeep.sql.fetchval(behind) == 3
    assert await upkeep.answered(store, time_frame="month_to_date") == (right, False)
    assert await upkeep.verify(store) == []

    clock.now += SILENT_IMPORT - TICK
    await upkeep.work()
    assert await upkeep.sql.fetchval(behind) == 3

    clock.now += TICK
    await upkeep.work()
    assert await upkeep.sql.fetchval(behind) == 0
    assert await upkeep.answered(store, time_frame="month_to_date") == (right, True)
    assert await upkeep.verify(store) == []


async def test_a_rebuild_catches_up_what_an_import_left(open_store, upkeep, monkeypatch):
    store = await open_store()
    await abandoned_import(upkeep, store, monkeypatch)
    await upkeep.rebuild(store)
    assert await upkeep.answered(store, time_frame="month_to_date") == (
        [("c2", "7.00"), ("c1", "5.00"), ("c0", "3.00")], True,
    )  # fmt: skip
    assert await upkeep.verify(store) == []


async def test_boards_of_a_day_are_opened_while_an_import_is_behind(open_store, clock, upkeep, monkeypatch):
    store = await open_store()
    await abandoned_import(upkeep, store, monkeypatch)
    clock.now = datetime(2026, 4, 1, tzinfo=UTC)
    await upkeep.work()
    assert await upkeep.answered(store, time_frame="last_month") == (
        [("c2", "7.00"), ("c1", "5.00"), ("c0", "3.00")], True,
    )  # fmt: skip
    assert await upkeep.verify(store) == []


async def test_ranks_go_on_rightly_when_boards_are_rebuilt_between_two_pages(open_store, clock, upkeep):
    store = await open_store()
    await store.sold(("ada", "30.00"), ("bea", "20.00"), ("cyd", "10.00"), ("dan", "5.00"))
    first = await store.ask(time_frame="all_time", limit=2)
    # A board made anew begins its versions anew: they must not be taken for those of the old one.
    await store.sold(("eve", "99.00"), ("fay", "98.00"))
    await upkeep.rebuild(store)

    second = await store.ask(time_frame="all_time", limit=2, cursor=first["next_cursor"])

    assert [(row["rank"], row["customer"]["external_id"]) for row in second["items"]] == [(5, "cyd"), (6, "dan")]


async def test_an_etag_tells_a_changed_time_zone_though_no_figure_moves(api, open_store):
    store = await open_store(time_zone="Europe/Berlin")
    await store.sold(("ada", "5.00"))
    for question in ({"time_frame": "month_to_date"}, {"time_frame": "all_time"}):
        params = store.board(**question)
        await api.patch(f"/sources/{store.source}", json={"time_zone": "Europe/Berlin"}, headers=store.auth)
        first = await api.get("/leaderboard", params=params, headers=store.auth)
        await api.patch(f"/sources/{store.source}", json={"time_zone": "Europe/Rome"}, headers=store.auth)

        again = await api.get(
            "/leaderboard", params=params, headers=store.auth | {"If-None-Match": first.headers["ETag"]}
        )

        assert again.status_code == 200
        assert again.json()["time_zone"] == "Europe/Rome"


async def test_a_page_of_a_past_instant_is_304_until_the_orders_change(api, open_store):
    store = await open_store()
    await store.sold(("ada", "5.00"), ("bea", "7.00"), on="2026-03-02")
    await store.sold(("ada", "9.00"), on="2026-03-10")
    params = store.board(time_frame="month_to_date", as_of="2026-03-05T00:00:00Z")
    first = await api.get("/leaderboard", params=params, headers=store.auth)
    known = store.auth | {"If-None-Match": first.headers["ETag"]}

    again = await api.get("/leaderboard", params=params, headers=known)
    await store.sold(("cyd", "1.00"), on="2026-03-03")
    changed = await api.get("/leaderboard", params=params, headers=known)

    assert [first.status_code, again.status_code, changed.status_code] == [200, 304, 200]
    assert [row["customer"]["external_id"] for row in changed.json()["items"]] == ["bea", "ada", "cyd"]
