"""Properties: whatever a shop does, standings and orders tell the same.

A machine lives through the days of a shop over HTTP, with a clock that hypothesis moves. After
every step the stored boards are held against the orders, and looks at random boards against the
window over the orders, an oracle in Python, the pages and the files of the same board.
"""

import asyncio
import contextlib
import csv
import gzip
import io
import json
from datetime import date, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import pytest
from conftest import UNLIMITED, Clock, Server, Statements, serving, with_asyncpg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from shop import METRICS, OPERATOR, STATUSES, Store, order

from app.admission import FairUse
from app.boards.source import Source, read_source
from app.boards.verify import verify
from app.database.pools import Database
from app.main import create_app
from app.orders import import_orders
from app.periods import TimeFrame
from app.worker import work_once

FRAMES = [frame.value for frame in TimeFrame if frame is not TimeFrame.CUSTOM]
TO_DATE = [frame for frame in FRAMES if not frame.startswith("last_") or frame == "last_365_days"]
COLUMNS = dict(zip(METRICS, ("purchases", "average", "spend"), strict=True))
COUNTED = {"partially_paid", "paid", "partially_refunded"}
EVENINGS = (
    "2026-03-28T21:30:00+00:00",  # the evening before Berlin's clocks go forward
    "2026-10-24T21:30:00+00:00",  # … and back
    "2026-12-31T20:00:00+00:00",
    "2028-02-28T22:00:00+00:00",
    "2026-03-31T21:59:59.999999+00:00",  # the last instant of Berlin's first quarter
    "2026-06-15T12:00:00+00:00",
)
ZONES = ("Europe/Berlin", "UTC", "America/New_York", "Pacific/Kiritimati", "Europe/Rome", "America/Havana")
WEEK_STARTS = ("monday", "sunday", "thursday")
TICK = timedelta(microseconds=1)
DATABASE_NAMES = count(1)

AGES = st.one_of(
    st.sampled_from([timedelta(0), TICK, timedelta(hours=3), timedelta(days=1), timedelta(days=365)]),
    st.timedeltas(timedelta(0), timedelta(days=3)),
    st.timedeltas(timedelta(0), timedelta(days=40)),
    st.timedeltas(timedelta(0), timedelta(days=900)),
)
CENTS = st.one_of(st.sampled_from([0, 500, 1000]), st.integers(0, 3000), st.integers(0, 10**9))
ORDER_IDS = st.integers(0, 25).map(lambda n: f"o{n}")
EMAILS = st.sampled_from([None, "x@example.test", "y@example.test", "z@example.test"])
CUSTOMERS = st.one_of(st.none(), st.integers(0, 7).map(lambda n: f"c{n}"))


def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


@st.composite
def sales(draw):
    """What is sold, with its age and that of its version in place of instants: only the machine knows the time."""
    return {
        "order_id": draw(ORDER_IDS),
        "customer_id": draw(CUSTOMERS),
        "email": draw(EMAILS),
        "name": draw(st.sampled_from([None, "Ada", "Bea"])),
        "age": draw(AGES),
        "total": money(draw(CENTS)),
        "refunded": money(draw(st.sampled_from([0, 0, 0, 500]))),
        "currency": draw(st.sampled_from(["EUR"] * 6 + ["USD"])),
        "status": draw(st.sampled_from(["paid"] * 8 + [*STATUSES])),
        "test": draw(st.sampled_from([False] * 6 + [True])),
        "version_age": draw(st.one_of(st.none(), st.timedeltas(timedelta(0), timedelta(days=2)))),
    }


BATCHES = st.lists(sales(), min_size=1, max_size=8)
CHANGES = st.one_of(
    st.builds(lambda customer: {"customer_id": customer}, CUSTOMERS),
    st.builds(lambda email: {"email": email}, EMAILS),
    st.builds(lambda age: {"age": age}, AGES),
    st.builds(lambda cents: {"total": money(cents)}, CENTS),
    st.builds(lambda status: {"status": status}, st.sampled_from(STATUSES)),
    st.builds(lambda test: {"test": test}, st.booleans()),
    st.builds(lambda currency: {"currency": currency}, st.sampled_from(["EUR", "USD"])),
    st.builds(lambda cents: {"refunded": money(cents)}, CENTS),
)


