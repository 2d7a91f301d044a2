"""Statements: every rule of statement_lint.py finds what breaks it, and the hot reads stay cheap at size.

What the service runs in the tests is linted by conftest.py, which fails the test that ran it.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import asyncpg
import pytest
from conftest import NOW, Statements, with_asyncpg
from golden_sql import FOLDER, golden
from plans import LIMIT, MOST_ROWS, Plan, plan_of
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from statement_lint import OVER_ALL_ACCOUNTS, findings, text_of

from app.boards.answers import Origin, select_board_version
from app.boards.buckets import least_value
from app.boards.recount import rebuild
from app.boards.source import Source, read_source
from app.customers.profile_statements import SELECT_STANDINGS
from app.customers.read_profile import PROFILE_FRAMES, standings_parameters
from app.database.pools import Database
from app.leaderboard.read_board import resolve
from app.leaderboard.statements import Compare, select_board_page, select_page_start_on_board
from app.periods import TimeFrame, named_frame
from app.segments.read_vips import Limits, resolve_vips
from app.segments.statements import Criteria, select_vip_page
from app.vocabulary import Metric


def test_the_statements_are_those_in_tests_sql():
    """`make sql` writes them; reviewers read the difference."""
    written = {path.relative_to(FOLDER).as_posix(): path.read_text("utf-8") for path in FOLDER.rglob("*.sql")}
    assert golden() == written


def test_every_common_table_expression_says_what_it_is():
    silent = [
        f"{path}: {line.strip()}"
        for path, content in golden().items()
        for before, line in pairwise(content.splitlines())
        if CTE.fullmatch(line.strip()) and not before.strip().startswith("--")
    ]
    assert silent == []


CTE = re.compile(r"(?:WITH )?\w+ AS (?:MATERIALIZED )?\(")
HELD = "account_id = $1"

GOOD = [
    "SELECT name FROM customers WHERE account_id = $1 AND id = $2",
    "SELECT name FROM customers AS c WHERE c.account_id = $1::BIGINT",
    "SELECT plan FROM accounts WHERE id = $1",
    "SELECT k.id FROM api_keys AS k JOIN accounts AS a ON a.id = k.account_id WHERE k.account_id = $1 AND k.hash = $2",
    (
        "SELECT 1 FROM boards b LEFT JOIN standings s ON s.account_id = b.account_id AND s.board_id = b.id"
        " WHERE b.account_id = $1"
    ),
    (
        "WITH b AS (SELECT account_id, id FROM boards WHERE account_id = $1)"
        " SELECT s.spend FROM b JOIN standings s ON s.account_id = b.account_id AND s.board_id = b.id"
    ),
    "SELECT 1 FROM (SELECT account_id AS whose, id FROM boards) AS b WHERE b.whose = $1",
    (
        "SELECT 1 FROM sources s WHERE account_id = $1 AND NOT EXISTS"
        " (SELECT FROM orders o WHERE o.account_id = s.account_id AND o.source_id = s.id)"
    ),
    "SELECT 1 FROM customers WHERE account_id = $1 UNION ALL SELECT 1 FROM orders WHERE account_id = $1",
    "SELECT id FROM sources WHERE account_id = $1 AND id = $2 FOR UPDATE",
    (
        "UPDATE boards b SET spend = n.spend FROM unnest($2::bigint[], $3::numeric[]) AS n (id, spend)"
        " WHERE b.account_id = $1 AND b.id = n.id"
    ),
    "UPDATE imports SET received = $3 WHERE (account_id, id) IN (($1, $2), ($4, $5)) RETURNING id",
    "INSERT INTO audiences (account_id, name) VALUES ($1, $2) RETURNING id",
    (
        "INSERT INTO boards AS b (account_id, id, purchases) SELECT s.account_id, s.board_id, count(*) FROM standings s"
        " WHERE s.account_id = $1 GROUP BY 1, 2"
        " ON CONFLICT (account_id, id) DO UPDATE SET purchases = b.purchases + excluded.purchases"
    ),
    "INSERT INTO addresses (account_id, email) SELECT $1, n.email FROM unnest($2::text[]) AS n (email)",
    "SELECT version_num FROM alembic_version",
]

BAD = {
    "more than one statement": ["SELECT 1; SELECT 2"],
    "customers is not held": [
        "SELECT name FROM customers",
        "SELECT name FROM customers WHERE id = $1",
        "SELECT name FROM customers WHERE account_id = $1 OR id = $2",
        "SELECT name FROM customers WHERE NOT account_id = $1",
        "SELECT name FROM customers WHERE account_id > $1",
        "SELECT name FROM customers WHERE account_id = id",
        "SELECT name FROM customers WHERE account_id = 7",
        "SELECT (SELECT max(id) FROM customers) FROM sources WHERE account_id = $1",
        "SELECT 1 FROM sources s JOIN customers c ON c.source_id = s.id WHERE s.account_id = $1",
        "SELECT 1 FROM customers c LEFT JOIN sources s ON s.account_id = $1 AND s.account_id = c.account_id",
        "SELECT 1 FROM sources s FULL JOIN customers c ON c.account_id = s.account_id WHERE s.account_id = $1",
        (
            "SELECT 1 FROM customers c WHERE EXISTS (SELECT FROM sources s WHERE s.account_id = $1"
            " AND s.account_id = c.account_id)"
        ),
        "WITH c AS (SELECT id FROM customers) SELECT id FROM c WHERE id = $1",
        "SELECT 1 FROM (SELECT account_id FROM customers LIMIT 1) AS c WHERE c.account_id = $1",
        "SELECT 1 FROM orders WHERE account_id = $1 UNION SELECT 1 FROM customers",
        "DELETE FROM customers USING sources s WHERE s.account_id = $1 AND s.id = source_id",
        "UPDATE customers SET name = $1 WHERE id = $2",
        "UPDATE boards SET version = 1 WHERE account_id = $1 AND id IN (SELECT id FROM customers)",
        "INSERT INTO boards (account_id, id) SELECT account_id, id FROM customers",
        "SELECT id FROM customers WHERE id = $1 FOR UPDATE SKIP LOCKED",
    ],
    "accounts is not held": ["SELECT plan FROM accounts JOIN customers c ON c.account_id = $1"],
    "MERGE": [
        (
            f"MERGE INTO boards b USING standings s ON s.account_id = b.account_id AND s.{HELD}"
            " WHEN MATCHED THEN UPDATE SET version = 1"
        )
    ],
    "GROUPING SETS": [
        f"SELECT source_id, kind, count(*) FROM boards WHERE {HELD} GROUP BY ROLLUP (source_id, kind)",
        f"SELECT source_id, kind, count(*) FROM boards WHERE {HELD} GROUP BY CUBE (source_id, kind)",
        f"SELECT source_id, kind, count(*) FROM boards WHERE {HELD} GROUP BY GROUPING SETS ((source_id), (kind))",
    ],
    "on one node only": [
        "SELECT set_config('app.account_id', $1, true)",
        "SELECT pg_advisory_xact_lock($1)",
        "SELECT pg_try_advisory_lock($1)",
        "SELECT pg_catalog.pg_advisory_lock($1)",
    ],
    "a notification is a statement of its own": [f"SELECT pg_notify('orders', name) FROM sources WHERE {HELD}"],
    "LATERAL": [
        (
            "SELECT 1 FROM sources s CROSS JOIN LATERAL (SELECT 1 FROM orders o WHERE o.account_id = s.account_id"
            " AND o.source_id = s.id ORDER BY ordered_at LIMIT 5) AS o WHERE s.account_id = $1"
        )
    ],
    "DO UPDATE calls a function": [
        "INSERT INTO boards (account_id, id) VALUES ($1, $2) ON CONFLICT (account_id, id) DO UPDATE SET start = now()",
        (
            "INSERT INTO boards (account_id, id) VALUES ($1, $2) ON CONFLICT (account_id, id)"
            " DO UPDATE SET start = current_timestamp"
        ),
    ],
    "DO UPDATE computes what depends on settings": [
        (
            "INSERT INTO boards (account_id, id) VALUES ($1, $2) ON CONFLICT (account_id, id)"
            " DO UPDATE SET start = excluded.start + interval '1 day'"
        ),
        (
            "INSERT INTO customers (account_id, id) VALUES ($1, $2) ON CONFLICT (account_id, id)"
            " DO UPDATE SET name = excluded.created_at::date"
        ),
    ],
    "has a sub-query": [
        "INSERT INTO boards (account_id, id) VALUES ($1, (SELECT max(id) FROM boards WHERE account_id = $1))",
        (
            "INSERT INTO boards (account_id, id) VALUES ($1, $2) ON CONFLICT (account_id, id)"
            " DO UPDATE SET version = (SELECT max(version) FROM boards WHERE account_id = $1)"
        ),
    ],
    "RETURNING calls a function": [
        "INSERT INTO audiences (account_id, name) VALUES ($1, $2) RETURNING now()",
        f"UPDATE audiences SET name = $2 WHERE {HELD} RETURNING lower(name)",
        f"DELETE FROM audiences WHERE {HELD} RETURNING current_timestamp",
    ],
    "UPDATE or DELETE": [
        f"UPDATE customers SET name = concat(name, $2) WHERE {HELD}",
        f"UPDATE customers SET created_at = now() WHERE {HELD}",
        f"UPDATE customers SET created_at = current_timestamp WHERE {HELD}",
        f"DELETE FROM customers WHERE {HELD} AND created_at < clock_timestamp()",
        f"DELETE FROM customers WHERE {HELD} AND created_at::date = $2",
        f"DELETE FROM boards WHERE {HELD} AND kind::text = $2",
        f"UPDATE customers SET created_at = created_at + interval '1 day' WHERE {HELD}",
        f"UPDATE customers SET created_at = created_at + $2 * cast('1 day' AS interval) WHERE {HELD}",
        (
            f"DELETE FROM orders WHERE {HELD} AND (source_id, customer_id) IN"
            " (SELECT source_id, id FROM customers WHERE account_id = $1)"
        ),
    ],
    "the account of a row never changes": [
        f"UPDATE customers SET account_id = $2 WHERE {HELD}",
        "UPDATE accounts SET id = $2 WHERE id = $1",
        (
            "INSERT INTO boards (account_id, id) VALUES ($1, $2) ON CONFLICT (account_id, id)"
            " DO UPDATE SET account_id = excluded.account_id"
        ),
    ],
    "is written in a CTE and named elsewhere": [
        (
            "WITH n AS (INSERT INTO audiences (account_id, name) VALUES ($1, $2) RETURNING id)"
            " SELECT count(*) FROM audiences WHERE account_id = $1"
        ),
        (
            "WITH n AS (DELETE FROM boards WHERE account_id = $1 RETURNING id)"
            " UPDATE boards SET version = 1 WHERE account_id = $1"
        ),
        (
            "WITH n AS (UPDATE boards SET version = 1 WHERE account_id = $1 AND id ="
            " (SELECT max(id) FROM boards WHERE account_id = $1) RETURNING id) SELECT id FROM n"
        ),
    ],
    "an OR of two arrays": [f"SELECT id FROM customers WHERE {HELD} AND (external_id = ANY($2) OR id = ANY($3))"],
    "names no account": ["INSERT INTO audiences (name) VALUES ($1)"],
    "does not begin with the column account_id": [
        f"INSERT INTO boards (account_id, id) SELECT $1, board_id FROM standings WHERE {HELD}",
        f"INSERT INTO boards (id, account_id) SELECT board_id, account_id FROM standings WHERE {HELD}",
    ],
    "begins with WITH": [
        (
            f"WITH s AS (SELECT account_id, board_id FROM standings WHERE {HELD})"
            " INSERT INTO boards (account_id, id) SELECT account_id, board_id FROM s"
        )
    ],
}
REFUSED = "read-only transaction|permission denied"

BAD_READS = {
    "it writes": ["INSERT INTO audiences (account_id, name) VALUES ($1, $2)", "TRUNCATE orders", "CREATE TABLE t ()"],
    "it locks": [f"SELECT id FROM sources WHERE {HELD} FOR UPDATE", f"SELECT id FROM sources WHERE {HELD} FOR SHARE"],
    "it moves a sequence": ["SELECT nextval('orders_id_seq')"],
}


@pytest.mark.parametrize("statement", GOOD)
def test_a_statement_that_keeps_to_the_rules_passes(statement):
    assert findings(statement) == []


@pytest.mark.parametrize(
    ("finding", "statement"), [(finding, each) for finding, statements in BAD.items() for each in statements]
)
def test_a_statement_that_breaks_a_rule_is_found(finding, statement):
    assert finding in " ".join(findings(statement))


@pytest.mark.parametrize(
    ("finding", "statement"), [(finding, each) for finding, statements in BAD_READS.items() for each in statements]
)
def test_a_read_that_writes_or_locks_is_found(finding, statement):
    assert finding in " ".join(findings(statement, "read"))


@pytest.mark.parametrize("purpose", OVER_ALL_ACCOUNTS)
def test_only_the_listed_statements_go_over_all_accounts_and_those_only_read(purpose):
    statement = text_of(OVER_ALL_ACCOUNTS[purpose])

    assert findings(statement, "read") == []
    assert findings(f"{statement} FOR UPDATE") != []
    assert findings(re.sub(r"\sFROM (\w+)", r", another FROM \1", statement, count=1)) != []


async def test_a_statement_that_breaks_a_rule_fails_the_test_that_runs_it(urls):
    statements = Statements()
    database = Database(with_asyncpg(urls.write), with_asyncpg(urls.read), pool_size=1, pool_wait_seconds=1)
    statements.watch(database)
    try:
        async with database.write() as conn:
            await conn.execute(text("SELECT name FROM customers"))
            await conn.execute(text("SELECT name FROM customers"))
            await conn.execute(text("SELECT :n + 1"), [{"n": 1}, {"n": 2}])
    finally:
        await database.close()

    once, many = statements.broken_rules()
    assert "customers is not held to one account" in once
    assert "executemany" in many
    assert statements.broken_rules() == []


async def test_postgresql_refuses_a_write_on_the_pool_for_reads(database, urls):
    for read_url in (with_asyncpg(urls.read), None):
        pools = Database(with_asyncpg(urls.write), read_url, pool_size=1, pool_wait_seconds=1)
        try:
            async with pools.read() as conn:
                assert (await conn.execute(text("SHOW default_transaction_read_only"))).scalar_one() == "on"
                for statement in ("UPDATE accounts SET name = ''", "SELECT nextval('accounts_id_seq')"):
                    with pytest.raises(DBAPIError, match=REFUSED):
                        await conn.execute(text(statement))
                with pytest.raises(DBAPIError, match="read-only transaction"):
                    await conn.execute(text("SELECT id FROM accounts FOR UPDATE"))
        finally:
            await pools.close()


# ---------------------------------------------------------------- plans

MOST_ROWS_OF_A_PROFILE = 7 * MOST_ROWS
MOST_BLOCKS = {
    "profile": 200,
    "page": 80,
    "keyset page": 80,
    "keyset page of a changed board": 120,
    "page of a moment ago": 120,
    "page with ranks of before": 160,
    "page around a customer": 120,
    "304": 20,
    "304 with ranks of before": 40,
    **{f"VIPs, {criteria}": 90 for criteria in Criteria},
}


async def grow(sql: asyncpg.Connection, database: Database, source: Source, first: int, last: int) -> None:
    """Customers first to last with one or two purchases each in January, their spend over three decades."""
    await sql.execute(
        "INSERT INTO customers (account_id, source_id, external_id, created_at)"
        " SELECT $1, $2, n, $5 FROM generate_series($3::int, $4::int) AS n",
        *(source.account_id, source.id, first, last, NOW),
    )
    await sql.execute(
        "INSERT INTO orders (account_id, source_id, order_id, customer_id, ordered_at, total, refunded, status,"
        "                    updated_at, content_hash, test)"
        " SELECT account_id, source_id, id || '-' || k, id, '2026-01-15Z', exp(7 + id * 7919 % 1000 * 0.007)::bigint,"
        "        0, 'paid', $5, k, false"
        " FROM customers CROSS JOIN LATERAL generate_series(0, id % 2) AS k"
        " WHERE account_id = $1 AND source_id = $2 AND external_id::int BETWEEN $3::int AND $4::int",
        *(source.account_id, source.id, first, last, NOW),
    )
    async with database.write() as conn:
        await rebuild(conn, source, NOW)
    await sql.execute("VACUUM ANALYZE customers, orders, standings, standing_buckets, standing_cells, boards, sources")


OTHER_STORES = """
    WITH others AS (
        INSERT INTO sources (account_id, audience_id, name, platform, currency, time_zone, week_start, boards_due_at,
                             created_at)
        SELECT account_id, audience_id, n, platform, currency, time_zone, week_start, boards_due_at, created_at
        FROM sources CROSS JOIN generate_series(1, 500) AS n
        RETURNING account_id, id)
    INSERT INTO boards (account_id, source_id, kind, start, counted_from, counted_until, customers, purchases, spend,
                        version)
    SELECT o.account_id, o.id, b.kind, b.start, b.counted_from, b.counted_until, 0, 0, 0, 0
    FROM boards AS b CROSS JOIN others AS o
