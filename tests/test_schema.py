"""The schema: what keeps it fit for a cluster, asked of the migrated database, and its migrations."""

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from conftest import ROOT, Server, with_asyncpg
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.tables import metadata

ANSWERS = ("Why", "Locks", "Takes", "Old app", "Undo")
LONGEST_REVISION = 32
"""What alembic_version can hold."""

TABLES = """
    SELECT c.oid::regclass::text AS name, c.relkind::text, c.relpersistence::text, c.relhastriggers,
           EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)) AS inherits
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'f', 'm', 'v')
      AND c.relname <> 'alembic_version'
    ORDER BY 1
"""
COLUMNS = """
    SELECT a.attrelid::regclass::text AS table, a.attname AS name, a.atttypid::regtype::text AS type, a.attnotnull,
           a.attidentity::text, a.attgenerated::text
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'alembic_version'
      AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY 1, a.attnum
"""
KEYS = """
    SELECT i.indrelid::regclass::text AS table, i.indexrelid::regclass::text AS name, i.indisprimary, i.indisunique,
           i.indisexclusion, i.indpred IS NOT NULL AS partial, i.indisvalid,
           ARRAY(SELECT coalesce(a.attname, '(expression)')
                 FROM unnest(i.indkey::int[]) WITH ORDINALITY AS k (number, place)
                 LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
                 WHERE k.place <= i.indnkeyatts ORDER BY k.place) AS columns
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'
    ORDER BY 1, 2
"""
REFERENCES = """
    SELECT f.conname AS name, f.conrelid::regclass::text AS table, f.confrelid::regclass::text AS parent,
           f.confdeltype::text, f.confupdtype::text, f.convalidated,
           ARRAY(SELECT a.attname FROM unnest(f.conkey) WITH ORDINALITY AS k (number, place)
                 JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.number ORDER BY place) AS columns,
           ARRAY(SELECT a.attname FROM unnest(f.confkey) WITH ORDINALITY AS k (number, place)
                 JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.number ORDER BY place) AS targets
    FROM pg_constraint f
    WHERE f.contype = 'f' AND f.connamespace = 'public'::regnamespace
    ORDER BY 1
"""
EVERYTHING = """
    SELECT 'column ' || a.attrelid::regclass || '.' || a.attname
           || ' ' || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
           || CASE a.attgenerated WHEN '' THEN ' default ' ELSE ' generated ' || a.attgenerated::text || ' ' END
           || coalesce(pg_get_expr(d.adbin, d.adrelid), 'none')
           || ' ' || a.attidentity::text || ' ' || coalesce(l.collname, '') AS line
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
    UNION ALL
    SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT 'sequence ' || seqrelid::regclass || ' ' || seqtypid::regtype || ' ' || seqstart || ' ' || seqincrement
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'enum ' || t.typname || ' ' || string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
    FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid GROUP BY t.typname
    UNION ALL
    SELECT 'function ' || oid::regprocedure FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'trigger ' || tgrelid::regclass || ' ' || tgname FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT 'view ' || c.oid::regclass FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('v', 'm', 'f', 'p')
    ORDER BY 1
"""


def tenant_column(table: str) -> str:
    return "id" if table == "accounts" else "account_id"


async def everything(conn: asyncpg.Connection) -> list[str]:
    """What the database holds but for Alembic's own table, a line each."""
    return [row["line"] for row in await conn.fetch(EVERYTHING) if "alembic_version" not in row["line"]]


# ---------------------------------------------------------------- fit for a cluster


async def test_every_table_has_the_account_first_in_its_primary_key(sql):
    tables = {row["name"] for row in await sql.fetch(TABLES)}
    accounts = {
        row["table"]: (row["type"], row["attnotnull"], row["attgenerated"])
        for row in await sql.fetch(COLUMNS)
        if row["name"] == tenant_column(row["table"])
    }
    primary = {row["table"]: row["columns"][0] for row in await sql.fetch(KEYS) if row["indisprimary"]}

    assert tables == set(metadata.tables)
    assert accounts == dict.fromkeys(tables, ("bigint", True, ""))
    assert primary == {table: tenant_column(table) for table in tables}


async def test_every_unique_key_contains_the_account(sql):
    without = [
        row["name"]
        for row in await sql.fetch(KEYS)
        if (row["indisunique"] or row["indisexclusion"]) and tenant_column(row["table"]) not in row["columns"]
    ]
    assert without == []


async def test_every_reference_stays_inside_its_account(sql):
    references = await sql.fetch(REFERENCES)
    astray = [
        row["name"]
        for row in references
        if (tenant_column(row["table"]), tenant_column(row["parent"]))
        not in zip(row["columns"], row["targets"], strict=True)
    ]
    assert len(references) > 5
    assert astray == []


async def test_no_reference_sets_columns_to_null_or_default(sql):
    references = await sql.fetch(REFERENCES)

    assert [row["name"] for row in references if {row["confdeltype"], row["confupdtype"]} - {"a", "r", "c"}] == []
    assert [row["name"] for row in references if not row["convalidated"]] == []


async def test_every_reference_has_a_full_index_that_starts_with_its_columns(sql):
    keys = await sql.fetch(KEYS)
    without = [
        reference["name"]
        for reference in await sql.fetch(REFERENCES)
        if not any(
            key["table"] == reference["table"]
            and key["columns"][: len(reference["columns"])] == reference["columns"]
            and not key["partial"]
            and key["indisvalid"]
            for key in keys
        )
    ]
    assert without == []


