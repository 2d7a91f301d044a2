"""The leaderboard, asked over HTTP."""

import json
import random
import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from answers import pointers
from conftest import NOW
from shop import order

from app.forms import defused
from app.leaderboard.statements import file_header
from app.periods import TimeFrame
from app.vocabulary import Metric

pytestmark = pytest.mark.usefixtures("among_others", "midday")

MARCH = {"time_frame": "custom", "start": "2026-03-01", "end": "2026-04-01"}


async def test_equal_spenders_share_a_rank_and_the_next_is_skipped(open_store):
    store = await open_store()
    await store.sold(("ada", "50.00"), ("bea", "20.00"), ("bea", "30.00"), ("cyd", "10.00"))

    for question in (MARCH, {"time_frame": "month_to_date"}):
        board = await store.ask(**question)

        assert [(row["rank"], row["total_spend"]) for row in board["items"]] == [
            (1, "50.00"),
            (1, "50.00"),
            (3, "10.00"),
        ]
        assert (board["customers"], board["number_of_purchases"], board["total_spend"]) == (3, 4, "110.00")


async def test_the_average_is_ranked_as_it_is_shown(open_store):
    store = await open_store()
    # 10.00 / 3 = 3.333… and 6.67 / 2 = 3.335: shown as 3.33 and 3.34.
    await store.sold(
        ("ada", "3.33"), ("ada", "3.33"), ("ada", "3.34"), ("bea", "3.33"), ("cyd", "3.33"), ("cyd", "3.34")
    )

    board = await store.ask(time_frame="month_to_date", rank_by="average_order_amount")

    shown = [(row["rank"], row["customer"]["external_id"], row["average_order_amount"]) for row in board["items"]]
    assert shown == [(1, "cyd", "3.34"), (2, "ada", "3.33"), (2, "bea", "3.33")]


async def test_an_empty_store_has_an_empty_board_in_every_frame(open_store):
    store = await open_store()
    for time_frame in TimeFrame:
        bounds = {"start": "2026-01-01", "end": "2026-02-01"} if time_frame is TimeFrame.CUSTOM else {}
        board = await store.ask(time_frame=time_frame, **bounds)
        assert (board["customers"], board["items"], board["next_cursor"]) == (0, [], None)


async def test_pages_put_together_are_the_whole_board(open_store):
    store = await open_store()
    await store.sold(*((f"c{number:02}", f"{number % 5 + 1}.00") for number in range(23)))

    for question in ({"time_frame": "month_to_date"}, MARCH):
        whole = (await store.ask(**question, limit=1000))["items"]
        for limit in (1, 2, 7, 22, 23):
            assert await store.all_rows(**question, limit=limit) == whole


@pytest.mark.parametrize("meanwhile", ["nothing else", "a newer purchase"])
async def test_ranks_go_on_rightly_when_the_board_changes_between_pages(open_store, clock, meanwhile):
    store = await open_store()
    await store.sold(*((f"c{number:02}", f"{30 - number}.00") for number in range(10)))
    first = await store.ask(time_frame="last_month", limit=4)
    assert first["items"] == []

    first = await store.ask(time_frame="all_time", limit=4)
    await store.send(order("late", "zoe", "99.00", "2026-03-02T00:00:00Z"))
    if meanwhile != "nothing else":
        clock.now += timedelta(minutes=1)
        await store.send(order("newer", "c09", "99.00", clock().isoformat()))
    second = await store.ask(time_frame="all_time", limit=4, cursor=first["next_cursor"])

    assert [row["rank"] for row in first["items"]] == [1, 2, 3, 4]
    assert [row["rank"] for row in second["items"]] == [6, 7, 8, 9]


async def test_the_page_around_a_customer_is_the_page_that_paging_gives(open_store):
    store = await open_store()
    await store.sold(*((f"c{number:02}", f"{number % 4 + 1}.00") for number in range(17)))

    for question in ({"time_frame": "month_to_date"}, MARCH):
        whole = (await store.ask(**question, limit=1000))["items"]
        for limit in (1, 3, 5, 17):
            for place, row in enumerate(whole):
                page = await store.ask(**question, limit=limit, around=row["customer"]["id"])
                start = place - place % limit
                assert page["items"] == whole[start : start + limit]


