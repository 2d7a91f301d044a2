"""Monitoring: what the engineer at night is told, by metrics, by health and by the log."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime

import httpx
import pytest
from answers import problem
from conftest import ROOT, wait_until
from processes import begun, ended, environment, running
from shop import order
from structlog.testing import capture_logs

from app.boards.source import SET_BOARDS_DUE_AT
from app.database.rows import change_rows
from app.local_postgres import local_postgres
from app.mail.contract import Accepted, Deferred, Misconfigured, Refused
from app.messages.sending.mail_server_watch import MailServerWatch
from app.messages.sending.settle_messages import INTERRUPTED
from app.process_metrics import Metrics


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def value(text: str, line: str) -> float:
    """The value of a line of Prometheus's form."""
    found = re.search(rf"^{re.escape(line)} (\S+)$", text, re.MULTILINE)
    assert found, line
    return float(found[1])


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def test_metrics_and_health_have_a_port_of_their_own_in_the_api_and_in_the_worker(data_dir, tmp_path):
    port, workers_port = free_port(), free_port()
    with running(data_dir, METRICS_PORT=str(port), WORKER="0") as service:
        assert httpx.get(f"{service.url}/metrics").status_code == 404
        assert httpx.get(f"{service.url}/livez").status_code == 200
        url = f"http://127.0.0.1:{port}"
        assert [httpx.get(f"{url}/{path}").status_code for path in ("livez", "readyz", "accounts")] == [200, 200, 404]
        text = httpx.get(f"{url}/metrics").text
        assert value(text, "threads") >= 1
        assert value(text, "imports_running") == 0
        assert 0 <= value(text, "event_loop_lag_seconds") < 5
        assert value(text, "worker_last_round_timestamp_seconds") == 0

        worker = begun(data_dir, "worker", METRICS_PORT=str(workers_port), DATABASE_URL=database_of(data_dir))
        try:
            wait_until(lambda: answers(f"http://127.0.0.1:{workers_port}/readyz"))
            wait_until(lambda: last_round(workers_port) > time.time() - 60)
        finally:
            worker.terminate()
        done = ended(worker)
    assert done.code == 0
    assert all(json.loads(line)["message"] for line in done.lines)


def last_round(port: int) -> float:
    return value(httpx.get(f"http://127.0.0.1:{port}/metrics").text, "worker_last_round_timestamp_seconds")


def database_of(data_dir) -> str:
    with local_postgres(data_dir, share=True) as urls:
        return urls.write


def test_a_port_for_metrics_that_is_taken_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = ended(begun(tmp_path / "var", "serve", METRICS_PORT=port))
    assert (done.code, done.lines) == (
        2,
        [f"loyalty-leaderboard: METRICS_PORT: cannot listen on 127.0.0.1:{port}: Address already in use"],
    )


@pytest.mark.parametrize("after", [0.5, 1.5])
def test_ctrl_c_at_the_start_prints_one_line(tmp_path, after):
    process = begun(tmp_path / "var", "serve")
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    done = ended(process)
    assert done.code in {130, -signal.SIGINT}
    assert [line for line in done.lines if line] in ([], ["loyalty-leaderboard: stopped"])


KEYS_AT_A_FORK = """
import os, runpy, signal, sys
forks = iter([1])
def at_fork():
    if next(forks, None):
        os.kill(os.getpid(), signal.SIGINT)
sys.argv = ["app", "serve"]
os.register_at_fork(after_in_parent=at_fork)
runpy.run_module("app", run_name="__main__")
"""


def test_ctrl_c_at_the_moment_of_a_fork_is_not_lost(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", KEYS_AT_A_FORK],
        cwd=ROOT,
        env=environment(tmp_path / "var"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    done = ended(process)
    assert (done.code, done.lines) == (130, ["loyalty-leaderboard: stopped"])


async def test_a_request_whose_client_leaves_is_logged_as_abandoned(api, open_store, sql):
    store = await open_store()
    with capture_logs() as logged:
        async with sql.transaction():
            await sql.execute("SELECT FROM sources WHERE id = $1 FOR UPDATE", store.source_id)
            with pytest.raises(httpx.ReadTimeout):
                await api.patch(f"/sources/{store.source}", json={"name": "x"}, headers=store.auth, timeout=0.3)
        await asyncio.sleep(0.5)
        await api.get("/account", headers=store.auth)
    requests = [line for line in logged if line["event"] == "request"]
    assert [line.get("ended") for line in requests] == ["abandoned", None]
    assert {line["account_id"] for line in requests} == {int(store.account.removeprefix("acc_"))}
    assert 'ended="abandoned",route="/sources/{id}"' in (await api.get("/metrics")).text


def test_one_line_tells_that_the_mail_server_has_gone_and_one_that_it_is_back():
    metrics = Metrics()
    watch = MailServerWatch(metrics)
    away = Deferred("unreachable", "The mail server cannot be reached.")
    with capture_logs() as logged:
        for outcome in (Accepted(), away, away, INTERRUPTED, Deferred("timeout", "…"), Deferred("451", "Later."), away):
            watch.note(outcome)
        for outcome in (Refused("550", "No."), Accepted(), Misconfigured("535", "No.")):
            watch.note(outcome)
    told = [line["event"] for line in logged]
    assert told == ["mail server unreachable", "mail server is back"] * 2
    counted = {
        sample.labels["outcome"]: sample.value
        for metric in metrics.attempts.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }
    assert counted == {"accepted": 2, "deferred": 5, "refused": 1, "misconfigured": 1}


DISK_IS_FULL = """
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON orders EXECUTE FUNCTION full_disk();
"""


async def test_a_full_disk_is_told_until_a_write_succeeds_again(api, open_store, sql):
    store = await open_store()
    await store.send(order("1", "ada"))
    await sql.execute(DISK_IS_FULL)
    refused = await store.post(order("2", "ada"))
    problem(refused, 503, "service_unavailable")
    assert int(refused.headers["Retry-After"]) >= 1
    assert (await store.ask(time_frame="all_time"))["number_of_purchases"] == 1
    told = await api.get("/readyz")
    assert (told.status_code, told.json()) == (200, {"status": "read only: disk full"})
    await sql.execute("DROP TRIGGER full_disk ON orders")
    await store.send(order("2", "ada"))
    assert (await api.get("/readyz")).json() == {"status": "ok"}


async def test_an_update_that_must_change_a_row_and_does_not_ends_its_transaction(open_store, database):
    store = await open_store()
    missing = {"account_id": 1, "source_id": store.source_id + 1, "due_at": datetime.now(UTC)}
    async with database.write() as conn:
        await change_rows(conn, SET_BOARDS_DUE_AT, missing | {"source_id": store.source_id})
    with pytest.raises(LookupError, match="changed 0 rows instead of 1"):
        async with database.write() as conn:
            await change_rows(conn, SET_BOARDS_DUE_AT, missing)
