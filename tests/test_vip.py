"""The VIP segment, asked over HTTP."""

import csv
import gzip
import hashlib
import json
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from conftest import NOW
from golden_logs import LOGS, golden_cases, packed_log
from shop import Store, order

from app.boards.recount import rebuild
from app.boards.source import Source, read_source
from app.boards.verify import verify
from app.segments import statements
from app.segments.histogram import MOST_BARS
from app.segments.schemas import VipPreview, Vips
from app.segments.statements import Criteria
from app.worker import work_once

pytestmark = pytest.mark.usefixtures("among_others", "midday")

CRITERIA = [*Criteria]
BODIES: list[bytes] = []
"""What `find` has read, byte for byte."""


async def find(store: Any, path: str = "", **question: Any) -> dict[str, Any]:
    """An answer about VIPs that must be there."""
    answer = await store.api.get(f"/segments/vip{path}", params=store.board(**question), headers=store.auth)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    BODIES.append(answer.content)
    model = VipPreview if path else Vips
    assert model.model_validate_json(answer.content, strict=True).model_dump(mode="json") == found
    return found


async def all_pages(store: Any, **question: Any) -> list[dict[str, Any]]:
    page = await find(store, **question)
    rows = page["items"]
    while page["next_cursor"]:
        page = await find(store, **question, cursor=page["next_cursor"])
        rows += page["items"]
    return rows


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["customer"]["external_id"] for row in rows]


async def from_orders(store: Store, action: Any) -> Any:
    """What an action returns while the store's board of 365 days answers nothing."""
    async with store.with_yesterdays_boards("last_365_days"):
        return await action()


# ---------------------------------------------------------------- against the golden files


def lines_of(log: str) -> list[str]:
    """The lines of a log's orders, header first."""
    return gzip.decompress(packed_log(log)).decode().splitlines()


async def check_case(store: Any, case: dict[str, Any], **question: Any) -> None:
    for criteria in CRITERIA:
        page = await find(store, criteria=criteria, limit=1, **question)
        totals = (page["start"], page["end"], page["customers"])
        expected = (case["window_start"], case["window_end"], case["active_customers"])
        assert totals == tuple(str(each).replace("Z", "+00:00") for each in expected[:2]) + expected[2:]
        assert page["thresholds"] == {
            "min_spend": {"value": case["min_spend"], "suggested": True},
            "min_orders": {"value": case["min_orders"], "suggested": True},
        }
        assert page["averages"]["total_spend"] == case["mean_spend"]
        mean = round(Decimal(case["orders"]) / case["active_customers"] * 100 + Decimal("1e-9"))
        assert Decimal(page["averages"]["number_of_purchases"]) * 100 == mean
        segments = case["segments"]
        assert page["members"] == segments[criteria]["members"]
        assert page["members_by_criteria"] == {name: segments[name]["members"] for name in segments}
        found = sorted(ids(await all_pages(store, criteria=criteria, limit=150, **question)))
        assert hashlib.sha256("\n".join(found).encode()).hexdigest() == segments[criteria]["sha256"]
        assert found == segments[criteria].get("ids", found)
        assert found[:20] == segments[criteria].get("first_ids", found[:20])
    everyone = await all_pages(store, criteria="blended", min_orders=0, limit=1000, **question)
    assert len(everyone) == case["active_customers"]
    assert sum(row["number_of_purchases"] for row in everyone) == case["orders"]
    assert sum(Decimal(row["total_spend"]) for row in everyone) == Decimal(case["revenue"])


@pytest.mark.parametrize("log", LOGS)
async def test_the_orders_give_the_golden_segments(open_store, log):
    cases, lines = golden_cases(log, "vip"), lines_of(log)
    store = await open_store(currency="USD", time_zone=cases[0]["time_zone"])
    assert (await store.load("\n".join(lines).encode())).json()["rejected_count"] == 0

    for case in cases:
        await check_case(store, case, as_of=case["now"])