"""


def hot_reads(source: Source, metric: Metric, place: dict[str, Any]) -> dict[str, tuple[Any, dict[str, Any]]]:
    def asked(*, compared: bool) -> dict[str, Any]:
        compare = Compare.PREVIOUS if compared else None
        question = resolve(source, metric, TimeFrame.YEAR_TO_DATE, NOW, compare=compare)
        return question.parameters() | {"limit": LIMIT}

    alone, compared = asked(compared=False), asked(compared=True)
    following = alone | place
    pages = {
        (continued, with_previous): select_board_page(
            metric, continued=continued, compare=Compare.PREVIOUS if with_previous else None, late=False
        )
        for continued, with_previous in ((False, False), (True, False), (False, True))
    }
    return {
        "page": (pages[False, False], alone),
        "keyset page": (pages[True, False], following),
        "keyset page of a changed board": (pages[True, False], following | {"version": -1}),
        "page of a moment ago": (select_board_page(metric, continued=False, compare=None, late=True), alone),
        "page with ranks of before": (pages[False, True], compared),
        "page around a customer": (select_page_start_on_board(metric), alone | {"around": place["customer"]}),
        "304": (select_board_version(compared=False), alone),
        "304 with ranks of before": (select_board_version(compared=True), compared),
        "profile": (SELECT_STANDINGS, profile_parameters(source, place["customer"])),
        **hot_segments(source),
    }


def profile_parameters(source: Source, customer: int) -> dict[str, Any]:
    frames = {time_frame: named_frame(time_frame, NOW, source.calendar) for time_frame in PROFILE_FRAMES}
    return source.key | {"customer_id": customer} | standings_parameters(frames)


def hot_segments(source: Source) -> dict[str, tuple[Any, dict[str, Any]]]:
    # At the beginning of a bucket: nearly all of it is counted one by one.
    given = Limits(least_value(50_000), None)
    bound = resolve_vips(source, NOW, 365, given).parameters() | {"limit": LIMIT}
    return {
        f"VIPs, {criteria}": (select_vip_page(criteria, Origin.BOARD, continued=False), bound) for criteria in Criteria
    }


@dataclass(frozen=True)
class Measured:
    """A hot read under a way of planning."""

    name: str
    mode: str
    plan: Plan


async def measured(sql: asyncpg.Connection, reader: asyncpg.Connection, source: Source) -> list[Measured]:
    place = await sql.fetchrow(
        "SELECT s.spend AS value, s.customer_id AS customer, b.id AS board, b.version, b.customers / 2 AS position,"
        "       (SELECT count(*) FROM standings n WHERE n.account_id = b.account_id AND n.board_id = b.id"
        "        AND n.spend > s.spend) + 1 AS rank"
        " FROM boards b JOIN standings s ON s.account_id = b.account_id AND s.board_id = b.id"
        " WHERE b.source_id = $1 AND b.kind = 'year' AND b.start = '2026-01-01Z'"
        " ORDER BY s.spend DESC, s.customer_id OFFSET (SELECT count(*) / 2 FROM customers) LIMIT 1",
        source.id,
    )
    found = []
    for mode in ("force_custom_plan", "force_generic_plan"):
        await reader.execute(f"SET plan_cache_mode = {mode}")
        for name, (statement, bound) in hot_reads(source, Metric.SPEND, dict(place)).items():
            found.append(Measured(name, mode, await plan_of(reader, statement, bound)))
    return found


@pytest.fixture
async def source(open_store, clock, database):
    """A store, as its figures need it."""
    clock.now = NOW
    store = await open_store()
    async with database.read() as conn:
        account_id = int(store.account.removeprefix("acc_"))
        return await read_source(conn, account_id, store.source_id)


@pytest.fixture
async def reader(urls):
    """A connection like those of the service's reads."""
    conn = await asyncpg.connect(urls.read)
    await conn.execute("SET plan_cache_mode = force_generic_plan")
    yield conn
    await conn.close()


