"""Periods: time frames as intervals of instants in a store's own zone.

All intervals are half-open and start at local midnights, so a week with a clock change
has 167 or 169 hours. Everything is resolved here, in Python, with one zone database:
PostgreSQL only ever compares instants.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from app.vocabulary import BoardKind, WeekStart

HISTORY_BEGINS = datetime(1900, 1, 1, tzinfo=UTC)
"""No order is older: the start of `all_time`."""

FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
"""The end of a period that has none: nothing lies in the future."""

CLOCK_TICK = timedelta(microseconds=1)
"""The resolution of the clock: `(…, as_of]` is `[…, as_of + CLOCK_TICK)`."""

DAYS_WITH_A_BOARD = 365
"""The one trailing interval that has a board."""

KEPT_PERIODS = 3
"""The current period and the two before it have boards."""


class TimeFrame(StrEnum):
    """The named intervals of the drop-down, and `custom`."""

    LAST_WEEK = "last_week"
    LAST_MONTH = "last_month"
    MONTH_TO_DATE = "month_to_date"
    LAST_QUARTER = "last_quarter"
    QUARTER_TO_DATE = "quarter_to_date"
    LAST_YEAR = "last_year"
    YEAR_TO_DATE = "year_to_date"
    LAST_365_DAYS = "last_365_days"
    ALL_TIME = "all_time"
    CUSTOM = "custom"


CALENDAR_KINDS = (BoardKind.WEEK, BoardKind.MONTH, BoardKind.QUARTER, BoardKind.YEAR)


@dataclass(frozen=True, slots=True)
class Calendar:
    """How one store divides time: its zone and the first day of its week."""

    zone: ZoneInfo
    week_start: WeekStart = WeekStart.MONDAY

    def midnight(self, day: date) -> datetime:
        """The first instant of a local day.

        A midnight that is skipped is the instant of the change, one that comes twice is the first.
        """
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    def moment(self, day: date | datetime) -> datetime:
        """An instant as it is, or the first instant of a local day."""
        return day if isinstance(day, datetime) else self.midnight(day)

    def today(self, now: datetime) -> date:
        """The local date."""
        return now.astimezone(self.zone).date()

    def first_day(self, kind: BoardKind, day: date) -> date:
        """The first day of the calendar period that holds the day."""
        match kind:
            case BoardKind.WEEK:
                return day - timedelta(days=(day.weekday() - list(WeekStart).index(self.week_start)) % 7)
            case BoardKind.MONTH:
                return day.replace(day=1)
            case BoardKind.QUARTER:
                return day.replace(month=day.month - (day.month - 1) % 3, day=1)
            case BoardKind.YEAR:
                return day.replace(month=1, day=1)
            case _:
                raise ValueError(kind)

    def next_first_day(self, kind: BoardKind, first: date) -> date:
        """The first day of the calendar period after the one that begins on `first`."""
        longest_days = {BoardKind.WEEK: 7, BoardKind.MONTH: 31, BoardKind.QUARTER: 92, BoardKind.YEAR: 366}
        return self.first_day(kind, first + timedelta(days=longest_days[kind]))

    def period(self, kind: BoardKind, now: datetime, *, back: int = 0) -> "Period":
        """The period of this kind at `now`, or `back` whole periods before it."""
        if kind is BoardKind.ALL_TIME:
            return Period(kind, HISTORY_BEGINS, HISTORY_BEGINS, FOREVER)
        if kind is BoardKind.LAST_365_DAYS:
            edge = self.midnight(self.today(now) - timedelta(days=DAYS_WITH_A_BOARD))
            return Period(kind, HISTORY_BEGINS, edge, FOREVER)
        first = self.first_day(kind, self.today(now))
        for _ in range(back):
            first = self.first_day(kind, first - timedelta(days=1))
        start = self.midnight(first)
        return Period(kind, start, start, self.midnight(self.next_first_day(kind, first)))

    def kept(self, now: datetime) -> Iterator["Period"]:
        """Every period that has a board at `now`."""
        for kind in CALENDAR_KINDS:
            for back in range(KEPT_PERIODS):
                yield self.period(kind, now, back=back)
        yield self.period(BoardKind.LAST_365_DAYS, now)
        yield self.period(BoardKind.ALL_TIME, now)

    def next_midnight(self, now: datetime) -> datetime:
        """When the boards are next due: the coming local midnight."""
        return self.midnight(self.today(now) + timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Period:
    """What one board counts: purchases in `[counted_from, counted_until)`; `start` is its name."""

    kind: BoardKind
    start: datetime
    counted_from: datetime
    counted_until: datetime

    def counts_any(self, moments: Iterable[datetime]) -> bool:
        """Whether purchases of any of these moments are among those that it counts."""
        return any(self.counted_from <= moment < self.counted_until for moment in moments)


@dataclass(frozen=True, slots=True)
class Frame:
    """A time frame resolved at an instant: purchases in `[start, before)` count.

    `period` is the board that holds them; it may hold later ones too, up to its own end.
    """

    start: datetime
    end: datetime
    before: datetime
    period: Period | None


FRAME_KINDS = {
    TimeFrame.LAST_WEEK: (BoardKind.WEEK, 1),
    TimeFrame.LAST_MONTH: (BoardKind.MONTH, 1),
    TimeFrame.LAST_QUARTER: (BoardKind.QUARTER, 1),
    TimeFrame.LAST_YEAR: (BoardKind.YEAR, 1),
    TimeFrame.MONTH_TO_DATE: (BoardKind.MONTH, 0),
    TimeFrame.QUARTER_TO_DATE: (BoardKind.QUARTER, 0),
    TimeFrame.YEAR_TO_DATE: (BoardKind.YEAR, 0),
    TimeFrame.LAST_365_DAYS: (BoardKind.LAST_365_DAYS, 0),
    TimeFrame.ALL_TIME: (BoardKind.ALL_TIME, 0),
}


def named_frame(time_frame: TimeFrame, as_of: datetime, calendar: Calendar, *, earlier: int = 0) -> Frame:
    """A named time frame as it stands at `as_of`, or the period `earlier` than that, whole."""
    kind, back = FRAME_KINDS[time_frame]
    period = calendar.period(kind, as_of, back=back + earlier)
    if period.counted_until <= as_of:
        return Frame(period.counted_from, period.counted_until, period.counted_until, period)
    return Frame(period.counted_from, as_of, as_of + CLOCK_TICK, period)


def custom_frame(start: datetime, end: datetime, as_of: datetime) -> Frame:
    """Any interval `[start, end)`, as far as it lies not after `as_of`."""
    return Frame(start, end, min(end, as_of + CLOCK_TICK), None)


def trailing_frame(days: int, as_of: datetime, calendar: Calendar) -> Frame:
    """`days` whole local days before the day of `as_of`, and that day up to `as_of`; only 365 has a board."""
    if days == DAYS_WITH_A_BOARD:
        return named_frame(TimeFrame.LAST_365_DAYS, as_of, calendar)
    return Frame(calendar.midnight(calendar.today(as_of) - timedelta(days=days)), as_of, as_of + CLOCK_TICK, None)


def previous_frame(time_frame: TimeFrame, frame: Frame, as_of: datetime, calendar: Calendar) -> Frame | None:
    """The frame that this one is compared with; nothing precedes all time.

    Whole periods and periods to date: the whole calendar period before. Others: the same length just before.
    """
    if time_frame is TimeFrame.ALL_TIME:
        return None
    if time_frame is TimeFrame.LAST_365_DAYS:
        edge = calendar.midnight(calendar.today(frame.start) - timedelta(days=DAYS_WITH_A_BOARD))
        return Frame(edge, frame.start, frame.start, None)
    if time_frame is TimeFrame.CUSTOM:
        longest = max(frame.start - HISTORY_BEGINS, timedelta(0))
        return custom_frame(frame.start - min(frame.end - frame.start, longest), frame.start, as_of)
    return named_frame(time_frame, as_of, calendar, earlier=1)
