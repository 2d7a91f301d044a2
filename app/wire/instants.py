"""Instants: RFC 3339 outside, timestamps in UTC inside."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Annotated

from fastapi import Depends, Request
from pydantic import BeforeValidator, WithJsonSchema

from app.invalid_values import InvalidValueError
from app.services import provided, services_of
from app.words import Sentence

Clock = Callable[[], datetime]
"""Tells the service's now, in UTC."""

CLOCK_SKEW = timedelta(minutes=5)
"""Clocks differ: an instant this far ahead counts as now."""

RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII)
LOCAL_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

EXAMPLE_INSTANT = "2026-11-21T20:15:00Z"

FIRST_YEAR, LAST_YEAR = 1900, 9998

NOT_A_TIMESTAMP = Sentence("Give an RFC 3339 timestamp with an offset, such as 2026-03-01T09:30:00+01:00.")

TOO_PRECISE = re.compile(r"(\.\d{6})\d+")


def instant(text: str) -> datetime:
    """An RFC 3339 timestamp with its offset, in UTC; digits beyond the microsecond are cut."""
    if not RFC_3339.fullmatch(text):
        raise InvalidValueError(NOT_A_TIMESTAMP)
    exact = TOO_PRECISE.sub(r"\1", text) if "." in text else text
    try:
        return datetime.fromisoformat(exact.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidValueError(Sentence("Give a day and a time that exist in the calendar.")) from None


def rfc3339(moment: datetime) -> str:
    """An instant in UTC with `Z`, microseconds only where it has some."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def local_rfc3339(moment: datetime, zone: tzinfo) -> str:
    """An instant as the clocks of a zone show it; in UTC where they were off by seconds, as some were until 1972."""
    shown = moment.astimezone(zone)
    offset = shown.utcoffset() or timedelta()
    return shown.isoformat() if offset % timedelta(minutes=1) == timedelta() else rfc3339(moment)


def stated_instant(text: object) -> datetime:
    """An instant from a JSON body."""
    if not isinstance(text, str):
        raise InvalidValueError(NOT_A_TIMESTAMP)
    return instant(text)


def queried_instant(text: object) -> datetime:
    """An instant from a query string, where a bare `+` has become a space."""
    if not isinstance(text, str):
        raise InvalidValueError(NOT_A_TIMESTAMP)
    return instant(re.sub(r" (?=\d{2}:\d{2}$)", "+", text))


def date_or_instant(text: object) -> date | datetime:
    """A local date, or an instant, with room for reckoning on both sides."""
    is_date = isinstance(text, str) and LOCAL_DATE.fullmatch(text)
    moment = date.fromisoformat(text) if is_date else queried_instant(text)  # type: ignore[arg-type]
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise InvalidValueError(Sentence("Give a year between {first} and {last}.", first=FIRST_YEAR, last=LAST_YEAR))
    return moment


QueryInstant = Annotated[
    datetime,
    BeforeValidator(queried_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": [EXAMPLE_INSTANT]}),
]

BodyInstant = Annotated[
    datetime,
    BeforeValidator(stated_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": [EXAMPLE_INSTANT]}),
]

QueryDay = Annotated[
    date | datetime,
    BeforeValidator(date_or_instant),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}],
            "examples": ["2026-10-01"],
        }
    ),
]

Instant = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time", "examples": [EXAMPLE_INSTANT]})]


def now_in_utc() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


@dataclass(slots=True)
class StillClock:
    """A clock that stands still until it is set, so that clients can be tested on whatever day they run."""

    moment: datetime

    def __call__(self) -> datetime:
        """What it shows."""
        return self.moment


@dataclass(frozen=True, slots=True)
class ServiceClock:
    """The clock of an application."""

    now: Clock


async def now_of(request: Request) -> datetime:
    """The service's now."""
    return services_of(request).get(ServiceClock).now()


ClockOfService = Annotated[ServiceClock, provided(ServiceClock)]
Now = Annotated[datetime, Depends(now_of)]
