"""Arrival: whatever comes in whatever order, as often and in whatever batches, ends the same."""

from datetime import UTC, datetime, timedelta

import pytest
from conftest import NOW
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shop import METRICS, STATUSES, order

pytestmark = pytest.mark.usefixtures("midday")

QUICK, THOROUGH = 10, 100
FRAMES = ("all_time", "month_to_date", "last_month", "last_365_days")


def at(day: int) -> str:
    """An instant of spring 2026, so many days after the first of February."""
    return (datetime(2026, 2, 1, 10, tzinfo=UTC) + timedelta(days=day)).isoformat()


# Small pools, so that orders, customers and instants meet.
VERSIONS = st.builds(
    order,
    order_id=st.sampled_from(["o1", "o2", "o3", "o4"]),
    customer_id=st.sampled_from([None, "a", "b", "c"]),
    total=st.sampled_from(["0.00", "5.00", "10.00", "10.01"]),
    at=st.sampled_from([at(-300), at(5), at(27), at(28), at(30)]),
    email=st.sampled_from([None, "x@example.test", "y@example.test", " X@Example.test"]),
    name=st.sampled_from([None, "Ada", "Bea"]),
    status=st.sampled_from(["paid", "paid", "paid", *STATUSES]),
    refunded=st.sampled_from(["0", "0", "5.00"]),
    currency=st.sampled_from(["EUR", "EUR", "EUR", "USD"]),
    test=st.sampled_from([False, False, False, True]),
    updated_at=st.sampled_from([at(31), at(32), at(33), at(34)]),
)
TOMBSTONES = st.sampled_from(["o1", "o2", "o3", "o4"])
MOST_VERSIONS = 10


def of_different_age(versions: list[dict[str, object]], minutes: list[int]) -> list[dict[str, object]]:
    """The versions, no two of them equally new: of those the later arrival counts."""
    return [
        version | {"updated_at": f"{str(version['updated_at'])[:14]}{minute:02}:00Z"}
        for version, minute in zip(versions, minutes, strict=False)
    ]


EVENTS = st.builds(
    lambda versions, minutes, tombstones: [*of_different_age(versions, minutes), *tombstones],
    st.lists(VERSIONS, min_size=1, max_size=MOST_VERSIONS),
    st.permutations(range(MOST_VERSIONS)),
    st.lists(TOMBSTONES, max_size=1),
)


@st.composite
def arrivals(draw):
    """Events, and the same events shuffled, some repeated, cut into batches."""
    events = draw(EVENTS)
    again = draw(st.lists(st.sampled_from(events), max_size=5))
    shuffled = draw(st.permutations(events + again))
    cuts = draw(st.lists(st.booleans(), min_size=len(shuffled), max_size=len(shuffled)))
    batches = [[]]
    for event, cut in zip(shuffled, cuts, strict=True):
        if cut:
            batches.append([])
        batches[-1].append(event)
    return events, batches


async def deliver(store, batch: list) -> None:
    """Versions as one request; a tombstone, which is a name, ends what came before it."""
    waiting = []
    for event in batch:
        if isinstance(event, dict):
            waiting.append(event)
            continue
        await store.send(*waiting)
        waiting = []
        gone = await store.api.delete(f"/sources/{store.source}/orders/{event}", headers=store.auth)
        assert gone.status_code == 204
    if waiting:
        await store.send(*waiting)


ORDERS = """
    SELECT o.order_id, o.deleted_at IS NOT NULL AS deleted, o.guest_email, o.ordered_at, o.total, o.refunded, o.status,
           o.foreign_currency, o.test, o.updated_at, o.spend, c.external_id,
           CASE WHEN c.external_id IS NULL THEN c.email END AS guest
    FROM orders AS o LEFT JOIN customers AS c ON c.account_id = o.account_id AND c.id = o.customer_id
    WHERE o.source_id = $1 AND o.deleted_at IS NULL ORDER BY 1
"""
DELETED = "SELECT order_id FROM orders WHERE source_id = $1 AND deleted_at IS NOT NULL ORDER BY 1"
CUSTOMERS = "SELECT external_id, email, name FROM customers WHERE source_id = $1 ORDER BY 1, 2"
OWNERS = """
    SELECT a.email, c.external_id FROM addresses AS a
    JOIN customers AS c ON c.account_id = a.account_id AND c.id = a.customer_id
    WHERE a.source_id = $1 ORDER BY 1
"""
HEALTH = "SELECT orders, unattributed, foreign_currency FROM sources WHERE id = $1"


