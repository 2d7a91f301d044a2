"""Files as operations of their own: the same bytes as by Accept, and a 304 for a client that has them."""

import json

import pytest
from answers import pointers, problem
from shop import order

pytestmark = pytest.mark.usefixtures("midday")

AS_OF = "2026-03-18T09:00:00Z"
MEDIA_TYPES = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
QUESTIONS = [
    ("/leaderboard", {"time_frame": "month_to_date"}),
    ("/leaderboard", {"time_frame": "last_year", "rank_by": "number_of_purchases", "compare": "previous"}),
    ("/leaderboard", {"time_frame": "custom", "start": "2026-03-01", "end": "2026-04-01", "compare": "gap"}),
    ("/segments/vip", {}),
    ("/segments/vip", {"criteria": "big_spender", "days": 30, "min_spend": "5.00"}),
]


async def filled(open_store):
    store = await open_store()
    await store.sold(("ada", "10.00"), ("bea", "20.00"), on="2025-11-10")
    await store.sold(("ada", "30.00"), ("ada", "30.00"), ("bea", "20.00"), ("dan", "1.00"))
    return store


@pytest.mark.parametrize(("path", "question"), QUESTIONS)
async def test_an_export_is_the_file_that_accept_gives(api, open_store, path, question):
    store = await filled(open_store)
    asked = store.board(**question, as_of=AS_OF)
    for form, media_type in MEDIA_TYPES.items():
        file = await api.get(f"{path}/export", params=asked | {"format": form}, headers=store.auth)
        accepted = await api.get(path, params=asked, headers=store.auth | {"Accept": media_type})
        assert (file.status_code, file.content) == (200, accepted.content)
        assert file.headers["Content-Type"] == accepted.headers["Content-Type"]
        for name in ("ETag", "Content-Disposition", "X-As-Of", "X-Start", "X-End", "X-Time-Zone", "X-Currency"):
            assert file.headers[name] == accepted.headers[name]
        known = store.auth | {"If-None-Match": file.headers["ETag"]}
        again = await api.get(f"{path}/export", params=asked | {"format": form}, headers=known)
        assert (again.status_code, again.content) == (304, b"")


async def test_an_export_is_csv_unless_asked_for_otherwise_and_lists_what_a_page_lists(api, open_store):
    store = await filled(open_store)
    for path, question in QUESTIONS:
        asked = store.board(**question, as_of=AS_OF)
        page = (await api.get(path, params=asked, headers=store.auth)).json()
        table = await api.get(f"{path}/export", params=asked, headers=store.auth | {"Accept": "application/json"})
        lines = await api.get(f"{path}/export", params=asked | {"format": "ndjson"}, headers=store.auth)
        assert table.headers["Content-Type"].startswith("text/csv")
        assert len(table.text.splitlines()) == 1 + len(page["items"])
        assert [json.loads(line) for line in lines.text.splitlines()] == page["items"]


async def test_an_export_takes_no_part_of_a_page_and_no_other_form(api, open_store):
    store = await open_store()
    for path, question in (("/leaderboard/export", {"time_frame": "all_time"}), ("/segments/vip/export", {})):
        for name, value in (("limit", "5"), ("cursor", "x"), ("around", "cus_1"), ("format", "xlsx")):
            asked = store.board(**question) | {name: value}
            assert pointers(await api.get(path, params=asked, headers=store.auth)) == [f"#/{name}"]
        unknown = {"audience": store.audience, "source": "src_987654"}
        problem(await api.get(path, params=unknown, headers=store.auth), 404, "unknown_source")


async def test_all_suppressed_addresses_are_a_file_of_their_own(api, open_store):
    store = await open_store()
    await store.send(order("1", "ada", email="ada@shopper.example"))
    await store.suppress("ada@shopper.example", "left")
    file = await api.get("/account/suppressions/export", headers=store.auth)
    accepted = await api.get("/account/suppressions", headers=store.auth | {"Accept": "text/csv"})
    assert file.text.splitlines()[1].startswith("ada@shopper.example,left,")
    assert (file.status_code, file.content) == (200, accepted.content)
    problem(
        await api.put("/account/suppressions/export", json={"reason": "left"}, headers=store.auth),
        405,
        "method_not_allowed",
    )
