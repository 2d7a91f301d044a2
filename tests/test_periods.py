"""Time frames, held against an oracle that never turns a local time into an instant.

The oracle finds the first instant of a local day by looking at the clocks on the wall of many
instants, puts all days of the years in a row and groups them by what a calendar shows.
"""

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import groupby
from zoneinfo import ZoneInfo

import pytest
from shop import order

from app.periods import HISTORY_BEGINS, Calendar, TimeFrame, named_frame
from app.vocabulary import WeekStart

ZONES = (
    *("UTC", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago"),
    *("Australia/Lord_Howe", "Asia/Kathmandu"),
)
DAY, SECOND, TICK = timedelta(days=1), timedelta(seconds=1), timedelta(microseconds=1)
FIRST_DAY, LAST_DAY = date(2023, 1, 1), date(2032, 12, 31)
FRAMES = [frame for frame in TimeFrame if frame is not TimeFrame.CUSTOM]
SUNDAY_ON_ITS_OWN = date(2000, 1, 2)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


@cache
def first_instant(zone: str, day: date) -> datetime:
    """The first second at which the wall shows this day or a later one."""
    wall = ZoneInfo(zone)
    begin = noon(day) - timedelta(hours=30)
    seconds = range(48 * 3600)
    return begin + SECOND * bisect_left(seconds, day, key=lambda n: (begin + SECOND * n).astimezone(wall).date())


@cache
def days_in_a_row(first: date, last: date) -> list[date]:
    return [first + DAY * n for n in range((last - first).days + 1)]


def shown_by_a_calendar(kind: str, day: date, week_start: WeekStart) -> object:
    """What tells two days of different periods apart."""
    if kind == "week":
        weekday = [*WeekStart].index(week_start)
        return (day - SUNDAY_ON_ITS_OWN - DAY * (weekday + 1)).days // 7
    return {"month": day.isoformat()[:7], "quarter": f"{day:%Y}-{(day.month + 2) // 3}", "year": f"{day:%Y}"}[kind]


@cache
def first_days(kind: str, week_start: WeekStart, first: date, last: date) -> list[date]:
    row = days_in_a_row(first, last)
    return [next(days) for _, days in groupby(row, lambda day: shown_by_a_calendar(kind, day, week_start))]


def expected(frame: TimeFrame, zone: str, today: date, as_of: datetime, week_start: WeekStart) -> tuple[object, ...]:
    """`(start, end, before)` as the oracle says."""
    if frame is TimeFrame.ALL_TIME:
        return HISTORY_BEGINS, as_of, as_of + TICK
    if frame is TimeFrame.LAST_365_DAYS:
        return first_instant(zone, date.fromordinal(today.toordinal() - 365)), as_of, as_of + TICK
    when, _, kind = frame.value.partition("_")
    kind = kind if when == "last" else when
    begun = [
        day
        for day in first_days(kind, week_start, date(today.year - 2, 1, 1), date(today.year + 1, 1, 31))
        if day <= today
    ]
    if when == "last":
        start, end = (first_instant(zone, day) for day in begun[-2:])
        return start, end, end
    return first_instant(zone, begun[-1]), as_of, as_of + TICK


def wrong_frames(
    zone: str, days: list[date], week_start: WeekStart = WeekStart.MONDAY, frames: list[TimeFrame] = FRAMES
) -> list[str]:
    """Every frame that is not as the oracle says at the first, some middle and the last instant of these days."""
    calendar = Calendar(ZoneInfo(zone), week_start)
    wrong = []
    for today in days:
        begin, end = first_instant(zone, today), first_instant(zone, today + DAY)
        for as_of in (begin, begin + (end - begin) / 3, end - TICK):
            for frame in frames:
                found = named_frame(frame, as_of, calendar)
                shown = (found.start, found.end, found.before)
                if shown != expected(frame, zone, today, as_of, week_start):
                    wrong.append(f"{frame} in {zone} at {as_of}: {shown}")
    return wrong


def days_worth_a_look(zone: str) -> list[date]:
    """First and last days of months (so of quarters and years), days of another length, leap days."""
    return [
        day
        for day in days_in_a_row(FIRST_DAY, LAST_DAY)
        if {(day - DAY).month, (day + DAY).month} != {day.month}
        or first_instant(zone, day + DAY) - first_instant(zone, day) != DAY
        or (day.month, day.day) in {(2, 28), (2, 29), (3, 1)}
    ]


@pytest.mark.parametrize("zone", ZONES)
def test_every_frame_is_right_on_the_edges_of_ten_years(zone):
    assert wrong_frames(zone, days_worth_a_look(zone)) == []


@pytest.mark.slow
@pytest.mark.parametrize("zone", ZONES)
def test_every_frame_is_right_on_every_day_of_ten_years(zone):
    assert wrong_frames(zone, days_in_a_row(FIRST_DAY, LAST_DAY)) == []


@pytest.mark.parametrize("week_start", WeekStart)
def test_weeks_begin_on_the_day_that_the_store_says(week_start):
    days = days_in_a_row(date(2024, 12, 20), date(2025, 1, 12)) + days_in_a_row(date(2025, 3, 24), date(2025, 4, 7))
    weeks = [TimeFrame.LAST_WEEK]
    for zone in ("Europe/Berlin", "Pacific/Kiritimati"):
        assert wrong_frames(zone, days, week_start, weeks) == []
    start = named_frame(TimeFrame.LAST_WEEK, noon(date(2025, 4, 2)), Calendar(ZoneInfo("UTC"), week_start)).start
    assert start.strftime("%A").lower() == week_start


@pytest.mark.parametrize(
    ("zone", "changes"),
    [
        # The clocks go from 23:59:59 to 01:00: the day has no midnight.
        ("America/Sao_Paulo", [date(2017, 10, 15), date(2018, 11, 4)]),
        ("Asia/Beirut", [date(2022, 3, 27), date(2024, 3, 31), date(2025, 3, 30)]),
        ("America/Havana", [date(2024, 3, 10), date(2025, 3, 9)]),
        # The clocks go from 23:59:59 back to 23:00 of the same day, or from 00:59:59 to midnight again.
        ("America/Sao_Paulo", [date(2018, 2, 17), date(2018, 2, 18), date(2019, 2, 17)]),
        ("Asia/Beirut", [date(2024, 10, 26), date(2024, 10, 27)]),
        ("America/Havana", [date(2024, 11, 3), date(2025, 11, 2)]),
        # A day that never was.
        ("Pacific/Apia", [date(2011, 12, 29), date(2011, 12, 31), date(2012, 1, 1)]),
    ],
)
def test_a_midnight_that_is_skipped_or_comes_twice_begins_the_day_once(zone, changes):
    around = sorted({change + DAY * n for change in changes for n in range(-1, 9)} - {date(2011, 12, 30)})
    assert wrong_frames(zone, around) == []
    for week_start in WeekStart:
        assert wrong_frames(zone, around, week_start, [TimeFrame.LAST_WEEK]) == []


BERLIN_IN_APRIL = {
    "last_week": ("2025-03-23T23:00:00+00:00", "2025-03-30T22:00:00+00:00", 167),
    "last_month": ("2025-02-28T23:00:00+00:00", "2025-03-31T22:00:00+00:00", 743),
    "last_quarter": ("2024-12-31T23:00:00+00:00", "2025-03-31T22:00:00+00:00", 2159),
    "last_year": ("2023-12-31T23:00:00+00:00", "2024-12-31T23:00:00+00:00", 8784),
    "month_to_date": ("2025-03-31T22:00:00+00:00", "2025-04-02T07:30:00+00:00", 33.5),
}


async def test_the_frames_of_berlin_after_a_clock_change_are_those_of_the_contract(open_store, clock):
    as_of = "2025-04-02T09:30:00+02:00"
    clock.now = datetime(2025, 6, 1, tzinfo=UTC)
    store = await open_store(time_zone="Europe/Berlin")

    for time_frame, (start, end, hours) in BERLIN_IN_APRIL.items():
        board = await store.ask(time_frame=time_frame, as_of=as_of)
        begins, ends = datetime.fromisoformat(board["start"]), datetime.fromisoformat(board["end"])
        assert (begins.astimezone(UTC).isoformat(), ends.astimezone(UTC).isoformat()) == (start, end)
        assert (ends - begins) / timedelta(hours=1) == hours
        assert board["as_of"] == "2025-04-02T07:30:00Z"


LAST = ("last_week", "last_month", "last_quarter", "last_year")
TO_DATE = ("month_to_date", "quarter_to_date", "year_to_date", "last_365_days")


async def on_the_edges(store, start: datetime, end: datetime) -> dict[str, str]:
    """Customers who bought at the edges of an interval, and just beside them; `external id → instant`."""
    instants = {"too early": start - TICK, "first": start, "second": start + TICK, "late": end - TICK, "end": end}
    instants["too late"] = end + TICK
    sales = {who: at.astimezone(UTC).isoformat() for who, at in instants.items()}
    await store.send(*(order(f"{next(store.numbers)}", who, at=at) for who, at in sales.items()))
    return sales


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu"])
async def test_orders_on_an_edge_fall_to_the_right_side_of_it(open_store, clock, zone):
    clock.now = as_of = datetime(2025, 4, 2, 7, 30, tzinfo=UTC)
    for time_frame in LAST + TO_DATE:
        clock.now = as_of
        store = await open_store(time_zone=zone)
        edges = expected(TimeFrame(time_frame), zone, date(2025, 4, 2), as_of, WeekStart.MONDAY)
        if time_frame in LAST:
            await on_the_edges(store, *edges[:2])
            live = await store.ask(time_frame=time_frame)
            assert [row["customer"]["external_id"] for row in live["items"]] == ["first", "second", "late"]

        clock.now = as_of + timedelta(days=400)
        if time_frame in TO_DATE:
            await on_the_edges(store, *edges[:2])
        later = await store.ask(time_frame=time_frame, as_of=as_of.isoformat())
        counted = ["first", "second", "late", *(["end"] if time_frame in TO_DATE else [])]
        assert [row["customer"]["external_id"] for row in later["items"]] == counted


async def test_a_week_that_begins_without_a_midnight_begins_when_the_clocks_change(open_store, clock):
    # Beirut had no midnight on 31 March 2024; weeks that start on Sunday begin with that hour.
    clock.now = datetime(2024, 4, 9, 12, tzinfo=UTC)
    store = await open_store(time_zone="Asia/Beirut", week_start="sunday")
    change = datetime(2024, 3, 30, 22, tzinfo=UTC)
    for who, at in (("before", change - TICK), ("after", change)):
        await store.send(order(who, who, at=at.isoformat()))

    week = await store.ask(time_frame="last_week", as_of="2024-04-08T12:00:00Z")

    assert week["start"] == "2024-03-31T01:00:00+03:00"
    assert [row["customer"]["external_id"] for row in week["items"]] == ["after"]
