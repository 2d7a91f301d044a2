"""Spelling: amounts and dates as the people of one file write them, and what a sample tells about that.

A date that names no offset is of the file's own zone: an hour that its clocks skip is refused, of one that they show
twice the first is meant.
"""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.invalid_values import InvalidValueError
from app.wire.instants import instant
from app.words import Sentence


class DecimalMark(StrEnum):
    """What stands before the digits of the smaller unit; the other one may group thousands."""

    POINT = "."
    COMMA = ","


class DateOrder(StrEnum):
    """In what order numbers make a date; dates that begin with a year of four digits are read in every order."""

    ISO = "iso"
    DMY = "dmy"
    MDY = "mdy"
    YMD = "ymd"


DOLLARS = "USD AUD CAD NZD SGD HKD TWD MXN ARS CLP COP BRL BBD BMD BND BSD BZD FJD GYD JMD KYD LRD NAD SBD SRD TTD XCD"
CURRENCY_SIGNS = {
    "$": frozenset(DOLLARS.split()),
    "€": frozenset({"EUR"}),
    "£": frozenset({"GBP", "EGP", "FKP", "GIP", "SHP"}),
    "¥": frozenset({"JPY", "CNY"}),
    "￥": frozenset({"JPY", "CNY"}),
    "₹": frozenset({"INR"}),
    "₺": frozenset({"TRY"}),
    "₩": frozenset({"KRW"}),
    "₪": frozenset({"ILS"}),
    "₱": frozenset({"PHP"}),
    "₫": frozenset({"VND"}),
    "₴": frozenset({"UAH"}),
    "₽": frozenset({"RUB"}),
    "฿": frozenset({"THB"}),
}
"""The currencies that an amount with this sign can be in."""

SPACES = " \u00a0\u202f\u2009"
SIGN = f"[{''.join(CURRENCY_SIGNS)}]"
WRITTEN_AMOUNT = re.compile(
    rf"(?P<minus>[-\u2212(]?)(?P<sign>{SIGN}?)[{SPACES}]?(?P<inner_minus>(?<![-\u2212(])[-\u2212])?"
    rf"(?P<number>[0-9](?:[0-9.,'\u2019{SPACES}]*[0-9])?)[{SPACES}]?(?P<sign_behind>{SIGN}?)\)?"
)
GROUPS = {
    mark: re.compile(
        rf"(?:[0-9]+|[0-9]{{1,3}}(?:(?P<by>[{other}'\u2019{SPACES}])[0-9]{{3}}(?:(?P=by)[0-9]{{3}})*)?"
        rf"|[0-9]{{1,2}}(?:{other}[0-9]{{2}})+{other}[0-9]{{3}})(?:{re.escape(mark)}[0-9]+)?"
    )
    for mark, other in ((DecimalMark.POINT, ","), (DecimalMark.COMMA, re.escape(".")))
}
"""Numbers whose thousands are grouped, or not; the last kind is India's."""

MONTHS = {
    name: number
    for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)  # noqa: SIM905
}
MONTH = r"(?P<{0}>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
WRITTEN_DATE = re.compile(
    r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
    r"(?:(?P<year>[0-9]{4})(?P<sep>[-/.])(?P<month>[0-9]{1,2})(?P=sep)(?P<day>[0-9]{1,2})"
    r"|(?P<first>[0-9]{1,2})(?P<mark>[-/.])(?P<second>[0-9]{1,2})(?P=mark)(?P<third>[0-9]{4}|[0-9]{2})"
    rf"|{MONTH.format('name_first')}\s+(?P<day_second>[0-9]{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year_third>[0-9]{{4}})"
    rf"|(?P<day_first>[0-9]{{1,2}})\.?[\s-]{MONTH.format('name_second')}[\s-](?P<year_last>[0-9]{{4}}))"
    r"(?:(?:[T,]\s*|,?\s+(?:at\s+)?)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<of_minute>[0-9]{2}))?"
    r"(?:[.,](?P<fraction>[0-9]{1,9}))?"
    r"(?:\s*(?P<half>[ap])\.?m\.?)?"
    r"(?:\s*(?P<zone>z|utc|gmt|(?:utc|gmt)?[+-][0-9]{2}(?::?[0-9]{2})?))?)?",
    re.IGNORECASE | re.ASCII,
)
NOON = 12
LARGEST_OFFSET_HOURS, MINUTES_OF_AN_HOUR = 14, 60
CENTURY_AHEAD = 70
"""Of two digits, a year from here on is of the last century."""


class Spelling(NamedTuple):
    """How amounts and dates of one file are written; `time_zone` is that of dates without an offset."""

    decimal: DecimalMark
    dates: DateOrder
    time_zone: str

    def amount(self, text: str, currency: str) -> str:
        """The amount as a decimal string, with `-` in front where it is negative."""
        written = WRITTEN_AMOUNT.fullmatch(text)
        if written is None or not GROUPS[self.decimal].fullmatch(written["number"]):
            raise InvalidValueError(Sentence("Give an amount such as 12{mark}50, without exponent.", mark=self.decimal))
        sign = written["sign"] or written["sign_behind"]
        if sign and currency not in CURRENCY_SIGNS[sign]:
            raise InvalidValueError(Sentence("Give no currency sign, or one of {currency}.", currency=currency))
        whole, _, fraction = (
            written["number"].rpartition(self.decimal)
            if self.decimal in written["number"]
            else (written["number"], "", "")
        )
        digits = "".join(re.findall("[0-9]", whole))
        minus = "-" if written["minus"] or written["inner_minus"] else ""
        return f"{minus}{digits}.{fraction}" if fraction else f"{minus}{digits}"

    def moment(self, text: str) -> datetime:
        """The instant of a date, with or without its time and offset, in UTC."""
        try:
            return instant(text)
        except ValueError:
            written = WRITTEN_DATE.fullmatch(text)
        if written is None:
            raise InvalidValueError(
                Sentence("Give a date in the form that the file has, with its time and offset if known.")
            )
        try:
            local, offset = _local_moment(written, self.dates), _offset(written["zone"])
            if offset is not None:
                return (local - offset).replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            raise InvalidValueError(Sentence("Give a day and a time that exist in the calendar.")) from None
        return in_zone(local, self.time_zone)