@pytest.mark.parametrize("log", LOGS)
@pytest.mark.alone
async def test_the_boards_give_the_golden_segments_day_by_day(open_store, clock, database, statements, log):
    cases, (header, *lines) = golden_cases(log, "vip"), lines_of(log)
    clock.now = datetime.fromisoformat(cases[0]["now"])
    store = await open_store(currency="USD", time_zone=cases[0]["time_zone"])
    moments = [datetime.fromisoformat(row[4]) for row in csv.reader(lines)]
    since = datetime.min.replace(tzinfo=UTC)

    for case in cases:
        clock.now = datetime.fromisoformat(case["now"])
        await work_once(database, clock)
        some = [line for line, moment in zip(lines, moments, strict=True) if since < moment <= clock.now]
        since = clock.now
        assert (await store.load("\n".join([header, *some]).encode())).json()["rejected_count"] == 0
        await find(store)
        with statements.during() as ran:
            await check_case(store, case)
        assert not any("FROM orders\n    WHERE" in statement for _, statement in ran)


# ---------------------------------------------------------------- thresholds


async def test_a_customer_exactly_at_a_threshold_is_not_above_it(open_store, sql):
    store = await open_store()
    await store.sold(("ada", "110.00"), ("bea", "110.01"), ("cyd", "60.00"), ("cyd", "19.99"), ("dan", "100.00"))
    # 400.00 and 5 orders of 4 customers: 100.00 and 1.25 on average, 110.00 and 2 the thresholds.

    async def checked() -> dict[str, Any]:
        page = await find(store)
        assert page["thresholds"]["min_spend"] == {"value": "110.00", "suggested": True}
        assert page["thresholds"]["min_orders"] == {"value": 2, "suggested": True}
        assert page["averages"] == {"total_spend": "100.00", "number_of_purchases": "1.25"}
        assert ids(page["items"]) == ["bea"]
        return page

    assert await from_orders(store, checked) == await checked()


async def test_given_thresholds_are_taken_and_say_so(open_store, sql):
    store = await open_store()
    await store.sold(("ada", "50.00"), ("bea", "20.00"), ("bea", "5.00"), ("cyd", "10.00"))

    async def checked() -> dict[str, Any]:
        page = await find(store, min_spend="25.00", min_orders=1)
        assert page["thresholds"]["min_spend"] == {"value": "25.00", "suggested": False}
        assert page["thresholds"]["min_orders"] == {"value": 1, "suggested": False}
        assert [(row["customer"]["external_id"], row["matched"]) for row in page["items"]] == [
            ("ada", ["big_spender"]),
            ("bea", ["frequent_buyer"]),
        ]
        one_given = await find(store, min_orders=0, criteria="frequent_buyer")
        assert one_given["thresholds"]["min_spend"]["suggested"] is True
        assert [row["matched"] for row in one_given["items"]] == [["big_spender", "frequent_buyer"]] + [
            ["frequent_buyer"]
        ] * 2
        return page

    assert await from_orders(store, checked) == await checked()


@pytest.mark.parametrize(
    ("currency", "totals", "min_spend", "mean"),
    [("JPY", ("100", "101"), "111", "101"), ("KWD", ("1.000", "1.001"), "1.101", "1.001")],
)
async def test_thresholds_have_the_digits_of_the_currency(open_store, sql, currency, totals, min_spend, mean):
    store = await open_store(currency=currency)
    await store.sold(("ada", totals[0]), ("bea", totals[1]))

    async def checked() -> dict[str, Any]:
        page = await find(store)
        assert (page["thresholds"]["min_spend"]["value"], page["averages"]["total_spend"]) == (min_spend, mean)
        return page

    assert await from_orders(store, checked) == await checked()
    too_precise = {"min_spend": "1.2345"}
    for path in ("", "/preview"):
        answer = await store.api.get(f"/segments/vip{path}", params=store.board(**too_precise), headers=store.auth)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "invalid_min_spend")


