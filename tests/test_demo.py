"""The demo: what a first start on a fresh machine leaves, however often it was interrupted."""

import contextlib
import json
import re
import signal
import stat
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from conftest import NOW, wait_until
from processes import begun, command, ended, postgres_of, running

from app.demo import DEMO_STORES
from app.demo_orders import DemoStore, customer_rows, demo_customers, order_rows
from app.wire.ids import EXAMPLES

DATES = {"ordered_at", "updated_at", "marketing_at"}
MAKING = "Making the demo"

stores = pytest.mark.parametrize("store", DEMO_STORES, ids=lambda store: store.settings["language"])


def without_dates(rows: Iterator[dict[str, object]]) -> list[dict[str, object]]:
    return [{name: value for name, value in row.items() if name not in DATES} for row in rows]


@stores
def test_the_demo_is_the_same_whenever_it_is_made_but_for_its_dates(store: DemoStore):
    later = NOW + timedelta(days=40, seconds=7)

    assert [*order_rows(store, NOW)] == [*order_rows(store, NOW)]
    assert without_dates(order_rows(store, NOW)) == without_dates(order_rows(store, later))
    assert without_dates(customer_rows(store, NOW)) == without_dates(customer_rows(store, later))


@stores
def test_most_customers_of_the_demo_buy_once_or_twice_and_the_best_some_dozens_of_times(store: DemoStore):
    customers = demo_customers(store)
    orders = Counter(customer.orders for customer in customers)
    once_or_twice = (orders[1] + orders[2]) / len(customers)

    assert sum(customer.orders for customer in customers) == store.orders
    assert 0.6 < once_or_twice < 0.85
    assert 36 <= max(orders) <= 60
    assert max(customer.orders for customer in customers if customer.is_guest) <= 3
    assert 0.1 < sum(customer.is_guest for customer in customers) / len(customers) < 0.25


@stores
def test_nobody_in_the_demo_shares_a_name_or_an_address(store: DemoStore):
    customers = demo_customers(store)

    assert len({(customer.first_name, customer.last_name) for customer in customers}) == len(customers)
    assert len({customer.email for customer in customers}) == len(customers)
    assert all(re.fullmatch(r"[a-z]+\.[a-z]+@[a-z]+\.example", customer.email) for customer in customers)


@stores
def test_the_demo_has_a_few_orders_of_every_kind_and_none_in_the_future(store: DemoStore):
    rows = [*order_rows(store, NOW)]
    of_status = Counter(row["status"] for row in rows)
    ordered_at = [str(row["ordered_at"]) for row in rows]

    assert of_status.keys() >= {"paid", "refunded", "partially_refunded", "cancelled", "pending"}
    assert of_status["paid"] > 0.9 * len(rows)
    assert 1 <= sum(bool(row["test"]) for row in rows) <= 50
    assert ordered_at == sorted(ordered_at)
    assert ordered_at[-1] <= str(max(row["updated_at"] for row in rows)) <= NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert ordered_at[0] >= (NOW - timedelta(days=801)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_demo_is_too_small_to_have_an_id_that_the_document_shows():
    rows = sum(store.orders + len(demo_customers(store)) for store in DEMO_STORES)
    assert 2 * rows < min(int(example.partition("_")[2]) for example in EXAMPLES.values())


def test_the_stores_of_the_demo_speak_two_languages_and_write_in_their_own_names():
    for setting in ("name", "currency", "time_zone", "language", "url", "sender", "postal_address"):
        assert len({str(store.settings[setting]) for store in DEMO_STORES}) == 2, setting
    assert sum(store.orders for store in DEMO_STORES) == 50_000


# ---------------------------------------------------------------- the first start


def client_of(data_dir: Path, url: str) -> httpx.Client:
    key = (data_dir / "demo.key").read_text().strip()
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)


def found_in(data_dir: Path, url: str) -> dict[str, Any]:
    """What the API shows of the demo: ids, counts and who leads, but no dates."""
    with client_of(data_dir, url) as client:
        shown: dict[str, Any] = {"account": client.get("/account").json()["id"]}
        for source in client.get("/sources").json()["items"]:
            health = client.get(f"/sources/{source['id']}").json()["health"]
            board = {"audience": source["audience"], "source": source["id"], "time_frame": "all_time", "limit": 50}
            rows = client.get("/leaderboard", params=board).json()["items"]
            shown[source["id"]] = {
                "audience": source["audience"],
                "name": source["name"],
                "counts": [health["orders"], health["customers"]],
                "imports": [each["id"] for each in client.get(f"/sources/{source['id']}/imports").json()["items"]],
                "board": [(row["customer"]["id"], row["customer"]["name"], row["total_spend"]) for row in rows],
            }
        return shown


def people() -> Iterator[dict[str, object]]:
    return customer_rows(DEMO_STORES[0], NOW)