def in_zone(local: datetime, time_zone: str) -> datetime:
    """The instant at which the clocks of a zone show this; the first of two, InvalidValueError where they skip it."""
    try:
        moment = local.replace(tzinfo=_zone(time_zone)).astimezone(UTC)
        shown = moment.astimezone(_zone(time_zone))
    except OverflowError:
        raise InvalidValueError(Sentence("Give a day and a time that exist in the calendar.")) from None
    if shown.replace(tzinfo=None) != local:
        raise InvalidValueError(Sentence("Give an hour that the clocks of the store show: they skip this one."))
    return moment


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _offset(zone: str | None) -> timedelta | None:
    if not zone:
        return None
    digits = re.sub("[^0-9]", "", zone)
    if not digits:
        return timedelta()
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > LARGEST_OFFSET_HOURS or minutes >= MINUTES_OF_AN_HOUR:
        raise ValueError
    size = timedelta(hours=hours, minutes=minutes)
    return -size if "-" in zone else size


def _local_moment(written: re.Match[str], dates: DateOrder) -> datetime:
    hour = int(written["hour"] or 0)
    if written["half"]:
        if not 1 <= hour <= NOON:
            raise ValueError
        hour = hour % NOON + (NOON if written["half"].lower() == "p" else 0)
    microsecond = int((written["fraction"] or "0").ljust(6, "0")[:6])
    time = hour, int(written["minute"] or 0), int(written["of_minute"] or 0), microsecond
    return datetime(*_year_month_day(written, dates), *time)  # noqa: DTZ001 - the zone comes later


def _year_month_day(written: re.Match[str], dates: DateOrder) -> tuple[int, int, int]:
    if written["year"]:
        return int(written["year"]), int(written["month"]), int(written["day"])
    if written["name_first"]:
        return int(written["year_third"]), MONTHS[written["name_first"].lower()], int(written["day_second"])
    if written["name_second"]:
        return int(written["year_last"]), MONTHS[written["name_second"].lower()], int(written["day_first"])
    first, second, third = written["first"], written["second"], written["third"]
    if dates is DateOrder.YMD and len(third) == len("25"):
        return _century(first), int(second), int(third)
    if dates is DateOrder.DMY:
        return _century(third), int(second), int(first)
    if dates is DateOrder.MDY:
        return _century(third), int(first), int(second)
    raise ValueError


def _century(year: str) -> int:
    number = int(year)
    return number if len(year) > len("25") else number + (2000 if number < CENTURY_AHEAD else 1900)


# ---------------------------------------------------------------- what a sample tells

MOST_DAYS, MOST_MONTHS = 31, 12
GROUP_DIGITS = 3


def guessed_dates(cells: Iterable[str]) -> DateOrder | None:
    """The order in which these dates are written; None where day and month cannot be told from each other."""
    orders: set[DateOrder | None] = set()
    for cell in cells:
        written = WRITTEN_DATE.fullmatch(cell.strip())
        if written is not None and written["first"]:
            orders.add(_order_of_date(int(written["first"]), int(written["second"]), written["mark"]))
    certain = orders - {None}
    if len(certain) > 1 or (orders and not certain):
        return None
    return certain.pop() if certain else DateOrder.ISO


def _order_of_date(first: int, second: int, mark: str) -> DateOrder | None:
    if first > MOST_DAYS:
        return DateOrder.YMD
    if first > MOST_MONTHS or mark == ".":
        return DateOrder.DMY
    return DateOrder.MDY if second > MOST_MONTHS else None


def guessed_decimal(cells: Iterable[str], digits: int) -> DecimalMark | None:
    """What these amounts have before their last digits; None where it may as well group thousands."""
    marks: Counter[DecimalMark | None] = Counter()
    for cell in cells:
        number = re.sub("[^0-9.,]", "", cell)
        if "." in number or "," in number:
            marks[_mark_of(number, digits)] += 1
    doubtful = marks.pop(None, 0)
    if not marks:
        return None if doubtful else DecimalMark.POINT
    return marks.most_common(1)[0][0]


def _mark_of(number: str, digits: int) -> DecimalMark | None:
    last = max(number.rfind("."), number.rfind(","))
    mark = DecimalMark(number[last])
    other = DecimalMark.COMMA if mark is DecimalMark.POINT else DecimalMark.POINT
    if other in number:
        return mark
    if number.count(mark) > 1:
        return other
    whole, fraction = number[:last], number[last + 1 :]
    if len(fraction) != GROUP_DIGITS or len(whole) > GROUP_DIGITS or whole.startswith("0") or not whole:
        return mark
    if len(fraction.rstrip("0")) > digits:
        return other
    return mark if digits == GROUP_DIGITS and mark is DecimalMark.POINT else None