async def test_an_empty_store_has_no_thresholds_and_no_members(open_store, sql):
    store = await open_store()

    async def checked() -> Any:
        page, preview = await find(store), await find(store, "/preview")
        assert page["thresholds"]["min_spend"] == {"value": None, "suggested": True}
        assert page["thresholds"]["min_orders"] == {"value": None, "suggested": True}
        assert page["averages"] == {"total_spend": None, "number_of_purchases": None}
        assert (page["customers"], page["members"], page["items"], page["next_cursor"]) == (0, 0, [], None)
        assert preview["histograms"] == {"total_spend": [], "number_of_purchases": []}
        given = await find(store, min_spend="1.00", min_orders=1)
        assert given["thresholds"]["min_spend"] == {"value": "1.00", "suggested": False}
        assert given["members"] == 0
        return page, preview

    assert await from_orders(store, checked) == await checked()


# ---------------------------------------------------------------- windows


@pytest.mark.parametrize(
    ("now", "days", "start"),
    [
        ("2024-02-29T12:00:00Z", 365, "2023-03-01T00:00:00+01:00"),
        ("2024-02-29T12:00:00Z", 366, "2023-02-28T00:00:00+01:00"),
        ("2025-02-28T12:00:00Z", 365, "2024-02-29T00:00:00+01:00"),
        ("2025-03-01T12:00:00Z", 1, "2025-02-28T00:00:00+01:00"),
        ("2025-03-30T12:00:00Z", 1, "2025-03-29T00:00:00+01:00"),
        ("2025-03-01T12:00:00Z", 3650, "2015-03-04T00:00:00+01:00"),
        ("2025-07-01T22:30:00Z", 365, "2024-07-02T00:00:00+02:00"),
    ],
)
async def test_the_window_begins_at_the_local_midnight_so_many_days_ago(open_store, clock, now, days, start):
    clock.now = datetime.fromisoformat(now)
    store = await open_store(time_zone="Europe/Rome")
    first = datetime.fromisoformat(start)
    before = first - timedelta(seconds=1)
    await store.send(
        order("1", "ada", "1.00", before.isoformat()),
        order("2", "bea", "1.00", first.isoformat()),
        order("3", "cyd", "1.00", now),
    )

    page = await find(store, days=days, min_orders=0)

    assert (page["start"], page["days"], page["customers"], page["members"]) == (start, days, 2, 2)
    assert ids(page["items"]) == ["bea", "cyd"]


# ---------------------------------------------------------------- both paths, brute force

HEAVY = ((127, 3), (128, 2), (129, 7), (130, 1), (131, 9), (140, 4), (150, 2))


def random_lines(seed: int) -> tuple[list[str], dict[str, tuple[int, int]]]:
    """Orders as CSV lines, and what each customer's come to: purchases and spend."""
    chance = random.Random(seed)
    lines, figures = ["order_id,customer_id,ordered_at,total,status"], defaultdict(lambda: (0, 0))
    buyers = [(f"c{number:03}", chance.choice((1, 1, 1, 2, 3, 5)), 10 ** chance.randint(1, 5)) for number in range(150)]
    buyers += [(f"heavy{number}", orders, 10 * least) for number, (orders, least) in enumerate(HEAVY)]
    for who, orders, most in buyers:
        for _ in range(orders):
            minor = chance.randint(0, most)
            at = NOW - timedelta(minutes=chance.randint(0, 360 * 24 * 60))
            lines.append(f"{len(lines)},{who},{at.isoformat()},{minor // 100}.{minor % 100:02},paid")
            purchases, spend = figures[who]
            figures[who] = (purchases + 1, spend + minor)
    return lines, dict(figures)


def is_member(criteria: str, figures: tuple[int, int], min_spend: int, min_orders: int) -> bool:
    rules = {"big_spender": figures[1] > min_spend, "frequent_buyer": figures[0] > min_orders}
    return rules.get(criteria, any(rules.values()))


