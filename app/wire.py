"""Wire: the JSON forms that all features share.

Money is a decimal string with exactly the currency's digits, an instant is RFC 3339,
an id is an opaque string with the prefix of its kind, a list comes in pages.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Annotated, Any, NoReturn

import iso4217
from fastapi import Depends, Query, Request, Response
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_plain_validator_function

from app.problems import Problem

LARGEST_AMOUNT_MINOR = 10**15
"""No single amount is larger, in minor units."""

LARGEST_ID = 2**63 - 1


class InvalidCursor(Problem):
    """The cursor is not one that this query gave; start again without it."""

    slug = "invalid-cursor"
    title = "The cursor does not fit"
    status = 400


class Strict(BaseModel):
    """A body or query that refuses what it does not know."""

    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)


# ---------------------------------------------------------------- text

UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
LINE_ENDS = re.compile("[\x80-\x9f\u2028\u2029]")
"""What some readers of headers take for control characters or the end of a line, beside what is unprintable."""


def plain(text: str) -> str:
    """Text of one line: no control character, no lone surrogate."""
    if UNPRINTABLE.search(text):
        raise ValueError("must not hold control characters or lone surrogates")
    return text


def header_text(text: str) -> str:
    """Text that can stand in the header of an e-mail: some mail libraries unfold `=?` into further headers."""
    if "=?" in text or LINE_ENDS.search(text):
        raise ValueError("must be one line without control characters and =?")
    return plain(text)


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(plain)]
HeaderText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(header_text)
]


# ---------------------------------------------------------------- money

CURRENCIES: dict[str, int] = {
    currency.code: currency.exponent for currency in iso4217.Currency if currency.exponent is not None
}
"""ISO 4217 codes that money can be in, with the digits after the decimal point."""

AMOUNT = re.compile(r"([0-9]{1,16})(?:\.([0-9]+))?")


def minor_units(amount: str, digits: int) -> int:
    """A decimal string as minor units; ValueError when it has more digits than the currency, a sign or is too large."""
    match = AMOUNT.fullmatch(amount)
    if match is None:
        raise ValueError('must be a decimal string such as "12.50", without sign, exponent or separators')
    whole, fraction = match[1], match[2] or ""
    if len(fraction) > digits:
        raise ValueError(f"must have at most {digits} digits after the point: this currency has no more")
    minor = int(whole + fraction.ljust(digits, "0"))
    if minor > LARGEST_AMOUNT_MINOR:
        raise ValueError("must be at most 10^15 minor units")
    return minor


def decimal_string(minor: int, digits: int) -> str:
    """Minor units as a decimal string with exactly the currency's digits."""
    return (
        str(Decimal(minor).scaleb(-digits)) if digits == 0 else f"{minor // 10**digits}.{minor % 10**digits:0{digits}}"
    )


def unit_of(digits: int) -> Decimal:
    """One minor unit, with its scale: times an integer it gives the decimal that is shown."""
    return Decimal(1).scaleb(-digits)


# ---------------------------------------------------------------- time

RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII)
LOCAL_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
FIRST_YEAR, LAST_YEAR = 1900, 9998
TOO_PRECISE = re.compile(r"(\.\d{6})\d+")


