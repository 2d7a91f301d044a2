"""A clock that stands still: clients are tested on whatever day they run, and move it themselves."""

import httpx
import pytest
from answers import problem
from conftest import MANY, NOW, UNLIMITED, serving
from processes import begun, ended, running
from shop import OPERATOR, order

from app.admission import FairUse
from app.main import create_app
from app.wire.instants import StillClock

NEXT_MONTH = "2026-04-02T08:00:00Z"


@pytest.fixture
async def api(database):
    app = create_app(database, admin_key=OPERATOR, clock=StillClock(NOW), fair_use=FairUse(MANY, UNLIMITED))
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        yield client


async def test_the_clock_moves_on_when_it_is_told_and_boards_with_it(api, open_store):
    store = await open_store()
    await store.send(order("o1", "ada", "5.00", "2026-03-10T12:00:00Z"))
    before = await store.ask(time_frame="month_to_date")

    moved = await api.post("/test/clock", json={"now": NEXT_MONTH})

    after = await store.ask(time_frame="month_to_date")
    assert (moved.status_code, moved.json()) == (200, {"now": NEXT_MONTH})
    assert (before["as_of"], len(before["items"])) == ("2026-03-18T12:00:00Z", 1)
    assert (after["as_of"], after["items"]) == (NEXT_MONTH, [])
    assert len((await store.ask(time_frame="last_month"))["items"]) == 1


async def test_the_clock_does_not_go_back(api):
    refused = problem(await api.post("/test/clock", json={"now": "2026-03-18T11:59:59Z"}), 409, "clock_goes_back")
    assert refused["detail"] == "Give a time from 2026-03-18T12:00:00Z on."
    problem(await api.post("/test/clock", json={"now": "noon"}), 422, "invalid_request")


async def test_a_service_with_a_clock_of_its_own_sets_it_for_nobody(database):
    async with (
        serving(create_app(database, admin_key=OPERATOR)) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        problem(await client.post("/test/clock", json={"now": NEXT_MONTH}), 404, "not_found")


def test_a_service_starts_at_the_time_of_its_setting_and_refuses_what_is_none(tmp_path):
    wrong = ended(begun(tmp_path / "wrong", "serve", CLOCK="noon"))
    assert (wrong.code, len(wrong.lines)) == (2, 1)
    assert "CLOCK" in wrong.lines[0]

    with running(tmp_path / "var", CLOCK="2026-11-21T10:00:00+01:00") as service:
        headers = {"Authorization": f"Bearer {OPERATOR}"}
        opened = httpx.post(f"{service.url}/accounts", json={"name": "Ada", "plan": "paid"}, headers=headers)
        account = httpx.get(f"{service.url}/account", headers={"Authorization": f"Bearer {opened.json()['api_key']}"})
    assert account.json()["created_at"] == "2026-11-21T09:00:00Z"
