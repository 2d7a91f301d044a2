"""Normal form: a row of any way in becomes an order, or is refused with a reason."""

import hashlib
import re
from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from app.boards.source import Source
from app.orders.schemas import OrderRow
from app.periods import HISTORY_BEGINS
from app.wire.addresses import normal_address
from app.wire.instants import CLOCK_SKEW, instant
from app.wire.money import CURRENCIES, minor_units

FIELDS = frozenset(OrderRow.model_fields)
VALIDATE = OrderRow.__pydantic_validator__.validate_python

WRITTEN_ORDER_ID = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,255}")


class Order(NamedTuple):
    """An order in minor units and instants; `foreign_currency` only where it is not the source's."""

    order_id: str
    external_id: str | None
    email: str | None
    name: str | None
    ordered_at: datetime
    total: int
    refunded: int
    foreign_currency: str | None
    items: int | None
    status: str
    test: bool
    updated_at: datetime | None
    content_hash: int


class Refusal(NamedTuple):
    """Why a row was not stored; the order id only where it is fit to be repeated."""

    order_id: str | None
    code: str
    detail: str


def written_order_id(row: object) -> str | None:
    """The order id that a refused row had, if it is one."""
    order_id = row.get("order_id") if isinstance(row, dict) else None
    return order_id if isinstance(order_id, str) and WRITTEN_ORDER_ID.fullmatch(order_id) else None


def normalised(row: object, source: Source, now: datetime) -> Order | Refusal:
    """The order in a row, or the first reason why it cannot be stored."""
    try:
        said = _without_blanks(row) if isinstance(row, dict) else row
        return _order_of(VALIDATE(said), source, now)
    except ValidationError as invalid:
        code, detail = _first_error(invalid)
    except FieldRefused as refused:
        code, detail = refused.args
    return Refusal(written_order_id(row), code, detail)


def _without_blanks(row: dict[str, object]) -> dict[str, object]:
    """The row without empty fields: shops send `""` for a missing value, and so does CSV."""
    return {
        name: value
        for name, value in row.items()
        if (value.strip() if isinstance(value, str) else value is not None) or name not in FIELDS
    }


class FieldRefused(Exception):  # noqa: N818 - it is about a field, not about us
    """`(code, detail)` of the field that cannot be stored."""


def _first_error(invalid: ValidationError) -> tuple[str, str]:
    error = invalid.errors(include_url=False, include_context=False, include_input=False)[0]
    if not error["loc"]:
        return "invalid_row", "must be an object with the fields of an order"
    field = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        return "unknown_field", "has a field that orders do not have"
    if error["type"] == "missing":
        return f"missing_{field}", f"{field} is missing"
    if error["type"] == "string_pattern_mismatch":
        return f"invalid_{field}", f"{field}: must be text without NUL characters"
    return f"invalid_{field}", f"{field}: {error['msg']}"


def _order_of(row: OrderRow, source: Source, now: datetime) -> Order:
    currency = _currency(row.currency) if row.currency else source.currency
    digits = CURRENCIES[currency]
    ordered_at = _moment("ordered_at", row.ordered_at, now)
    content = (
        row.order_id,
        row.customer_id,
        _email(row.email) if row.email else None,
        row.name,
        ordered_at,
        _amount("total", row.total, digits),
        _amount("refunded", row.refunded, digits) if row.refunded else 0,
        None if currency == source.currency else currency,
        row.items,
        row.status,
        bool(row.test),
    )
    updated_at = min(_moment("updated_at", row.updated_at, now), now) if row.updated_at else None
    order = Order(*content, updated_at, content_hash(content))
    return order if ordered_at <= now else order._replace(ordered_at=now)


def content_hash(content: tuple[object, ...]) -> int:
    """64 bits that tell whether two versions of an order say the same; `updated_at` is not content.

    A field that is added to the content changes the hash of every stored order: leave it out where it is None.
    """
    digest = hashlib.blake2b(repr(content).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _currency(code: str) -> str:
    if code not in CURRENCIES:
        raise FieldRefused("unknown_currency", "currency: must be an ISO 4217 code such as EUR")
    return code


def _amount(field: str, text: str, digits: int) -> int:
    try:
        return minor_units(text, digits)
    except ValueError as error:
        raise FieldRefused(f"invalid_{field}", f"{field}: {error}") from None


def _moment(field: str, text: str, now: datetime) -> datetime:
    try:
        moment = instant(text)
    except ValueError as error:
        raise FieldRefused(f"invalid_{field}", f"{field}: {error}") from None
    if moment > now + CLOCK_SKEW:
        raise FieldRefused(f"future_{field}", f"{field}: lies in the future")
    if moment < HISTORY_BEGINS:
        raise FieldRefused(f"invalid_{field}", f"{field}: must not be before 1900")
    return moment


def _email(text: str) -> str:
    try:
        return normal_address(text)
    except ValueError as error:
        raise FieldRefused("invalid_email", f"email: {error}") from None