@pytest.mark.parametrize("seed", [1, 2])
async def test_counts_histograms_and_pages_are_those_of_a_recount(open_store, sql, seed):
    lines, figures = random_lines(seed)
    store = await open_store()
    assert (await store.load("\n".join(lines).encode())).json()["rejected_count"] == 0
    chance = random.Random(seed)
    spends = [spend for _, spend in figures.values()]

    for _ in range(12):
        min_spend = chance.choice([chance.choice(spends), chance.randint(0, max(spends))])
        min_orders = chance.choice([0, 1, 2, 5, 127, 128, 129, 130, 131, 140, 200])
        asked = {"min_spend": f"{min_spend // 100}.{min_spend % 100:02}", "min_orders": min_orders}
        members = {
            criteria: [who for who in figures if is_member(criteria, figures[who], min_spend, min_orders)]
            for criteria in CRITERIA
        }
        counts = {criteria: len(found) for criteria, found in members.items()}
        preview = await find(store, "/preview", **asked)
        assert preview["members_by_criteria"] == counts
        assert await from_orders(store, lambda asked=asked: find(store, "/preview", **asked)) == preview
        assert BODIES[-1] == BODIES[-2]
        criteria = chance.choice(CRITERIA)
        page = await find(store, criteria=criteria, limit=1000, **asked)
        await from_orders(store, lambda asked=asked, c=criteria: find(store, criteria=c, limit=1000, **asked))
        assert BODIES[-1] == BODIES[-2]
        assert page["members_by_criteria"] == counts
        assert sorted(ids(page["items"])) == sorted(members[criteria])

    for name, place, scale in (("total_spend", 1, 100), ("number_of_purchases", 0, 1)):
        bars = preview["histograms"][name]
        values = [each[place] for each in figures.values()]
        assert 0 < len(bars) <= MOST_BARS
        assert [bar["to"] for bar in bars[:-1]] == [bar["from"] for bar in bars[1:]]
        for bar in bars:
            low, high = (int(Decimal(bar[end]) * scale) for end in ("from", "to"))
            assert bar["customers"] == sum(low <= value < high for value in values)
        assert sum(bar["customers"] for bar in bars) == len(values)


@pytest.fixture(params=["few", "many"])
def frequent_buyers(request, monkeypatch):
    """Both ways to find the frequent buyers of a board, whatever their number."""
    statements.select_vip_page.cache_clear()
    monkeypatch.setattr(
        statements, "FEW_FREQUENT_BUYERS", {"few": statements.FEW_FREQUENT_BUYERS, "many": 3}[request.param]
    )
    yield
    statements.select_vip_page.cache_clear()


async def test_pages_put_together_are_the_whole_segment_by_either_path(open_store, sql, frequent_buyers):
    store = await open_store()
    lines = random_lines(3)[0]
    assert (await store.load("\n".join(lines).encode())).json()["rejected_count"] == 0

    for criteria in CRITERIA:
        whole = await find(store, criteria=criteria, limit=1000, min_orders=2)
        keys = [(-Decimal(row["total_spend"]), int(row["customer"]["id"][4:])) for row in whole["items"]]
        assert (len(keys), keys) == (whole["members"], sorted(keys))
        assert await from_orders(store, lambda c=criteria: find(store, criteria=c, limit=1000, min_orders=2)) == whole
        for limit in (7, 40, len(keys)):
            asked = {"criteria": criteria, "limit": limit, "min_orders": 2}
            assert await all_pages(store, **asked) == whole["items"]
        assert await from_orders(store, lambda asked=asked: all_pages(store, **asked)) == whole["items"]


@pytest.mark.parametrize("criteria", CRITERIA)
async def test_paging_a_busy_store_goes_on_as_it_stood_at_the_first_page(
    open_store, clock, sql, statements, frequent_buyers, criteria
):
    store = await open_store()
    lines = random_lines(4)[0]
    await store.load("\n".join(lines).encode())
    asked = {"criteria": criteria, "limit": 9}
    before = (await find(store, criteria=criteria, limit=1000))["items"]

    page = await find(store, **asked)
    thresholds, rows = page["thresholds"], page["items"]
    while page["next_cursor"]:
        clock.now += timedelta(seconds=1)
        again = [order(f"{who}-{len(rows)}", who, "700.00", clock().isoformat()) for who in ("c001", "c007", "heavy1")]
        await store.send(*again, order(f"new-{len(rows)}", f"new-{len(rows)}", "3000.00", clock().isoformat()))
        with statements.during() as ran:
            page = await find(store, **asked, cursor=page["next_cursor"])
        assert ["standings" in statement for _, statement in ran] == [True, True]
        assert page["thresholds"] == thresholds
        rows += page["items"]

    assert rows == before
    then = {"as_of": NOW.isoformat()}
    late, late_preview = await find(store, **asked, **then), await find(store, "/preview", **then)
    assert await from_orders(store, lambda: find(store, **asked, **then)) == late
    assert await from_orders(store, lambda: find(store, "/preview", **then)) == late_preview