def instant(text: str) -> datetime:
    """An RFC 3339 timestamp with its offset, in UTC; digits beyond the microsecond are cut."""
    if not RFC_3339.fullmatch(text):
        raise ValueError("must be an RFC 3339 timestamp with an offset, such as 2026-03-01T09:30:00+01:00")
    exact = TOO_PRECISE.sub(r"\1", text) if "." in text else text
    try:
        return datetime.fromisoformat(exact.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is no moment of the calendar") from None


def rfc3339(moment: datetime) -> str:
    """An instant in UTC with `Z`, microseconds only where it has some."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def local_rfc3339(moment: datetime, zone: tzinfo) -> str:
    """An instant as the clocks of a zone show it; in UTC where they were off by seconds, as some were until 1972."""
    shown = moment.astimezone(zone)
    offset = shown.utcoffset() or timedelta()
    return shown.isoformat() if offset % timedelta(minutes=1) == timedelta() else rfc3339(moment)


def queried_instant(text: object) -> datetime:
    """An instant from a query string, where a bare `+` has become a space."""
    if not isinstance(text, str):
        raise ValueError("must be an RFC 3339 timestamp")  # noqa: TRY004 - pydantic reports ValueError
    return instant(re.sub(r" (?=\d{2}:\d{2}$)", "+", text))


def date_or_instant(text: object) -> date | datetime:
    """A local date, or an instant, with room for reckoning on both sides."""
    is_date = isinstance(text, str) and LOCAL_DATE.fullmatch(text)
    moment = date.fromisoformat(text) if is_date else queried_instant(text)  # type: ignore[arg-type]
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"must lie between {FIRST_YEAR} and {LAST_YEAR}")
    return moment


QueryInstant = Annotated[
    datetime, BeforeValidator(queried_instant), WithJsonSchema({"type": "string", "format": "date-time"})
]
QueryDay = Annotated[
    date | datetime,
    BeforeValidator(date_or_instant),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}),
]
Instant = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Money = Annotated[str, WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"})]


async def clock_of(request: Request) -> datetime:
    """The service's now; async, for a plain function would cost a thread."""
    now: datetime = request.app.state.clock()
    return now


Now = Annotated[datetime, Depends(clock_of)]


# ---------------------------------------------------------------- ids


def public_id(prefix: str, row_id: int) -> str:
    """The opaque form of a row's id."""
    return f"{prefix}_{row_id}"


def row_id(prefix: str, text: str) -> int | None:
    """The row behind a public id, or nothing when the text is none."""
    digits = text.removeprefix(f"{prefix}_")
    if digits == text or not re.fullmatch(r"[1-9][0-9]{0,18}", digits, re.ASCII):
        return None
    number = int(digits)
    return number if number <= LARGEST_ID else None


@dataclass(frozen=True)
class PublicId:
    """Marks a parameter that names a row: `Annotated[int, PublicId("src", UnknownSource)]`.

    Malformed ids are as unknown as foreign ones.
    """

    prefix: str
    unknown: type[Problem]

    def read(self, text: object) -> int:
        """The row's id, or the problem."""
        number = row_id(self.prefix, text) if isinstance(text, str) else None
        if number is None:
            raise self.unknown
        return number

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read the text instead of validating an integer."""
        return no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: object) -> JsonSchemaValue:
        """A string, for clients."""
        return {"type": "string", "pattern": f"^{self.prefix}_[1-9][0-9]{{0,18}}$", "examples": [f"{self.prefix}_1"]}


# ---------------------------------------------------------------- pages

CURSOR_PATTERN = r"^[A-Za-z0-9_-]{24,1000}$"
SEAL_BYTES = 16

Cursor = Annotated[
    str,
    Query(description="`next_cursor` of the page before", json_schema_extra={"pattern": CURSOR_PATTERN}),
]


def seal(secret: bytes, query: str, position: Sequence[object]) -> str:
    """A cursor: where a page ended, signed together with the query that it belongs to."""
    content = json.dumps(position, separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(_seal_of(secret, query, content) + content).decode().rstrip("=")


def unseal(secret: bytes, query: str, cursor: str) -> list[Any]:
    """The position in a cursor of the same account and query; anything else is InvalidCursor."""
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise InvalidCursor from None
    content = sealed[SEAL_BYTES:]
    if not hmac.compare_digest(sealed[:SEAL_BYTES], _seal_of(secret, query, content)):
        raise InvalidCursor
    position: list[Any] = json.loads(content)
    return position


def _seal_of(secret: bytes, query: str, content: bytes) -> bytes:
    return hmac.new(secret, query.encode() + b"\0" + content, hashlib.sha256).digest()[:SEAL_BYTES]


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    """Tell the next page in a Link header too."""
    if cursor is not None:
        response.headers["Link"] = next_link(request, cursor)


def next_link(request: Request, cursor: str) -> str:
    """The Link header's value for the page at the cursor."""
    given = [pair for pair in request.scope["query_string"].decode("latin-1").split("&") if pair]
    kept = [pair for pair in given if pair.partition("=")[0] != "cursor"]
    return f'<{request.scope["path"]}?{"&".join([*kept, f"cursor={cursor}"])}>; rel="next"'


# ---------------------------------------------------------------- JSON in


def refuse_constant(_: str) -> NoReturn:
    """NaN and Infinity are not JSON."""
    raise ValueError("not JSON")


def unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, whose names must differ."""
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("duplicate names")
    return names


strict_json: Callable[[str | bytes], Any] = json.JSONDecoder(
    object_pairs_hook=unique_names, parse_constant=refuse_constant
).decode  # type: ignore[assignment]
"""JSON text as Python values; ValueError or RecursionError when it is not JSON in the narrow sense."""