async def test_compare_tells_the_rank_in_the_period_before(open_store):
    store = await open_store()
    await store.sold(("ada", "10.00"), ("bea", "20.00"), ("cyd", "30.00"), on="2026-01-10")
    await store.sold(("ada", "30.00"), ("bea", "20.00"), ("dan", "10.00"), on="2026-02-10")

    board = await store.ask(time_frame="last_month", compare="previous")
    custom = await store.ask(time_frame="custom", start="2026-02-01", end="2026-03-01", compare="previous")

    assert [row["customer"]["external_id"] for row in board["items"]] == ["ada", "bea", "dan"]
    for items in (board["items"], custom["items"]):
        moved = [(row["previous_rank"], row["movement"], row["is_new"]) for row in items]
        assert moved == [(3, 2, False), (2, 0, False), (None, None, True)]


async def test_the_bounds_of_a_frame_are_rfc_3339_where_clocks_were_off_by_seconds(api, open_store):
    store = await open_store(time_zone="Africa/Monrovia")  # -00:44:30 until January 1972
    board = await store.ask(time_frame="custom", start="1971-06-01", end="1972-06-01")
    segment = await api.get("/segments/vip", params=store.board(as_of="1972-02-01T00:00:00Z"), headers=store.auth)

    assert (board["start"], board["end"]) == ("1971-06-01T00:44:30Z", "1972-06-01T00:00:00+00:00")
    assert (segment.json()["start"], segment.json()["end"]) == ("1971-02-01T00:44:30Z", "1972-02-01T00:00:00+00:00")


async def test_only_all_time_has_no_start(open_store):
    store = await open_store()
    assert (await store.ask(time_frame="all_time"))["start"] is None
    custom = await store.ask(time_frame="custom", start="1900-01-01", end="1901-01-01")
    assert custom["start"] == "1900-01-01T00:00:00+00:00"


async def test_a_file_tells_places_lost_as_the_number_that_a_page_tells(api, open_store):
    store = await open_store()
    await store.sold(("ada", "50.00"), ("bea", "20.00"), on="2026-02-01")
    await store.sold(("bea", "20.00"), ("ada", "5.00"), ("cyd", "1.00"), on="2026-03-01")
    for question in ({"time_frame": "month_to_date"}, MARCH):
        asked = store.board(**question, compare="previous")
        table = await api.get("/leaderboard", params=asked, headers=store.auth | {"Accept": "text/csv"})
        cells = [line.split(",")[-3:] for line in table.text.splitlines()]
        assert cells == [
            ["previous_rank", "movement", "is_new"],
            ["2", "1", "false"],
            ["1", "-1", "false"],
            ["", "", "true"],
        ]


@pytest.mark.parametrize("name", ["=1", "+1", "-1+1", "-", "-1\n", "--1", "@a", "\x01=1", "\x0b=1", "\x7f=1", "\x85=1"])
def test_a_cell_that_a_spreadsheet_would_run_is_defused(name):
    assert defused(name) == f"'{name}"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ('Bo;=HYPERLINK("http://evil.example")', "Bo;'=HYPERLINK(\"http://evil.example\")"),
        ("Cy\t=1+1", "Cy\t'=1+1"), ("a\n+1", "a\n'+1"), ('a;" @x', "a;\" '@x"), ("a|-1+1", "a|'-1+1"),
        ("\uff1d1+1", "'\uff1d1+1"), ("a;\uff0b1", "a;'\uff0b1"),
    ],
)  # fmt: skip
def test_a_formula_behind_what_separates_cells_elsewhere_is_defused_too(name, shown):
    assert defused(name) == shown


