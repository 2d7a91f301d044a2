"""Golden boards: logs of real shops, and what was worked out about them by other means."""

import csv
import gzip
import hashlib
import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby

import pytest
from golden_logs import LOGS, golden_cases, packed_log
from shop import METRICS

FIGURES = ("customer_id", *METRICS)
SHOWN_OF_A_LARGE_GROUP = 20
LAST_RANK = 20


def log_until(name: str, now: datetime) -> bytes:
    """The log as it was at an instant; of later orders the file says nothing."""
    rows = csv.reader(io.StringIO(gzip.decompress(packed_log(name)).decode()))
    header = next(rows)
    known = io.StringIO()
    writer = csv.writer(known)
    writer.writerow(header)
    when = header.index("ordered_at")
    writer.writerows(row for row in rows if datetime.fromisoformat(row[when]) <= now)
    return gzip.compress(known.getvalue().encode(), mtime=0)


def digest(ids: list[str]) -> str:
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def figures(row: dict) -> dict:
    return {"customer_id": row["customer"]["external_id"]} | {metric: row[metric] for metric in METRICS}


def tie_groups(rows: list[dict], wanted: list[dict]) -> Iterator[dict]:
    """The groups of equal rank, told as the golden file tells them."""
    truncated = {group["rank"] for group in wanted if group.get("truncated")}
    for rank, tied in groupby(rows, lambda row: row["rank"]):
        if rank > LAST_RANK:
            return
        members = sorted((figures(row) for row in tied), key=lambda member: member["customer_id"])
        group = {"rank": rank, "size": len(members), "customers": members}
        if rank in truncated:
            group |= {
                "truncated": True,
                "sha256": digest([member["customer_id"] for member in members]),
                "customers": members[:SHOWN_OF_A_LARGE_GROUP],
            }
        yield group


def assert_ranks_skip(rows: list[dict], metric: str) -> None:
    """Competition ranking over the whole board, not only where the golden file looks."""
    place = 1
    for _, tied in groupby(rows, lambda row: row[metric]):
        ranks = [row["rank"] for row in tied]
        assert set(ranks) == {place}
        place += len(ranks)


async def assert_as_golden(store, case: dict, **question: str) -> None:
    asked = {"time_frame": case["time_frame"], "limit": 1000} | question
    for metric in METRICS:
        page = await store.ask(rank_by=metric, **asked)
        rows = page["items"] if not page["next_cursor"] else await store.all_rows(rank_by=metric, **asked)

        start, end = (datetime.fromisoformat(page[edge]) for edge in ("start", "end"))
        assert (start, end) == tuple(datetime.fromisoformat(case[edge]) for edge in ("start", "end"))
        totals = (page["customers"], page["number_of_purchases"], page["total_spend"])
        assert totals == (case["customers"], case["orders"], case["total_spend"])
        assert len(rows) == case["customers"]
        assert digest([row["customer"]["external_id"] for row in rows]) == case["all_customers_sha256"]
        wanted = case["top"][metric]
        assert [*tie_groups(rows, wanted)] == [{key: group[key] for key in group} for group in wanted]
        assert_ranks_skip(rows, metric)


@pytest.mark.parametrize("log", [pytest.param(log, marks=pytest.mark.slow if log == "sakila" else ()) for log in LOGS])
async def test_a_log_ranks_as_was_worked_out_by_other_means(open_store, log):
    cases = golden_cases(log)
    store = await open_store(currency="USD")
    packed = packed_log(log)
    done = await store.load(packed, **{"Content-Encoding": "gzip"})
    rows = gzip.decompress(packed).count(b"\n") - 1
    result = done.json()
    assert (result["received"], result["created"], result["rejected"]) == (rows, rows, [])

    assert len(cases) == 21
    for case in cases:
        await assert_as_golden(store, case, as_of=case["now"])


def without_cursor(answer) -> bytes:
    """The bytes of a page but for its cursor, which remembers the path that made it."""
    head, mark, _ = answer.content.rpartition(b', "next_cursor": ')
    assert mark
    return head


def boards_asked(block: list[tuple[str, str]]) -> list[str]:
    """The statements about boards or orders; those that look up a key or a source are remembered for seconds."""
    return [statement for _, statement in block if "standings" in statement or "FROM orders" in statement]


QUICK = {("cdnow_sample", 1), ("chinook", 0), ("northwind", 0)}
LIVE = [
    pytest.param(log, place, marks=() if (log, place) in QUICK else pytest.mark.slow)
    for log in LOGS
    for place in range(3)
]


@pytest.mark.parametrize(("log", "place"), LIVE)
async def test_the_boards_of_the_day_say_the_same_from_standings_and_from_orders(
    api, open_store, clock, statements, sql, log, place
):
    nows = sorted({case["now"] for case in golden_cases(log)})
    cases = [case for case in golden_cases(log) if case["now"] == nows[place]]
    clock.now = datetime.fromisoformat(nows[place])
    store = await open_store(currency="USD")
    imported = await store.load(log_until(log, clock.now))
    assert (imported.status_code, imported.json()["rejected"]) == (201, [])

    for case in cases:
        await assert_as_golden(store, case)

    questions = [
        store.board(time_frame=case["time_frame"], rank_by=metric, limit=limit)
        for case in cases
        for metric in METRICS
        for limit in ("7", "1000")
    ]
    live = []
    for question in questions:
        with statements.during() as block:
            live.append(await api.get("/leaderboard", params=question, headers=store.auth))
        (statement,) = boards_asked(block)
        assert "FROM standings" in statement
        assert "ranked AS MATERIALIZED" not in statement

    await store.without_boards()
    for question, answer in zip(questions, live, strict=True):
        with statements.during() as block:
            from_orders = await api.get("/leaderboard", params=question, headers=store.auth)
        assert "ranked AS MATERIALIZED" in boards_asked(block)[-1]
        assert without_cursor(from_orders) == without_cursor(answer)


async def test_the_log_of_a_later_day_is_refused_as_future(open_store, clock):
    clock.now = datetime.fromisoformat("1998-01-01T00:00:00Z") - timedelta(minutes=10)
    store = await open_store(currency="USD")
    done = (await store.load(packed_log("cdnow_sample"))).json()

    dates = [
        row["ordered_at"] for row in csv.DictReader(io.StringIO(gzip.decompress(packed_log("cdnow_sample")).decode()))
    ]
    later = sum(date >= "1998-01-01" for date in dates)
    assert (done["received"], done["created"], done["rejected_count"]) == (len(dates), len(dates) - later, later)
    assert {refused["code"] for refused in done["rejected"]} == {"future_ordered_at"}
