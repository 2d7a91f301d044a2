"""Commands: `python -m app …` as an operator has it, in processes of their own."""

import asyncio
import gzip
import itertools
import json
import re
import signal
import socket
import threading
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import asyncpg
import httpx
import pytest
from conftest import ROOT, wait_until
from processes import Shop, begun, command, ended, postgres_of, running

from app import mailing
from app.local_postgres import local_postgres
from app.messages.sending.deliver_messages import GRACE_SECONDS
from app.serving import DRAIN_SECONDS
from app.settings import SettingsError, read_settings

WRONG_SETTINGS = 2
HEADER = "order_id,customer_id,name,ordered_at,total,status,updated_at"


def row(number: int) -> dict[str, str]:
    """An order whose figures are easy to add up: number `n` costs n cents and is of customer n mod 10."""
    return {
        "order_id": f"o{number}",
        "customer_id": f"c{number % 10}",
        "name": f"Customer {number % 10}",
        "ordered_at": "2026-01-15T12:00:00Z",
        "total": f"{number // 100}.{number % 100:02}",
        "status": "paid",
        "updated_at": "2026-01-15T12:00:00Z",
    }


def as_csv(numbers: range) -> bytes:
    return "\n".join([HEADER, *(",".join(row(number).values()) for number in numbers), ""]).encode()


def as_ndjson(numbers: range) -> bytes:
    return "".join(json.dumps(row(number)) + "\n" for number in numbers).encode()


def expected(*ranges: range) -> dict[str, tuple[int, str]]:
    cents, purchases = Counter[str](), Counter[str]()
    for number in itertools.chain(*ranges):
        cents[f"c{number % 10}"] += number
        purchases[f"c{number % 10}"] += 1
    return {customer: (purchases[customer], f"{Decimal(cents[customer]) / 100:.2f}") for customer in purchases}


# ---------------------------------------------------------------- settings


def test_a_wrong_setting_is_one_line_that_names_it_and_exit_status_2(tmp_path):
    wrong = {
        "PORT": "abc",
        "POOL_SIZE": "0",
        "HOST": "999.1.1.1",
        "DATABASE_URL": "mysql://ada:secret@x",
        "READ_DATABASE_URL": "postgresql://ada:secret@127.0.0.1:abc/x",
    }
    started = {name: begun(tmp_path / "var", "serve", **{name: value}) for name, value in wrong.items()}
    started["/proc/nowhere"] = begun(Path("/proc/nowhere"), "serve")
    for name, process in started.items():
        done = ended(process)
        assert (done.code, done.out) == (WRONG_SETTINGS, ""), name
        assert len(done.lines) == 1, done.err
        assert done.lines[0].startswith("loyalty-leaderboard: ")
        assert name in done.lines[0]
        assert "secret" not in done.err
    assert not (tmp_path / "var").exists()


def test_the_way_that_mail_is_sent_is_known_in_any_case(monkeypatch):
    monkeypatch.setenv("MAIL_WEBHOOK_SECRET", "user:password")
    for url, provider in (("POSTMARK://token", "postmark"), ("smtp://relay.example", None)):
        monkeypatch.setenv("MAIL_URL", url)
        reports = mailing.feedback_source(read_settings())
        assert (reports and reports.provider) == provider
    monkeypatch.delenv("MAIL_WEBHOOK_SECRET")
    monkeypatch.setenv("MAIL_URL", "Maildir:var/mail")
    mailing.check(read_settings())


@pytest.mark.parametrize(
    ("public_url", "wrong"),
    [
        ("", "must be the public address"),
        ("http://shop.example", "must begin with https://"),
        ("https://shop.example/loyal", None),
        ("http://127.0.0.1:8000", None),
    ],
)
def test_mail_leaves_only_with_links_that_mail_programs_unsubscribe_over(monkeypatch, public_url, wrong):
    monkeypatch.setenv("PUBLIC_URL", public_url)
    mailing.check(read_settings())
    monkeypatch.setenv("MAIL_URL", "smtp://relay.example")
    if wrong is None:
        mailing.check(read_settings())
        return
    with pytest.raises(SettingsError, match=f"PUBLIC_URL: {wrong}"):
        mailing.check(read_settings())


