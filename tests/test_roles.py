"""Roles: the service works with the rights that migrations/roles.sql gives, and with no more."""

import asyncio
import os
import re
import subprocess

import asyncpg
import httpx
import pytest
from conftest import ROOT, wait_until
from processes import Shop, command, running
from shop import OPERATOR, order

from app.local_postgres import local_postgres, postgres_programs
from app.settings import Settings

PASSWORDS = {"owner": "a1b2", "app": "c3d4", "reader": "e5f6"}
ROWS = 12_000


@pytest.fixture
def roles(tmp_path):
    """The URLs of the three roles on a PostgreSQL that a superuser has set up by roles.sql."""
    folder = tmp_path / "postgres"
    with local_postgres(folder):
        port, password = ((folder / name).read_text().strip() for name in ("port", "password"))
        subprocess.run(
            [
                postgres_programs() / "psql",
                *("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={ROOT}/migrations/roles.sql"),
                *(f"--set={role}_password={each}" for role, each in PASSWORDS.items()),
                f"--dbname=postgresql://postgres@127.0.0.1:{port}/postgres",
            ],
            env=os.environ | {"PGPASSWORD": password},
            check=True,
        )
        yield {
            role: f"postgresql://leaderboard_{role}:{each}@127.0.0.1:{port}/leaderboard"
            for role, each in PASSWORDS.items()
        }


def run(url: str, statement: str) -> None:
    async def ran() -> None:
        conn = await asyncpg.connect(url)
        try:
            await conn.execute(statement)
        finally:
            await conn.close()

    asyncio.run(ran())


@pytest.mark.slow
def test_the_service_needs_no_more_than_the_rights_of_its_role(roles, tmp_path):
    settings = {"DATABASE_URL": roles["app"], "READ_DATABASE_URL": roles["reader"]}
    var = tmp_path / "api" / "var"
    var.parent.mkdir()
    migrated = command(var, "migrate", DATABASE_URL=roles["owner"])
    assert migrated.code == 0, migrated.err

    with running(var, **settings) as service:
        shop = Shop.opened(service.url, plan="paid")
        with httpx.Client(base_url=service.url, headers=shop.auth, timeout=60) as client:
            used = everything_used(client, shop)
            wait_until(lambda: client.get(f"/messages/{used}").json()["status"] == "sent", 30)
            person = client.get("/customers", params={"source": shop.source, "external_id": "ada"}).json()["items"][0]
            assert client.delete(f"/customers/{person['id']}").status_code == 204
        closed = httpx.patch(
            f"{service.url}/accounts/acc_1", json={"plan": "free"}, headers={"Authorization": f"Bearer {OPERATOR}"}
        )
        assert closed.status_code == 200
        said = service.said()
    for wrong in ("permission denied", '"level": "error"', "42501"):
        assert wrong not in said, said
    assert command(var, "verify", **settings).out == f"{shop.source}: true\n"
    assert command(var, "rebuild", **settings).out == f"{shop.source}: rebuilt\n"


def everything_used(client: httpx.Client, shop: Shop) -> str:
    """Writes of every kind; returns the id of a message."""
    lines = [f"o{n},c{n % 997},2026-03-01T12:00:00Z,5.00,paid" for n in range(ROWS)]
    content = "\n".join(["order_id,customer_id,ordered_at,total,status", *lines, ""])
    loaded = client.post(f"/sources/{shop.source}/imports", content=content, headers={"Content-Type": "text/csv"})
    assert loaded.json()["created"] == ROWS
    rows = [order("a", "ada", email="ada@example.test")]
    assert client.post(f"/sources/{shop.source}/orders", json={"orders": rows}).status_code == 200
    assert client.delete(f"/sources/{shop.source}/orders/o1").status_code == 204
    assert client.patch(f"/sources/{shop.source}", json={"time_zone": "Asia/Tokyo"}).status_code == 200
    board = {"audience": shop.audience, "source": shop.source, "time_frame": "all_time"}
    assert client.get("/leaderboard", params=board, headers={"Accept": "text/csv"}).status_code == 200
    sender = {"name": "S", "email": "hello@shop.example", "postal_address": "Via Roma 1, Milano"}
    assert client.patch("/account", json={"sender": sender}).status_code == 200
    person = client.get("/customers", params={"source": shop.source, "external_id": "ada"}).json()["items"][0]
    words = {"customer": person["id"], "kind": "transactional", "subject": "Hello", "text": "Hello"}
    queued = client.post("/messages", json=words, headers={"Idempotency-Key": "1"})
    assert queued.status_code == 202, queued.text
    message: str = queued.json()["id"]
    return message


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("app", "CREATE TABLE mine (id int)"),
        ("app", "DROP TABLE accounts"),
        ("app", "ALTER TABLE accounts ADD COLUMN mine int"),
        ("app", "CREATE ROLE mine"),
        ("app", "COPY accounts TO PROGRAM 'true'"),
        ("app", "TRUNCATE message_attempts"),
        ("reader", "DELETE FROM accounts"),
        ("reader", "SET default_transaction_read_only = off; DELETE FROM accounts"),
        ("owner", "CREATE ROLE mine"),
    ],
)
@pytest.mark.slow
def test_a_role_can_do_no_more(roles, tmp_path, role, statement):
    assert command(tmp_path / "var", "migrate", DATABASE_URL=roles["owner"]).code == 0
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)):
        run(roles[role], statement)


SET_BY_THE_CONTAINERS = {"HOST", "PORT", "DATA_DIR", "WORKER", "DEMO"}


def test_containers_are_given_every_setting_and_few_rights():
    compose = (ROOT / "compose.yaml").read_text()
    settings = compose.partition("x-settings:")[2].partition("services:")[0]
    passed_on = set(re.findall(r"^  ([A-Z_]+): ", settings, re.MULTILINE))
    assert passed_on == {name.upper() for name in Settings.model_fields} - SET_BY_THE_CONTAINERS
    app = compose.partition("x-app:")[2].partition("x-settings:")[0]
    contained = compose.partition("x-contained:")[2].partition("x-app:")[0]
    for right in ("read_only: true", "mem_limit: ", "cpus: ", "/srv/app/var"):
        assert right in app
    for right in ("cap_drop: [ALL]", "no-new-privileges:true", "pids_limit: "):
        assert right in contained
    images = re.findall(r"^ +image: (\S+:\S+)|^FROM (\S+)", compose + (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert images
    assert all(re.search(r"@sha256:[0-9a-f]{64}$", one or other) for one, other in images)