def assert_is_the_demo(shown: dict[str, Any]) -> None:
    assert shown["account"] == "acc_1"
    assert [*shown] == ["account", "src_1", "src_2"]
    assert [shown[each]["audience"] for each in ("src_1", "src_2")] == ["aud_1", "aud_2"]
    assert [shown[each]["name"] for each in ("src_1", "src_2")] == ["Bottega Roma", "Teehaus Zürich"]
    for source, store in zip(("src_1", "src_2"), DEMO_STORES, strict=True):
        assert shown[source]["counts"] == [store.orders, len(demo_customers(store))]
        assert len(shown[source]["imports"]) == 2
        names = [name for _, name, _ in shown[source]["board"]]
        assert len({*names}) == len(names) == 50
    ids = {f"{row['first_name']} {row['last_name']}": f"cus_{number}" for number, row in enumerate(people(), 1)}
    assert all(customer == ids[name] for customer, name, _ in shown["src_1"]["board"])


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_first_start_makes_the_demo_once_and_the_questions_that_it_prints_work(tmp_path):
    data_dir = tmp_path / "var"
    with running(data_dir, DEMO="1") as service:
        said = service.said()
        questions = re.findall(r"^\s+(curl .*)$", said, re.MULTILINE)
        answers = [asked(question) for question in questions]
        made = found_in(data_dir, service.url)
    with running(data_dir, DEMO="1") as second:
        repeated = second.said()
        found = found_in(data_dir, second.url)
    verified = command(data_dir, "verify")

    assert said.startswith(MAKING)
    assert MAKING not in repeated
    assert_is_the_demo(made)
    assert found == made
    assert len(questions) == 3
    assert [len(json.loads(answer)["items"]) for answer in answers[:2]] == [3, 3]
    assert answers[2].startswith("rank,customer_id,")
    assert len(answers[2].splitlines()) == 10
    assert "llb_" not in said + repeated
    assert stat.S_IMODE((data_dir / "demo.key").stat().st_mode) == 0o600
    assert (verified.code, verified.out.count(": true")) == (0, 2)


def asked(question: str) -> str:
    done = subprocess.run(["/bin/sh", "-c", question], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def begun_to_make(data_dir: Path) -> subprocess.Popen[str]:
    """A service that has begun to make the demo."""
    process = begun(data_dir, "serve", DEMO="1")
    assert process.stderr is not None
    assert MAKING in process.stderr.readline()
    return process


def kill_all(process: subprocess.Popen[str]) -> None:
    """Kill the service and its PostgreSQL at once, as a power cut would."""
    family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
    for pid in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).kill()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_demo_that_was_killed_at_any_moment_is_begun_anew_and_has_the_same_ids(tmp_path):
    data_dir = tmp_path / "var"
    for seconds, kill in ((0.2, kill_all), (1, subprocess.Popen.kill), (2.5, kill_all), (5, subprocess.Popen.kill)):
        process = begun_to_make(data_dir)
        time.sleep(seconds)
        kill(process)
        ended(process)
        assert not (data_dir / "cluster").exists()

    process = begun_to_make(data_dir)
    wait_until((data_dir / "demo.key").exists, 240)
    kill_all(process)
    ended(process)

    with running(data_dir, DEMO="1") as service:
        assert_is_the_demo(found_in(data_dir, service.url))
    assert command(data_dir, "verify").out.splitlines() == ["src_1: true", "src_2: true"]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_command_waits_for_the_demo_and_a_second_service_says_that_one_runs(tmp_path):
    data_dir = tmp_path / "var"
    process = begun_to_make(data_dir)
    waiting = begun(data_dir, "verify")
    second = command(data_dir, "serve", DEMO="1")
    try:
        wait_until((data_dir / "port").exists, 240)
        verified = ended(waiting)
    finally:
        process.terminate()
        ended(process)

    assert second.lines == [
        f"loyalty-leaderboard: another service already runs on {data_dir}; stop it or set DATA_DIR to another"
    ]
    assert (verified.code, verified.out.splitlines()) == (0, ["src_1: true", "src_2: true"])


def test_ctrl_c_while_the_demo_is_made_ends_all_and_leaves_no_database(tmp_path):
    data_dir = tmp_path / "var"
    process = begun_to_make(data_dir)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    done = ended(process)

    assert done.code == 130
    assert done.lines == ["loyalty-leaderboard: stopped"]
    assert not (data_dir / "cluster").exists()
    assert postgres_of(data_dir, "cluster.new") == []


def test_a_folder_that_has_a_database_gets_no_demo_and_the_service_says_so(tmp_path):
    data_dir = tmp_path / "var"
    assert command(data_dir, "migrate").code == 0

    with running(data_dir, DEMO="1") as service:
        said = service.said()

    assert f"{data_dir} has a database without accounts; only a new DATA_DIR begins with the demo" in said
    assert not (data_dir / "demo.key").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_with_a_clock_that_stands_still_every_demo_is_the_same_to_the_byte(tmp_path):
    data_dir = tmp_path / "var"
    at = {"CLOCK": "2026-11-21T09:00:00Z", "PORT": "0"}
    told = [command(data_dir, "demo", **at)]
    first = pages_of_demo(data_dir, **at)
    refused = command(data_dir, "demo", **at)
    told.append(command(data_dir, "demo", "--reset", **at))
    again = pages_of_demo(data_dir, **at)

    assert [each.code for each in told] == [0, 0]
    assert (refused.code, len(refused.lines)) == (1, 1)
    assert "--reset" in refused.lines[0]
    assert first == again
    assert b'"next_cursor": "' in first[0]


def pages_of_demo(data_dir: Path, **settings: str) -> list[bytes]:
    key = (data_dir / "demo.key").read_text().strip()
    where = {"audience": "aud_1", "source": "src_1"}
    with (
        running(data_dir, **settings) as service,
        httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {key}"}) as client,
    ):
        asked = (
            *(("/leaderboard", {"time_frame": frame}) for frame in ("month_to_date", "last_365_days", "all_time")),
            ("/leaderboard", {"time_frame": "last_quarter", "compare": "previous", "limit": "1000"}),
            ("/segments/vip", {}),
        )
        pages = [client.get(path, params=where | more) for path, more in asked]
        pages.append(client.get("/customers/cus_1"))
    assert {page.status_code for page in pages} == {200}
    return [page.content for page in pages]