async def test_a_file_says_what_it_is_in_its_headers_and_its_name(api, open_store):
    store = await open_store()
    await store.sold(("ada", "50.00"))
    asked, csv = store.board(**MARCH), {"Accept": "text/csv"}
    file = await api.get("/leaderboard", params=asked, headers=store.auth | csv)
    page = (await api.get("/leaderboard", params=asked, headers=store.auth)).json()
    told = [file.headers[f"X-{name}"] for name in ("As-Of", "Start", "End", "Time-Zone", "Currency")]
    assert told == [page[name] for name in ("as_of", "start", "end", "time_zone", "currency")]
    assert re.search(rf"leaderboard-{store.source}-\d{{4}}-\d\d-\d\d\.csv", file.headers["Content-Disposition"])
    known = {"If-None-Match": file.headers["ETag"]}
    again = await api.get("/leaderboard", params=asked | {"as_of": page["as_of"]}, headers=store.auth | csv | known)
    lines = await api.get("/leaderboard", params=asked, headers=store.auth | {"Accept": "application/x-ndjson"} | known)
    assert (again.status_code, lines.status_code) in {(304, 200), (200, 200)}
    for name, value in (("limit", "5"), ("cursor", "x"), ("around", "cus_1")):
        answer = await api.get("/leaderboard", params=asked | {name: value}, headers=store.auth | csv)
        assert pointers(answer) == [f"#/{name}"]


@pytest.mark.parametrize("cell", ["Ada", "", "-1", "-42", "1=1", "'=1", -1, 0, None])
def test_any_other_cell_is_left_as_it_is(cell):
    assert defused(cell) == cell


async def test_an_unchanged_board_is_304_and_a_changed_one_is_not(api, open_store):
    store = await open_store()
    await store.sold(("ada", "10.00"))
    for question in ({"time_frame": "all_time"}, MARCH):
        first = await api.get("/leaderboard", params=store.board(**question), headers=store.auth)
        known = store.auth | {"If-None-Match": first.headers["ETag"]}
        assert first.headers["ETag"].startswith('W/"')
        again = await api.get("/leaderboard", params=store.board(**question), headers=known)
        assert (again.status_code, again.content) == (304, b"")

        await store.sold(("ada", "1.00"))
        changed = await api.get("/leaderboard", params=store.board(**question), headers=known)
        assert changed.status_code == 200

        known = store.auth | {"If-None-Match": changed.headers["ETag"]}
        await store.send(order("sale-1", "ada", "10.00", name=f"Ada {changed.headers['ETag']}"))
        renamed = await api.get("/leaderboard", params=store.board(**question), headers=known)
        assert renamed.status_code == 200


async def test_a_page_of_a_board_is_one_statement_and_a_304_too(api, open_store, statements):
    store = await open_store()
    await store.sold(("ada", "10.00"), ("bea", "9.00"))
    asked = store.board(time_frame="month_to_date", limit=1)
    first = await api.get("/leaderboard", params=asked, headers=store.auth)

    with statements.during() as page:
        await api.get("/leaderboard", params=asked, headers=store.auth)
    with statements.during() as following:
        cursor = {"cursor": first.json()["next_cursor"]}
        assert (await api.get("/leaderboard", params=asked | cursor, headers=store.auth)).status_code == 200
    with statements.during() as unchanged:
        known = store.auth | {"If-None-Match": first.headers["ETag"]}
        assert (await api.get("/leaderboard", params=asked, headers=known)).status_code == 304

    assert [len(page), len(following), len(unchanged)] == [1, 1, 1]
    assert not any("FROM orders\n    WHERE" in statement for _, statement in page)


async def test_the_whole_board_streams_as_csv_and_ndjson(api, open_store):
    store = await open_store(currency="KWD")
    await store.send(
        order("1", "ada", "1.500", name="=cmd()", email="ada@example.test"),
        order("2", "bea", "0.250", name='Bea, "the" é', at="2026-03-02T00:00:00.5Z"),
    )
    for question in ({"time_frame": "month_to_date"}, MARCH):
        table = await api.get(
            "/leaderboard", params=store.board(**question), headers=store.auth | {"Accept": "text/csv"}
        )
        lines = await api.get(
            "/leaderboard", params=store.board(**question), headers=store.auth | {"Accept": "application/x-ndjson"}
        )
        ids = [row["customer"]["id"] for row in (await store.ask(**question))["items"]]
        assert table.text.splitlines() == [
            f"rank,{','.join(file_header(None)[1:])}",
            f"1,{ids[0]},ada,'=cmd(),ada@example.test,false,1,1.500,1.500,2026-03-01T12:00:00Z,KWD",
            f'2,{ids[1]},bea,"Bea, ""the"" é",,false,1,0.250,0.250,2026-03-02T00:00:00.5Z,KWD',
        ]
        page = await store.ask(**question)
        assert [json.loads(line) for line in lines.text.splitlines()] == page["items"]