async def told(store, sql) -> dict[str, object]:
    """All that a store's orders have led to, without ids of rows and what depends on them."""
    ends = {
        name: [tuple(row) for row in await sql.fetch(statement, store.source_id)]
        for name, statement in (
            *(("orders", ORDERS), ("deleted", DELETED), ("customers", CUSTOMERS)),
            *(("owners", OWNERS), ("health", HEALTH)),
        )
    }
    for time_frame in FRAMES:
        for metric in METRICS:
            page = await store.ask(time_frame=time_frame, rank_by=metric)
            rows = [row | {"customer": {**row["customer"], "id": None}} for row in page["items"]]
            totals = (page["customers"], page["number_of_purchases"], page["total_spend"])
            ends[f"{time_frame} by {metric}"] = (totals, sorted(rows, key=lambda row: (row["rank"], str(row))))
    return ends


GUEST = order("o1", None, email="x@example.test", name="Gast", updated_at=at(33))


async def ends_the_same(open_store, sql, events, batches) -> None:
    one_by_one, in_batches = await open_store(), await open_store()
    for event in events:
        await deliver(one_by_one, [event])
    for batch in batches:
        await deliver(in_batches, batch)

    assert await told(in_batches, sql) == await told(one_by_one, sql)


@settings(max_examples=QUICK)
@given(arrivals())
@example(
    # An address known without a newer e-mail of the same customer: the newer date counts all the same.
    (
        [order(f"o{n}", "a", email=email, updated_at=at(day)) for n, email, day in (
            (1, "x@example.test", 31), (2, "y@example.test", 32), (3, "x@example.test", 33))],
        [[order("o1", "a", email="x@example.test", updated_at=at(31))],
         [order("o3", "a", email="x@example.test", updated_at=at(33))],
         [order("o2", "a", email="y@example.test", updated_at=at(32))]],
    )
)  # fmt: skip
@example(
    # A guest and the customer of the same address, in one batch and in two.
    (
        [order("o2", "a", updated_at=at(31)), GUEST, order("o3", "a", email="x@example.test", updated_at=at(32))],
        [[order("o2", "a", updated_at=at(31))],
         [GUEST, order("o3", "a", email="x@example.test", updated_at=at(32))]],
    )
)  # fmt: skip
@example(
    # A guest whose address first one customer, then another is known by.
    (
        [GUEST] + [order(f"o{n}", who, email="x@example.test", updated_at=at(31)) for n, who in ((2, "b"), (3, "a"))],
        [[order("o3", "a", email="x@example.test", updated_at=at(31))], [GUEST],
         [order("o2", "b", email="x@example.test", updated_at=at(31))]],
    )
)  # fmt: skip
async def test_any_order_of_arrival_ends_in_the_same_boards_customers_and_owners(open_store, sql, arrival):
    await ends_the_same(open_store, sql, *arrival)


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=THOROUGH)
@given(arrivals())
async def test_any_of_many_orders_of_arrival_ends_the_same(open_store, sql, arrival):
    await ends_the_same(open_store, sql, *arrival)


async def standing(store) -> list[tuple[str, str]]:
    rows = (await store.ask(time_frame="all_time"))["items"]
    return [(row["customer"]["external_id"], row["total_spend"]) for row in rows]


@pytest.mark.parametrize("way", ["one request", "two requests", "an import"])
async def test_an_older_version_never_overwrites_a_newer_one(open_store, way):
    store = await open_store()
    newer = order("1", "ada", "20.00", updated_at=at(33))
    older = order("1", "bea", "10.00", updated_at=at(32))
    if way == "one request":
        assert (await store.send(newer, older))["unchanged"] == 1
    elif way == "two requests":
        await store.send(newer)
        assert (await store.send(older))["unchanged"] == 1
    else:
        await store.send(newer)
        columns = ("order_id", "customer_id", "ordered_at", "total", "status", "updated_at")
        rows = ",".join(columns) + "\n" + ",".join(older[column] for column in columns)
        assert (await store.load(rows.encode())).json()["unchanged"] == 1

    assert await standing(store) == [("ada", "20.00")]


async def test_a_version_without_a_date_is_as_new_as_its_arrival(open_store, clock):
    store = await open_store()
    await store.send(order("1", "ada", "10.00", updated_at=at(31)))

    await store.send(order("1", "ada", "20.00"))
    assert await standing(store) == [("ada", "20.00")]

    await store.send(order("1", "ada", "30.00", updated_at=(NOW - timedelta(seconds=1)).isoformat()))
    assert await standing(store) == [("ada", "20.00")]

    clock.now = NOW + timedelta(hours=1)
    await store.send(order("1", "ada", "40.00", updated_at=(NOW + timedelta(seconds=1)).isoformat()))
    assert await standing(store) == [("ada", "40.00")]

    await store.send(order("1", "ada", "50.00"))
    assert await standing(store) == [("ada", "50.00")]