async def test_hot_reads_stay_on_their_indexes_and_cost_the_same_at_ten_times_the_size(source, reader, sql, database):
    await sql.execute(OTHER_STORES)

    await grow(sql, database, source, 1, 1_200)
    small = await measured(sql, reader, source)
    await grow(sql, database, source, 1_201, 12_000)
    large = await measured(sql, reader, source)

    most_rows = {"profile": MOST_ROWS_OF_A_PROFILE}
    too_many = [(m.name, m.mode, m.plan.went_over_much(most_rows.get(m.name, MOST_ROWS))) for m in small + large]
    assert [each for each in too_many if each[2]] == []
    assert [(m.name, m.mode, m.plan.blocks) for m in small + large if m.plan.blocks > MOST_BLOCKS[m.name]] == []
    grown = [(s.name, s.mode, s.plan.blocks, m.plan.blocks) for s, m in zip(small, large, strict=True)]
    assert [each for each in grown if each[3] > each[2] + 3 * LIMIT] == []


@pytest.mark.parametrize("late", [False, True])
async def test_a_page_begins_where_the_one_before_has_ended_however_many_are_tied(source, reader, sql, database, late):
    await grow(sql, database, source, 1, 4_000)
    board = await sql.fetchrow("SELECT id, version FROM boards WHERE kind = 'year' AND start = '2026-01-01Z'")
    customer = await sql.fetchval("SELECT max(customer_id) - 1000 FROM standings WHERE purchases = 1")
    place = {"value": 1, "customer": customer, "position": 3500, "rank": 2001}
    question = resolve(source, Metric.PURCHASES, TimeFrame.YEAR_TO_DATE, NOW)
    bound = question.parameters() | place | {"limit": LIMIT, "board": board["id"], "version": board["version"]}
    statement = select_board_page(Metric.PURCHASES, continued=True, compare=None, late=late)
    plan = await plan_of(reader, statement, bound)

    walks = [node for node in plan.nodes if node.get("Index Name") == "standings_purchases_idx"]
    assert sum(node["Actual Rows"] for node in walks) > LIMIT
    assert [node["Rows Removed by Filter"] for node in walks if node.get("Rows Removed by Filter")] == []


async def test_a_page_of_vips_begins_where_the_one_before_has_ended_however_many_are_tied(
    source, reader, sql, database
):
    await grow(sql, database, source, 1, 6_000)
    await sql.execute("UPDATE orders SET total = 1000")
    async with database.write() as conn:
        await rebuild(conn, source, NOW)
    await sql.execute("VACUUM ANALYZE orders, standings, standing_buckets, standing_cells")
    question = resolve_vips(source, NOW, 365, Limits(1, 0))
    customer = await sql.fetchval("SELECT max(customer_id) - 1000 FROM standings WHERE spend = 1000")
    bound = question.parameters() | {"limit": LIMIT, "value": 1000, "customer": customer}
    for criteria in Criteria:
        plan = await plan_of(reader, select_vip_page(criteria, Origin.BOARD, continued=True), bound)
        walks = [node for node in plan.nodes if node.get("Index Name") == "standings_spend_idx"]
        assert max(node["Actual Rows"] for node in walks) > LIMIT
        assert [node["Rows Removed by Filter"] for node in walks if node.get("Rows Removed by Filter")] == []