async def test_there_are_only_plain_logged_tables_without_triggers_and_rules(sql):
    odd = [
        dict(row)
        for row in await sql.fetch(TABLES)
        if (row["relkind"], row["relpersistence"], row["inherits"]) != ("r", "p", False)
    ]
    assert odd == []
    assert await sql.fetch("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal") == []
    assert await sql.fetch("SELECT polname FROM pg_policy") == []
    assert await sql.fetch("SELECT rulename FROM pg_rules WHERE schemaname = 'public'") == []


async def test_ids_come_from_big_sequences_and_no_column_is_an_identity(sql):
    sequences = await sql.fetch(
        "SELECT s.seqrelid::regclass::text AS name, s.seqtypid::regtype::text AS type, d.refobjid IS NOT NULL AS owned"
        " FROM pg_sequence s LEFT JOIN pg_depend d ON d.objid = s.seqrelid AND d.deptype = 'a'"
    )

    assert len(sequences) > 5
    assert {(row["type"], row["owned"]) for row in sequences} == {("bigint", True)}
    assert [row["name"] for row in await sql.fetch(COLUMNS) if row["attidentity"]] == []


# ---------------------------------------------------------------- tables.py and the migrations


@pytest.mark.filterwarnings("ignore:Computed default")  # the next test compares them by PostgreSQL's own words
async def test_the_migrated_database_is_what_tables_py_says(urls):
    engine = create_async_engine(with_asyncpg(urls.write), poolclass=NullPool)

    def differences(conn: Connection) -> list[object]:
        # Alembic cannot compare the default of an id with an owned sequence; the next test compares all defaults.
        return list(compare_metadata(MigrationContext.configure(conn, opts={"compare_type": True}), metadata))

    async with engine.connect() as conn:
        assert await conn.run_sync(differences) == []


@pytest.fixture
def empty_database(postgres: Server) -> Iterator[str]:
    name = "empty_one"
    asyncio.run(postgres.run(f"CREATE DATABASE {name} OWNER loyalty"))
    yield postgres.write.removesuffix("loyalty") + name
    asyncio.run(postgres.run(f"DROP DATABASE {name} WITH (FORCE)"))


def held(url: str) -> list[str]:
    async def asked() -> list[str]:
        conn = await asyncpg.connect(url)
        try:
            return await everything(conn)
        finally:
            await conn.close()

    return asyncio.run(asked())


def test_a_database_made_from_tables_py_is_the_migrated_one_to_the_last_check_and_default(postgres, empty_database):
    async def create() -> None:
        engine = create_async_engine(with_asyncpg(empty_database), poolclass=NullPool)
        async with engine.begin() as conn:
            await conn.run_sync(metadata.create_all)

    asyncio.run(create())

    assert held(empty_database) == held(postgres.write)


def test_up_down_up_ends_where_it_began_and_down_leaves_nothing(empty_database):
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = empty_database

    command.upgrade(config, "head")
    first = held(empty_database)
    command.downgrade(config, "base")
    down = held(empty_database)
    command.upgrade(config, "head")

    assert len(first) > 100
    assert down == []
    assert held(empty_database) == first


def test_each_migration_can_be_undone_and_done_again(empty_database):
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = empty_database

    for script in reversed(migrations()):
        before = held(empty_database)
        command.upgrade(config, script.revision)
        after = held(empty_database)
        command.downgrade(config, "-1")
        assert held(empty_database) == before
        command.upgrade(config, script.revision)
        assert held(empty_database) == after


def migrations() -> list[Script]:
    """Newest first."""
    return list(ScriptDirectory.from_config(Config(ROOT / "alembic.ini")).walk_revisions())


def test_every_migration_answers_what_an_operator_asks():
    silent = {
        script.revision: missing
        for script in migrations()
        if (missing := [word for word in ANSWERS if not re.search(rf"^{word}: \S", script.longdoc, re.MULTILINE)])
    }
    assert silent == {}


def test_every_migration_file_is_dated_and_named_like_its_revision():
    for script in migrations():
        name = Path(script.path).stem
        assert datetime.strptime(name[:15], "%Y_%m_%d_%H%M").replace(tzinfo=UTC)
        assert re.fullmatch(r"\d{4}_\d{2}_\d{2}_\d{4}(_[a-z0-9]+)+", name)
        assert script.revision == name
        assert len(script.revision) <= LONGEST_REVISION


def test_the_order_of_the_files_is_the_order_of_the_revisions():
    files = sorted(path.stem for path in (ROOT / "migrations" / "versions").glob("*.py"))

    assert files == [script.revision for script in reversed(migrations())]


def test_every_migration_limits_how_long_it_waits_and_works():
    for script in migrations():
        text = Path(script.path).read_text("utf-8")
        for direction in text.split("\ndef ")[-2:]:
            assert "SET LOCAL lock_timeout" in direction, script.revision
            assert "SET LOCAL statement_timeout" in direction, script.revision


def test_migrations_are_one_line_without_branches():
    scripts = ScriptDirectory.from_config(Config(ROOT / "alembic.ini"))

    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1