class Scene:
    """A database, the service on it and one store, driven by an event loop of its own."""

    def __init__(self, postgres: Server, statements: Statements, start: str, zone: str) -> None:
        self.clock = Clock(datetime.fromisoformat(start))
        self.statements = statements
        self._runner = asyncio.Runner()
        self._stack = contextlib.AsyncExitStack()
        self.run(self._open(postgres, zone))

    def run(self, task):
        return self._runner.run(task)

    def close(self) -> None:
        self.run(self._stack.aclose())
        self._runner.close()

    async def _open(self, postgres: Server, zone: str) -> None:
        name = f"machine_{next(DATABASE_NAMES)}"
        await postgres.run(f"CREATE DATABASE {name} TEMPLATE loyalty OWNER loyalty")
        self._stack.push_async_callback(postgres.run, f"DROP DATABASE {name} WITH (FORCE)")
        write, read = (url.removesuffix("loyalty") + name for url in (postgres.write, postgres.read))
        self.database = Database(with_asyncpg(write), with_asyncpg(read), pool_size=1, pool_wait_seconds=20)
        self._stack.push_async_callback(self.database.close)
        self.statements.watch(self.database)
        self.sql = await asyncpg.connect(write)
        self._stack.push_async_callback(self.sql.close)
        app = create_app(self.database, admin_key=OPERATOR, clock=self.clock, fair_use=FairUse(quotas=UNLIMITED))
        url = await self._stack.enter_async_context(serving(app))
        api = await self._stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=60))
        self.store = await self._connected(api, zone)

    async def _connected(self, api: httpx.AsyncClient, zone: str) -> Store:
        async def made(path: str, key: str, **body: str) -> dict:
            answer = await api.post(path, json=body, headers={"Authorization": f"Bearer {key}"})
            assert answer.status_code == 201, answer.text
            return answer.json()

        account = await made("/accounts", OPERATOR, name="Ada", plan="paid")
        key = account["api_key"]
        audience = (await made("/audiences", key, name="Everyone"))["id"]
        shop = {"name": "Shop", "platform": "custom", "currency": "EUR", "time_zone": zone}
        source = await made("/sources", key, audience=audience, **shop)
        return Store(api, key, account["id"], audience, source["id"], self.sql)

    async def source(self) -> Source:
        account = int(self.store.account.removeprefix("acc_"))
        async with self.database.read() as conn:
            return await read_source(conn, account, self.store.source_id)

    async def get(self, params: dict, **headers: str) -> httpx.Response:
        return await self.store.api.get("/leaderboard", params=params, headers=self.store.auth | headers)

    async def both_ways(self, params: dict) -> dict:
        """The page from the boards and from the orders, which must be the same bytes but for the cursor."""
        first = await self.get(params)
        async with self.store.with_an_import_running():
            second = await self.get(params)
        assert (first.status_code, second.status_code) == (200, 200), (first.text, second.text)
        assert first.content.rpartition(b', "next_cursor": ')[0] == second.content.rpartition(b', "next_cursor": ')[0]
        return first.json()


async def figured_out(scene: Scene, start: datetime | None, before: datetime) -> dict[str, dict[str, int]]:
    """Who bought what in `[start, before)`, told from the rows of the orders as the contract says."""
    figures: dict[str, dict[str, int]] = {}
    rows = await scene.sql.fetch("SELECT * FROM orders WHERE source_id = $1", scene.store.source_id)
    for row in rows:
        given_back = row["total"] > 0 and row["refunded"] >= row["total"]
        if row["deleted_at"] or row["test"] or row["status"] not in COUNTED or given_back or row["foreign_currency"]:
            continue
        if row["customer_id"] is None or row["ordered_at"] >= before or (start and row["ordered_at"] < start):
            continue
        figure = figures.setdefault(f"cus_{row['customer_id']}", {"purchases": 0, "spend": 0})
        figure["purchases"] += 1
        figure["spend"] += max(row["total"] - row["refunded"], 0)
    for figure in figures.values():
        whole, rest = divmod(figure["spend"], figure["purchases"])
        figure["average"] = whole + (2 * rest >= figure["purchases"])
    return figures