@pytest.mark.parametrize("rank_by", [*Metric])
async def test_paging_a_busy_board_goes_on_as_it_stood_at_the_first_page(open_store, clock, sql, statements, rank_by):
    store = await open_store()
    await store.sold(*((f"c{number:02}", f"{number % 6 + 1}.00") for number in range(19)), on="2026-03-17T09:00:00Z")
    question = {"time_frame": "year_to_date", "rank_by": rank_by, "as_of": clock().isoformat()}
    before = (await store.ask(**question, limit=1000))["items"]

    page = await store.ask(**question, limit=4)
    rows = page["items"]
    while page["next_cursor"]:
        clock.now += timedelta(seconds=1)
        again = order(f"again-{len(rows)}", f"c{len(rows):02}", "7.00", clock().isoformat())
        await store.send(again, order(f"new-{len(rows)}", f"new-{len(rows)}", "3.50", clock().isoformat()))
        with statements.during() as ran:
            page = await store.ask(**question, limit=4, cursor=page["next_cursor"])
        assert ["standings" in statement for _, statement in ran] == [True, True]
        rows += page["items"]

    assert rows == before
    late = await store.ask(**question, limit=1000)
    await store.without_boards()
    assert await store.ask(**question, limit=1000) == late


@pytest.mark.parametrize("rank_by", [*Metric])
async def test_a_gap_is_what_reaches_the_next_better_rank(api, open_store, clock, sql, rank_by):
    store = await open_store()
    for number in range(17):
        await store.sold(*((f"c{number:02}", f"{number % 5 + 1}.50") for _ in range(number % 4 + 1)), on="2026-03-02")
    question = {"time_frame": "month_to_date", "rank_by": rank_by, "compare": "gap"}
    whole = (await store.ask(**question, limit=1000))["items"]

    def expected(rows):
        values = sorted({Decimal(row[rank_by]) for row in rows})
        better = dict(zip(values, [*values[1:], None], strict=True))
        gaps = [(row, better[Decimal(row[rank_by])]) for row in rows]
        shown = int if rank_by == "number_of_purchases" else str
        return [None if up is None else shown(up - Decimal(row[rank_by])) for row, up in gaps]

    assert [row["gap"] for row in whole] == expected(whole)
    for limit in (1, 2, 3, 7):
        assert await store.all_rows(**question, limit=limit) == whole
    table = await api.get("/leaderboard", params=store.board(**question), headers=store.auth | {"Accept": "text/csv"})
    cells = [line.rpartition(",")[2] for line in table.text.splitlines()]
    assert cells == ["gap", *("" if row["gap"] is None else str(row["gap"]) for row in whole)]

    as_of = clock().isoformat()
    clock.now += timedelta(minutes=1)
    await store.send(order("late", "c03", "70.00", clock().isoformat()))
    assert await store.all_rows(**question, limit=3, as_of=as_of) == whole
    await store.without_boards()
    assert await store.all_rows(**question, limit=3, as_of=as_of) == whole


@pytest.mark.parametrize("rank_by", [*Metric])
async def test_pages_of_a_moment_ago_number_their_rows_as_the_whole_does(open_store, sql, rank_by):
    """Ties across pages, with customers who have left or joined them since: each correction of an offset counts."""
    store = await open_store()
    few = random.Random(7)

    def sale(number: int, at: datetime) -> dict[str, Any]:
        return order(f"o{number}", f"c{few.randrange(30):02}", few.choice(["5.00", "10.00"]), at.isoformat())

    await store.send(*(sale(number, NOW - timedelta(days=few.randrange(1, 12))) for number in range(60)))
    await store.send(*(sale(number, NOW) for number in range(60, 80)))
    moment_ago = (NOW - timedelta(microseconds=1)).isoformat()
    asked = {"rank_by": rank_by, "time_frame": "month_to_date", "as_of": moment_ago, "compare": "gap"}
    whole = (await store.ask(**asked, limit=1000))["items"]
    async with store.with_an_import_running():
        assert (await store.ask(**asked, limit=1000))["items"] == whole

    for limit in (1, 2, 3, 4, 5, 7, 11):
        assert await store.all_rows(**asked, limit=limit) == whole