def test_a_port_in_use_is_one_line_before_anything_is_begun(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = command(tmp_path / "var", "serve", PORT=port)

    assert (done.code, done.out) == (WRONG_SETTINGS, "")
    assert done.lines == [f"loyalty-leaderboard: PORT: cannot listen on 127.0.0.1:{port}: Address already in use"]
    assert not (tmp_path / "var").exists()


@pytest.mark.slow
def test_a_database_that_cannot_be_used_is_one_line(data_dir):
    with local_postgres(data_dir) as urls:
        stranger = urls.write.replace("loyalty:", "loyalty:not", 1)
        nowhere = urls.write.replace("@127.0.0.1:", "@127.0.0.1:1", 1).rsplit(":", 1)[0] + ":9/loyalty"
        absent = urls.write.removesuffix("loyalty") + "absent"
        tried = [begun(data_dir, "verify", DATABASE_URL=url) for url in (stranger, nowhere, absent)]
        done = [ended(process) for process in tried]
        served = command(data_dir, "serve", DATABASE_URL=stranger)

    for each in (*done, served):
        assert each.code == 1, each.err
        assert len(each.lines) == 1, each.err
        assert "Traceback" not in each.err


@pytest.mark.slow
def test_a_command_on_a_database_that_is_not_migrated_says_what_to_do(tmp_path):
    done = command(tmp_path / "var", "verify")

    assert (done.code, done.lines) == (
        1,
        ["loyalty-leaderboard: the database is not migrated: run `python -m app migrate`"],
    )


# ---------------------------------------------------------------- containers


def test_containers_are_given_the_time_to_stop_that_mails_under_way_may_take():
    given = re.search(r"stop_grace_period: (\d+)s", (ROOT / "compose.yaml").read_text())

    assert given
    assert int(given[1]) > DRAIN_SECONDS + 2 * GRACE_SECONDS


# ---------------------------------------------------------------- import, verify, rebuild


@pytest.mark.slow
def test_a_file_of_each_form_is_imported_while_the_service_runs_and_without_it(data_dir, tmp_path):
    files = {
        "a.csv": as_csv(range(1, 41)),
        "b.csv.gz": gzip.compress(as_csv(range(41, 81))),
        "c.ndjson": as_ndjson(range(81, 121)),
        "d.ndjson.gz": gzip.compress(as_ndjson(range(121, 161))),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    with running(data_dir) as service:
        shop = Shop.opened(service.url)
        beside = [command(data_dir, "import", shop.source, str(tmp_path / name)) for name in ("a.csv", "d.ndjson.gz")]
        seen = shop.figures(service.url)
    alone = [command(data_dir, "import", shop.source, str(tmp_path / name)) for name in ("b.csv.gz", "c.ndjson")]
    again = command(data_dir, "import", shop.source, str(tmp_path / "a.csv"))
    verified = command(data_dir, "verify")

    assert seen == expected(range(1, 41), range(121, 161))
    for done in (*beside, *alone):
        assert (done.code, done.err) == (0, "")
        assert re.fullmatch(
            r"imp_\d+: 40 received, 40 created, 0 updated, 0 unchanged, 0 folded, 0 ignored, 0 rejected\n", done.out
        )
    assert "0 created, 0 updated, 40 unchanged" in again.out
    assert (verified.code, verified.out, verified.err) == (0, f"{shop.source}: true\n", "")
    assert postgres_of(data_dir) == []


@pytest.mark.slow
def test_what_cannot_be_imported_is_one_line_and_refused_rows_a_line_each(data_dir, tmp_path):
    (tmp_path / "good.csv").write_bytes(as_csv(range(1, 3)))
    (tmp_path / "columns.csv").write_text("order_id,surprise\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(as_csv(range(1, 3000)))[:-2000])
    (tmp_path / "rows.csv").write_text(f"{HEADER}\n1,c,C,yesterday,1.00,paid,\n2,c,C,2026-01-01T00:00:00Z,1.00,paid,\n")

    with running(data_dir) as service:
        shop = Shop.opened(service.url)
        tried = {
            "there is no source src_999999": ("src_999999", "good.csv"),
            "there is no source nonsense": ("nonsense", "good.csv"),
            "there is no file": (shop.source, "absent.csv"),
            "rows have no field surprise": (shop.source, "columns.csv"),
            "The first line of a CSV must name the columns": (shop.source, "empty.csv"),
            "The gzip stream ends early": (shop.source, "cut.csv.gz"),
        }
        done = {
            said: command(data_dir, "import", source, str(tmp_path / file)) for said, (source, file) in tried.items()
        }
        dry = command(data_dir, "import", shop.source, str(tmp_path / "rows.csv"), "--dry-run", "--lenient")
        rows = command(data_dir, "import", shop.source, str(tmp_path / "rows.csv"))
        lenient = command(data_dir, "import", shop.source, str(tmp_path / "rows.csv"), "--lenient")

    for said, each in done.items():
        assert (each.code, len(each.lines)) == (1, 1), each.err
        assert said in each.lines[0]
    assert (rows.code, lenient.code, dry.code) == (1, 0, 0)
    assert re.search(r"2 .*1 .*refused .*invalid_ordered_at", rows.err)
    assert "2 received, 1 created, 0 updated, 0 unchanged, 0 folded, 0 ignored, 1 rejected" in rows.out
    assert "dry run: 2 received, 1 created" in dry.out
    assert "1 unchanged" in lenient.out


async def run_sql(data_dir: Path, *statements: str) -> None:
    with local_postgres(data_dir, share=True) as urls:
        conn = await asyncpg.connect(urls.write)
        for statement in statements:
            await conn.execute(statement)
        await conn.close()


@pytest.mark.slow
async def test_verify_finds_a_planted_difference_of_each_kind_and_rebuild_repairs_the_boards(data_dir, tmp_path):
    (tmp_path / "good.csv").write_bytes(as_csv(range(1, 41)))
    with running(data_dir) as service:
        shop = Shop.opened(service.url)
        command(data_dir, "import", shop.source, str(tmp_path / "good.csv"))
        await run_sql(
            data_dir,
            "UPDATE standings SET spend = spend + 1 WHERE (board_id, customer_id) ="
            " (SELECT board_id, customer_id FROM standings ORDER BY 1, 2 LIMIT 1)",
            "UPDATE boards SET purchases = purchases - 1 WHERE kind = 'all_time'",
            "UPDATE standing_buckets SET customers = customers + 1"
            " WHERE metric = 'total_spend' AND least_value = (SELECT max(least_value) FROM standing_buckets"
            " WHERE metric = 'total_spend')",
        )
        found = command(data_dir, "verify")
        one = command(data_dir, "rebuild", shop.source)
        repaired = command(data_dir, "verify", shop.source)
        figures = shop.figures(service.url)
        await run_sql(data_dir, "UPDATE sources SET orders = orders + 1")
        counts = command(data_dir, "verify")

    assert found.code == 1
    assert len(found.lines) == 1
    assert "rebuild" in found.lines[0]
    for kind in ("standing of customer", "totals of the board", "buckets of the board"):
        assert f"{shop.source}: {kind}" in found.out
    assert (one.code, one.out, one.err) == (0, f"{shop.source}: rebuilt\n", "")
    assert (repaired.code, repaired.out) == (0, f"{shop.source}: true\n")
    assert figures == expected(range(1, 41))
    assert (counts.code, counts.out) == (1, f"{shop.source}: the source's own counts\n")


# ---------------------------------------------------------------- serve


def test_a_second_service_on_the_same_data_is_refused_in_one_line(data_dir):
    with running(data_dir) as service:
        second = command(data_dir, "serve")
        assert httpx.get(f"{service.url}/readyz").status_code == httpx.codes.OK

    assert (second.code, second.out) == (WRONG_SETTINGS, "")
    assert second.lines == [
        f"loyalty-leaderboard: another service already runs on {data_dir}; stop it or set DATA_DIR to another"
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_ends_the_service_in_seconds_after_the_answers_under_way(data_dir, number):
    with running(data_dir) as service:
        shop = Shop.opened(service.url)
        begun_sending, answers = threading.Event(), []

        def slowly():
            content = as_csv(range(1, 101))
            yield content[:2000]
            begun_sending.set()
            time.sleep(1.5)
            yield content[2000:]

        def upload() -> None:
            headers = shop.auth | {"Content-Type": "text/csv"}
            url = f"{service.url}/sources/{shop.source}/imports"
            answers.append(httpx.post(url, content=slowly(), headers=headers, timeout=60))

        client = threading.Thread(target=upload)
        client.start()
        begun_sending.wait(10)
        time.sleep(0.2)
        service.process.send_signal(number)
        begun_at = time.monotonic()
        wait_until(lambda: is_refused(service.url), 5)
        client.join(30)
        service.process.wait(20)
        seconds = time.monotonic() - begun_at

    assert [(answer.status_code, answer.json()["created"]) for answer in answers] == [(201, 100)]
    assert service.process.returncode == 0
    assert seconds < 15
    assert "Traceback" not in service.said()
    assert postgres_of(data_dir) == []
    assert not (data_dir / "port").exists()
    assert "database system is shut down" in (data_dir / "postgres.log").read_text()


def is_refused(url: str) -> bool:
    try:
        httpx.get(f"{url}/livez", timeout=1)
    except httpx.ConnectError:
        return True
    except httpx.TransportError:  # it was waiting to be accepted when the port was closed
        return False
    return False


def test_without_a_demo_the_service_says_one_sentence_and_logs_json_lines(data_dir):
    with running(data_dir, DEMO="0") as service:
        shop = Shop.opened(service.url)
        shop.board(service.url)
    first, *lines = service.said().splitlines()

    assert first == f"Serving {service.url} (docs at /docs)"
    assert len(lines) >= 4
    assert all(isinstance(json.loads(line), dict) for line in lines)


async def test_a_database_of_an_unknown_version_is_left_alone_and_said_so(postgres, tmp_path):
    await postgres.run("CREATE DATABASE of_another_version TEMPLATE loyalty OWNER loyalty")
    url = postgres.write.removesuffix("loyalty") + "of_another_version"
    conn = await asyncpg.connect(url)
    await conn.execute("UPDATE alembic_version SET version_num = '2026_11_22_folded_names'")

    ended = await asyncio.to_thread(command, tmp_path, "migrate", DATABASE_URL=url)

    assert ended.code == 2
    told = "the database was made by another version of this service; use that version or an empty database"
    assert ended.lines == [f"loyalty-leaderboard: {told}"]
    assert await conn.fetchval("SELECT version_num FROM alembic_version") == "2026_11_22_folded_names"
    await conn.close()


async def test_services_that_start_together_migrate_one_after_the_other(postgres, tmp_path):
    await postgres.run("CREATE DATABASE empty_together TEMPLATE template0 OWNER loyalty")
    url = postgres.write.removesuffix("loyalty") + "empty_together"

    both = [begun(tmp_path, "migrate", DATABASE_URL=url) for _ in range(2)]

    assert [(done.code, done.err) for done in map(ended, both)] == [(0, ""), (0, "")]
    await postgres.run("DROP DATABASE empty_together WITH (FORCE)")


def test_a_service_whose_embedded_database_is_killed_ends_with_one_line(tmp_path):
    data_dir = tmp_path / "var"
    with running(data_dir) as service:
        min(postgres_of(data_dir), key=lambda each: each.create_time()).kill()
        code = service.process.wait(40)
        said = service.said()
    assert code == 1
    assert "the embedded PostgreSQL has ended; start the service again" in said
    assert "Traceback" not in said