async def test_of_two_versions_of_one_moment_the_further_status_is_newer(open_store):
    for versions in (("paid", "refunded"), ("refunded", "paid")):
        store = await open_store()
        for status in versions:
            await store.send(order("1", "ada", "10.00", status=status, updated_at=at(31)))
        assert await standing(store) == []


async def test_the_same_content_under_a_newer_date_keeps_versions_between_out(open_store):
    store = await open_store()
    for day, total in ((31, "10.00"), (33, "10.00"), (32, "99.00")):
        await store.send(order("1", "ada", total, updated_at=at(day)))
    assert await standing(store) == [("ada", "10.00")]


async def test_a_deleted_order_stays_deleted_whatever_arrives_late(open_store):
    store = await open_store()
    await deliver(store, ["never-seen", order("seen", "ada", "5.00", updated_at=at(31)), "seen", "seen"])
    for order_id in ("never-seen", "seen"):
        late = await store.send(order(order_id, "ada", "10.00", updated_at=at(34)))
        assert late == {"received": 1, "created": 0, "updated": 0, "unchanged": 1, "rejected": [], "warnings": []}
    assert await standing(store) == []


async def test_the_hash_of_an_order_never_changes(open_store, sql):
    """Stored orders keep their hash for years: were it computed otherwise, each of them would count as changed."""
    store = await open_store()
    await store.send(
        order("1001", "ada", "59.90", "2026-03-01T12:00:00+01:00", email=" Ada@Example.test", name="Ada",
              refunded="9.90", items=3, status="partially_refunded", updated_at="2026-03-02T12:00:00Z"),
        order("1002", None, "0.00"),
    )  # fmt: skip
    hashes = await sql.fetch("SELECT content_hash FROM orders ORDER BY order_id")
    assert [row["content_hash"] for row in hashes] == [6718493804483878789, -3941570195590161879]


ARRIVALS = st.lists(
    st.tuples(
        st.sampled_from(["10.00", "99.00"]),
        st.sampled_from(["paid", "pending"]),
        st.sampled_from(
            [None, None, -30, -2, 3]
        ),  # its own version in minutes from now; the last is ahead of the clock
    ),
    min_size=2,
    max_size=6,
)


@settings(max_examples=QUICK)
@given(arrivals=ARRIVALS)
@example(arrivals=[("10.00", "paid", None), ("99.00", "paid", -30), ("10.00", "paid", None), ("99.00", "paid", -2)])
async def test_the_newest_version_stays_though_versions_are_repeated(open_store, clock, sql, arrivals):
    """A version without `updated_at` is as new as its arrival, each time it arrives; none is newer than its arrival."""
    clock.now = NOW
    store = await open_store()
    newest, content = None, None
    for total, status, minutes in arrivals:
        clock.now += timedelta(minutes=1)
        dated = None if minutes is None else clock.now + timedelta(minutes=minutes)
        version = {} if dated is None else {"updated_at": dated.isoformat()}
        await store.send(order("o1", "ada", total, at(0), status=status, **version))
        arrived = min(dated or clock.now, clock.now)
        progress = ("pending", "paid").index(status)
        if content == (total, status):
            newest = max(newest, arrived)
        elif newest is None or dated is None or arrived > newest:
            newest, content = arrived, (total, status)
        elif arrived == newest and progress != ("pending", "paid").index(content[1]):
            newest, content = max((newest, content), (arrived, (total, status)), key=lambda each: each[1][1] == "paid")
        elif arrived == newest:  # of equal versions the later arrival counts
            content = (total, status)
    row = await sql.fetchrow("SELECT total, status::text, updated_at FROM orders WHERE source_id = $1", store.source_id)
    assert (row["total"], row["status"]) == (int(content[0].replace(".", "")), content[1])
    assert row["updated_at"] == newest


async def test_an_order_that_moves_leaves_the_boards_of_its_old_moment(open_store):
    store = await open_store()
    await store.send(order("o1", "ada", "5.00", at(27), updated_at=at(27)), order("o2", "bea", "7.00", at(27)))

    await store.send(order("o1", "ada", "5.00", at(28), updated_at=at(31)))

    boards = {frame: await store.all_rows(time_frame=frame) for frame in FRAMES}
    spent = {
        frame: {row["customer"]["external_id"]: row["total_spend"] for row in rows} for frame, rows in boards.items()
    }
    assert spent == {
        "all_time": {"ada": "5.00", "bea": "7.00"},
        "month_to_date": {"ada": "5.00"},
        "last_month": {"bea": "7.00"},
        "last_365_days": {"ada": "5.00", "bea": "7.00"},
    }