# ---------------------------------------------------------------- HTTP


async def test_a_page_is_one_statement_and_so_are_a_preview_and_a_304(open_store, statements):
    store = await open_store()
    await store.sold(("ada", "100.00"), ("bea", "90.00"), ("cyd", "1.00"), ("dan", "1.00"))
    asked = store.board(limit=1)
    counts = []
    first = await find(store, limit=1)
    for path, more in (("", {}), ("", {"cursor": first["next_cursor"]}), ("/preview", {"limit": None})):
        question = {name: value for name, value in (asked | more).items() if value is not None}
        with statements.during() as ran:
            answer = await store.api.get(f"/segments/vip{path}", params=question, headers=store.auth)
        with statements.during() as unchanged:
            known = store.auth | {"If-None-Match": answer.headers["ETag"]}
            again = await store.api.get(f"/segments/vip{path}", params=question, headers=known)
        assert (answer.status_code, again.status_code, again.content) == (200, 304, b"")
        assert "next_cursor" not in answer.json() or ("Link" in answer.headers) == bool(answer.json()["next_cursor"])
        counts += [len(ran), len(unchanged)]
        assert not any("FROM orders\n    WHERE" in statement for _, statement in ran)

    assert counts == [1] * 6


async def test_a_changed_store_is_not_304(open_store):
    store = await open_store()
    await store.sold(("ada", "10.00"))
    for path in ("", "/preview"):
        for days in (365, 30):
            asked = {"params": store.board(days=days)}
            first = await store.api.get(f"/segments/vip{path}", **asked, headers=store.auth)
            await store.sold(("ada", "1.00"))
            known = store.auth | {"If-None-Match": first.headers["ETag"]}
            assert (await store.api.get(f"/segments/vip{path}", **asked, headers=known)).status_code == 200


@pytest.mark.parametrize(
    ("path", "question"),
    [
        ("/segments/vip", {"min_orders": 0}),
        ("/segments/vip", {"min_orders": 0, "days": 30}),
        ("/segments/vip/preview", {"days": 30}),
        ("/leaderboard", {"time_frame": "month_to_date"}),
        ("/leaderboard", {"time_frame": "custom", "start": "2026-03-01", "end": "2026-04-01"}),
        ("/leaderboard", {"time_frame": "last_365_days", "compare": "previous"}),
    ],
)
async def test_what_a_clock_behind_did_not_count_yet_is_not_304_once_it_counts(open_store, clock, path, question):
    store = await open_store()
    clock.now = NOW + timedelta(seconds=2)
    await store.send(*(order(who, who, at=(NOW + timedelta(seconds=n)).isoformat()) for n, who in enumerate("abc")))
    seen, etag = [], ""
    for seconds in (0, 0, 1, 1.5, 2, 3600):
        clock.now = NOW + timedelta(seconds=seconds)
        headers = store.auth | {"If-None-Match": etag}
        answer = await store.api.get(path, params=store.board(**question), headers=headers)
        etag = answer.headers["ETag"]
        seen.append(answer.json()["customers"] if answer.status_code == 200 else "unchanged")

    assert seen == [1, "unchanged", 2, "unchanged", 3, "unchanged"]