def ranked(figures: dict[str, dict[str, int]], metric: str) -> list[tuple[int, str, int, str, str]]:
    """The board of these figures: `(rank, customer, purchases, spend, average)`."""
    measure = COLUMNS[metric]
    order_on_board = sorted(figures.items(), key=lambda item: (-item[1][measure], int(item[0].removeprefix("cus_"))))
    values = [figure[measure] for _, figure in order_on_board]
    return [
        (1 + sum(value > figure[measure] for value in values), who, figure["purchases"], money(figure["spend"]),
         money(figure["average"]))
        for who, figure in order_on_board
    ]  # fmt: skip


def told(rows: list[dict]) -> list[tuple[int, str, int, str, str]]:
    return [
        (row["rank"], row["customer"]["id"], row["number_of_purchases"], row["total_spend"],
         row["average_order_amount"])
        for row in rows
    ]  # fmt: skip


async def look(scene: Scene, question: dict, limit: int) -> dict:
    """One board, looked at from all sides; gives its first page of `limit` rows."""
    params = scene.store.board(**question)
    page = await scene.both_ways(params | {"limit": 1000})
    whole = page["items"]
    end = datetime.fromisoformat(page["end"])
    to_date = question["time_frame"] in TO_DATE
    start = datetime.fromisoformat(page["start"]) if page["start"] else None
    figures = await figured_out(scene, start, end + TICK if to_date else end)
    assert told(whole) == ranked(figures, question["rank_by"])
    totals = (page["customers"], page["number_of_purchases"], page["total_spend"])
    purchases, spend = (sum(figure[part] for figure in figures.values()) for part in ("purchases", "spend"))
    assert totals == (len(figures), purchases, money(spend))

    assert await scene.store.all_rows(**question, limit=limit) == whole
    for place, row in [*enumerate(whole)][:: max(1, len(whole) // 3)]:
        begin = place - place % limit
        around = await scene.both_ways(params | {"limit": limit, "around": row["customer"]["id"]})
        assert around["items"] == whole[begin : begin + limit]
    await assert_files_say(scene, params, whole)
    return await scene.both_ways(params | {"limit": limit})


async def assert_files_say(scene: Scene, params: dict, whole: list[dict]) -> None:
    lines = (await scene.get(params, Accept="application/x-ndjson")).text
    assert [json.loads(line) for line in lines.splitlines()] == whole
    table = csv.DictReader(io.StringIO((await scene.get(params, Accept="text/csv")).text))
    cells = [
        (int(row["rank"]), row["customer_id"], int(row["number_of_purchases"]), row["total_spend"],
         row["average_order_amount"])
        for row in table
    ]  # fmt: skip
    assert cells == told(whole)


class Shop(RuleBasedStateMachine):
    """The life of a shop."""

    postgres: Server
    statements: Statements
    scene: Scene | None = None

    @initialize(start=st.sampled_from(EVENINGS), zone=st.sampled_from(ZONES[:2]), first=BATCHES)
    def open_shop(self, start, zone, first):
        self.scene = Scene(self.postgres, self.statements, start, zone)
        self.sent: dict[str, list[dict]] = {}
        self.cursors: list[dict] = []
        self.sell(batch=first)

    def teardown(self):
        if self.scene is not None:
            self.scene.close()

    def row_of(self, sale: dict) -> dict:
        sale = dict(sale)
        now = self.scene.clock.now
        at = (now - sale.pop("age")).isoformat()
        version_age = sale.pop("version_age")
        version = None if version_age is None else (now - version_age).isoformat()
        return order(sale.pop("order_id"), sale.pop("customer_id"), sale.pop("total"), at, updated_at=version, **sale)

    def send(self, rows: list[dict]) -> None:
        for row in rows:
            self.sent.setdefault(row["order_id"], []).append(row)
        done = self.scene.run(self.scene.store.send(*rows))
        assert done["received"] == len(rows) == done["created"] + done["updated"] + done["unchanged"]

    @rule(batch=BATCHES)
    def sell(self, batch):
        self.send([self.row_of(sale) for sale in batch])

    @rule(data=st.data(), changes=st.lists(CHANGES, min_size=1, max_size=3), dated=st.booleans())
    def change(self, data, changes, dated):
        versions = self.sent[data.draw(st.sampled_from(sorted(self.sent)))]
        row = versions[-1] | {"updated_at": self.scene.clock.now.isoformat() if dated else None}
        for change in changes:
            age = change.get("age")
            row |= change if age is None else {"ordered_at": (self.scene.clock.now - age).isoformat()}
        self.send([row])

    @rule(data=st.data(), of_all=st.booleans())
    def refund(self, data, of_all):
        row = self.sent[data.draw(st.sampled_from(sorted(self.sent)))][-1]
        status = "refunded" if of_all else "partially_refunded"
        self.send([row | {"refunded": row["total"] if of_all else "1.00", "status": status, "updated_at": None}])

    @rule(data=st.data())
    def deliver_again(self, data):
        every = [version for versions in self.sent.values() for version in versions]
        self.send(data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=5)))

    @rule(order_id=ORDER_IDS)
    def delete(self, order_id):
        store = self.scene.store
        path = f"/sources/{store.source}/orders/{order_id}"
        assert self.scene.run(store.api.delete(path, headers=store.auth)).status_code == 204

    @rule(batch=st.lists(sales(), min_size=1, max_size=20), packed=st.booleans())
    def import_file(self, batch, packed):
        rows = [self.row_of(sale) for sale in batch]
        for row in rows:
            self.sent.setdefault(row["order_id"], []).append(row)
        file = io.StringIO()
        writer = csv.DictWriter(file, [*rows[0]])
        writer.writeheader()
        writer.writerows(row | {"test": str(row["test"]).lower()} for row in rows)
        content = file.getvalue().encode()
        answer = self.scene.run(self.scene.store.load(gzip.compress(content) if packed else content))
        assert (answer.status_code, answer.json()["rejected_count"]) == (201, 0), answer.text
        counts = answer.json()
        assert counts["created"] + counts["updated"] + counts["unchanged"] == counts["received"] == len(rows)

    @rule(change=st.one_of(
        st.builds(lambda zone: {"time_zone": zone}, st.sampled_from(ZONES)),
        st.builds(lambda day: {"week_start": day}, st.sampled_from(WEEK_STARTS)),
    ))  # fmt: skip
    def change_calendar(self, change):
        store = self.scene.store
        changed = self.scene.run(store.api.patch(f"/sources/{store.source}", json=change, headers=store.auth))
        assert changed.status_code == 200

    @rule(by=st.one_of(
        st.timedeltas(timedelta(seconds=1), timedelta(hours=30)),
        st.sampled_from([timedelta(days=7), timedelta(days=31), timedelta(days=92), timedelta(days=366)]),
    ))  # fmt: skip
    def let_time_pass(self, by):
        self.scene.clock.now += by

    @rule(zone=st.sampled_from(ZONES[:3]), beside=st.sampled_from([-TICK, timedelta(0), TICK]))
    def go_to_a_midnight(self, zone, beside):
        wall = ZoneInfo(zone)
        tomorrow = self.scene.clock.now.astimezone(wall).date() + timedelta(days=1)
        midnight = datetime.combine(tomorrow, datetime.min.time(), wall).astimezone(self.scene.clock.now.tzinfo)
        self.scene.clock.now = max(self.scene.clock.now, midnight + beside)

    @rule()
    def let_the_worker_work(self):
        self.scene.run(work_once(self.scene.database, self.scene.clock))
        account = int(self.scene.store.account.removeprefix("acc_"))
        due = self.scene.run(
            self.scene.sql.fetchval("SELECT boards_due_at FROM sources WHERE account_id = $1", account)
        )
        assert due > self.scene.clock.now

    @rule(
        frame=st.sampled_from(FRAMES),
        metric=st.sampled_from(METRICS),
        limit=st.integers(1, 7),
        ago=st.one_of(st.none(), st.none(), AGES),
        compared=st.booleans(),
    )
    def look_at_a_board(self, frame, metric, limit, ago, compared):
        question = {"time_frame": frame, "rank_by": metric}
        if ago is not None:
            question["as_of"] = (self.scene.clock.now - ago).isoformat()
        page = self.scene.run(look(self.scene, question, limit))
        params = self.scene.store.board(**question, limit=limit)
        if page["next_cursor"]:
            self.cursors.append(params | {"cursor": page["next_cursor"]})
        if compared and frame != "all_time":
            self.scene.run(self.scene.both_ways(params | {"compare": "previous"}))

    @rule(first=st.dates(date(2025, 1, 1), date(2028, 12, 31)), length=st.integers(0, 400),
          metric=st.sampled_from(METRICS))  # fmt: skip
    def look_at_days(self, first, length, metric):
        days = {"start": first.isoformat(), "end": (first + timedelta(days=length)).isoformat()}
        self.scene.run(look(self.scene, {"time_frame": "last_week", "rank_by": metric}, 3))
        page = self.scene.run(self.scene.store.ask(time_frame="custom", rank_by=metric, limit=1000, **days))
        start, end = (datetime.fromisoformat(page[edge]) for edge in ("start", "end"))
        figures = self.scene.run(figured_out(self.scene, start, min(end, self.scene.clock.now + TICK)))
        assert told(page["items"]) == ranked(figures, metric)

    @rule(data=st.data())
    def turn_the_page(self, data):
        """However the store has changed since, the next page tells ranks as they were at the first page's instant."""
        if self.cursors:
            page = self.scene.run(self.scene.both_ways(data.draw(st.sampled_from(self.cursors))))
            rows = page["items"]
            assert [row["rank"] for row in rows] == sorted(row["rank"] for row in rows)

    @invariant()
    def boards_are_as_the_orders_say(self):
        if self.scene is not None:
            assert self.scene.run(self._verified()) == []

    @invariant()
    def a_board_is_right_from_all_sides(self):
        """Another board after every step: of now, or of the instant just before one of the newest purchases."""
        if self.scene is None:
            return
        self.looks = n = getattr(self, "looks", -1) + 1
        question = {"time_frame": FRAMES[n * 3 % len(FRAMES)], "rank_by": METRICS[n % len(METRICS)]}
        newest = "SELECT ordered_at FROM orders WHERE spend IS NOT NULL ORDER BY 1 DESC LIMIT 1 OFFSET $1"
        moment = self.scene.run(self.scene.sql.fetchval(newest, n // 2 % 3))
        if n % 2 and moment is not None:
            question |= {"time_frame": TO_DATE[n % len(TO_DATE)], "as_of": (moment - TICK).isoformat()}
        self.scene.run(look(self.scene, question, 1 + n % 3))

    async def _verified(self) -> list[str]:
        return await verify(self.scene.database, await self.scene.source())


@pytest.fixture
def lived_through(postgres, statements, monkeypatch):
    """Lives of shops; imports are cut into batches of four rows, so that most set standings aside."""
    monkeypatch.setattr(import_orders, "BATCH_ROWS", 4)
    Shop.postgres, Shop.statements = postgres, statements

    def run(examples: int, steps: int) -> None:
        rules = settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            print_blob=True,
            suppress_health_check=[*HealthCheck],
        )
        run_state_machine_as_test(Shop, settings=rules)

    return run


def test_whatever_a_shop_does_standings_and_orders_tell_the_same(lived_through):
    lived_through(examples=6, steps=12)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_whatever_many_shops_do_standings_and_orders_tell_the_same(lived_through):
    lived_through(examples=40, steps=40)