async def test_the_whole_segment_streams_as_csv_and_ndjson(open_store, sql):
    store = await open_store(currency="KWD")
    await store.send(
        order("1", "ada", "9.500", name="=cmd()", email="ada@example.test"),
        order("2", "bea", "0.250", name='Bea, "the" é', at="2026-03-02T00:00:00.5Z"),
        order("3", "bea", "0.250"),
        order("4", "cyd", "0.100"),
    )

    async def checked() -> list[str]:
        texts = []
        page = await find(store, min_orders=1)
        for accept in ("text/csv", "application/x-ndjson"):
            headers = store.auth | {"Accept": accept}
            answer = await store.api.get("/segments/vip", params=store.board(min_orders=1), headers=headers)
            assert answer.headers["Content-Disposition"].startswith('attachment; filename="vips')
            texts.append(answer.text)
        one, two = (row["customer"]["id"] for row in page["items"])
        assert texts[0].splitlines() == [
            ",".join(statements.SEGMENT_HEADER),
            f"{one},ada,'=cmd(),ada@example.test,false,1,9.500,9.500,2026-03-01T12:00:00Z,KWD,true,false",
            f'{two},bea,"Bea, ""the"" é",,false,2,0.500,0.250,2026-03-02T00:00:00.5Z,KWD,false,true',
        ]
        assert [json.loads(line) for line in texts[1].splitlines()] == page["items"]
        return texts

    assert await from_orders(store, checked) == await checked()


async def test_what_does_not_belong_together_is_not_there(open_store):
    mine, other = await open_store(), await open_store()
    beside = await open_store(beside=mine)
    for path in ("/segments/vip", "/segments/vip/preview"):
        for audience, source in (
            (other.audience, other.source),
            (mine.audience, other.source),
            (beside.audience, mine.source),
            (mine.audience, "src_x"),
            ("aud_999", mine.source),
        ):
            question = {"audience": audience, "source": source}
            answer = await mine.api.get(path, params=question, headers=mine.auth)
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_source")
        assert (await mine.api.get(path, params=mine.board())).status_code == 401


@pytest.mark.parametrize(
    ("question", "status"),
    [
        ({"days": 0}, 422),
        ({"days": 3651}, 422),
        ({"criteria": "rich"}, 422),
        ({"min_orders": -1}, 422),
        ({"min_spend": "-1"}, 422),
        ({"min_spend": "1e3"}, 422),
        ({"limit": 1001}, 422),
        ({"as_of": "2026-03-19T00:00:00Z"}, 422),
        ({"nonsense": 1}, 422),
        ({"cursor": "A" * 40}, 400),
    ],
)
async def test_what_is_not_valid_is_refused(open_store, question, status):
    store = await open_store()
    answer = await store.api.get("/segments/vip", params=store.board(**question), headers=store.auth)
    assert answer.status_code == status, answer.text


# ---------------------------------------------------------------- cells


async def source_of(store: Any, database: Any) -> Source:
    async with database.read() as conn:
        return await read_source(conn, int(store.account.removeprefix("acc_")), store.source_id)


@pytest.mark.alone
async def test_cells_follow_every_change_and_verify_finds_what_a_rebuild_repairs(open_store, clock, database, sql):
    store = await open_store()
    source = await source_of(store, database)
    lines = random_lines(5)[0]
    await store.load("\n".join(lines).encode())
    await store.send(
        order("1", "c000", "99.00", status="partially_refunded", refunded="98.00"),
        order("2", "c001", "5.00"),
        *(order(f"more-{number}", f"c{number:03}", f"{number}.00") for number in range(40)),
    )
    await store.api.delete(f"/sources/{store.source}/orders/more-3", headers=store.auth)
    clock.now += timedelta(days=200)
    await work_once(database, clock)
    assert await sql.fetchval("SELECT count(DISTINCT board_id) FROM standing_cells WHERE customers > 0") == 1
    assert await verify(database, source) == []

    await sql.execute("UPDATE standing_cells SET customers = customers + 1 WHERE least_purchases > 3")
    assert await verify(database, source) == ["cells of the board last_365_days of 1900-01-01"]
    await sql.execute("DELETE FROM standing_cells")
    assert await verify(database, source) == ["cells of the board last_365_days of 1900-01-01"]

    async with database.write() as conn:
        await rebuild(conn, source, clock())
    assert await verify(database, source) == []
