"""Normal form: a row of any way in becomes an order, or is refused with a reason."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app.boards.source import Source
from app.invalid_values import InvalidValueError, sentence_of
from app.orders.schemas import ContactFields, OrderRow
from app.orders.spelling import DecimalMark, Spelling
from app.periods import HISTORY_BEGINS
from app.vocabulary import OrderStatus
from app.wire.addresses import normal_address
from app.wire.instants import CLOCK_SKEW, instant
from app.wire.money import AMOUNT, CURRENCIES, minor_units
from app.wire.strict_json import Strict
from app.wire.text import on_one_line
from app.words import Language, Sentence

FIELDS = frozenset(OrderRow.model_fields)
CONTACT_FIELDS = frozenset(ContactFields.model_fields)
LANGUAGES = frozenset(Language)
SPOKEN = ", ".join(Language)
VALIDATE = OrderRow.__pydantic_validator__.validate_python

LONGEST_CHECKED = 500
LONGEST_DISCOUNT_CODE, MOST_DISCOUNT_CODES = 255, 100
REFUNDABLE = {OrderStatus.PAID, OrderStatus.PARTIALLY_PAID, OrderStatus.PARTIALLY_REFUNDED}

WRITTEN_ORDER_ID = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,255}")


LeftOut = tuple[str, Sentence]
"""The code and the sentence of a contact field that cannot be used."""


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
    first_name: str | None = None
    last_name: str | None = None
    language: str | None = None
    marketing: str | None = None
    marketing_at: datetime | None = None
    left_out: tuple[LeftOut, ...] = ()
    discount_codes: str | None = None

    @property
    def seen_at(self) -> datetime:
        """How new what it says of a person is."""
        return self.updated_at or self.ordered_at

    @property
    def is_about_person(self) -> bool:
        """An order is not."""
        return False


class Refusal(NamedTuple):
    """Why a row was not stored; the order id only where it is fit to be repeated."""

    order_id: str | None
    code: str
    detail: Sentence
    others: tuple[tuple[str, Sentence], ...] = ()
    """What is wrong with the row besides."""

    def told(self, language: Language) -> dict[str, object]:
        """The refusal as it is answered; `errors` has everything that is wrong."""
        errors = [(self.code, self.detail), *self.others]
        return {
            "order_id": self.order_id,
            "code": self.code,
            "detail": self.detail.in_language(language),
            "errors": [{"code": code, "detail": detail.in_language(language)} for code, detail in errors],
        }


def written_order_id(row: object) -> str | None:
    """The order id that a refused row had, if it is one."""
    order_id = row.get("order_id") if isinstance(row, dict) else None
    return order_id if isinstance(order_id, str) and WRITTEN_ORDER_ID.fullmatch(order_id) else None


def normalised(row: object, source: Source, now: datetime, spelling: Spelling | None = None) -> Order | Refusal:
    """The order in a row, or the reasons why it cannot be stored; JSON has no spelling of its own."""
    wrong: list[tuple[str, Sentence]] = []
    try:
        valid, left_out = validated(VALIDATE, row, FIELDS)
        return _order_of(valid, source, now, spelling, left_out)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_input=False)
        wrong += [_told(each) for each in errors if not {*each["loc"]} & CONTACT_FIELDS]
    except FieldRefused as refused:
        wrong.append((refused.code, refused.detail))
    if isinstance(row, dict):
        wrong += _also_wrong(_trimmed(row, FIELDS), source, now, spelling)
    first, *others = dict(wrong).items()
    return Refusal(written_order_id(row), *first, tuple(others))


RowForm = TypeVar("RowForm", bound=Strict)


def validated(
    validate: Callable[[object], RowForm], row: object, fields: frozenset[str]
) -> tuple[RowForm, list[LeftOut]]:
    """The row as a form, without contact fields that cannot be used; ValidationError when another field is wrong."""
    said = _trimmed(row, fields) if isinstance(row, dict) else row
    try:
        return validate(said), []
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_input=False)
        wrong = {str(each["loc"][0]) if each["loc"] else "" for each in errors}
        if not isinstance(said, dict) or not wrong <= CONTACT_FIELDS:
            raise
        usable = {name: value for name, value in said.items() if name not in wrong}
        return validate(usable), [_told(each) for each in errors]


def _trimmed(row: dict[str, object], fields: frozenset[str]) -> dict[str, object]:
    """The row without the blanks around its texts and without empty fields: shops send `""` for a missing value."""
    said = {name: value.strip() if isinstance(value, str) else value for name, value in row.items()}
    return {name: value for name, value in said.items() if value not in ("", None) or name not in fields}


class FieldRefused(Exception):  # noqa: N818 - it is about a field, not about us
    """The field that cannot be stored, and why."""

    def __init__(self, code: str, field: str, sentence: Sentence) -> None:
        """The detail begins with the name of the field."""
        super().__init__(code)
        self.code, self.detail = code, sentence.about(field)


def _also_wrong(
    said: dict[str, Any], source: Source, now: datetime, spelling: Spelling | None
) -> Iterator[tuple[str, Sentence]]:
    """What is wrong with single fields of a row that is refused anyway, so that it is mended in one round."""
    texts = {name: value for name, value in said.items() if isinstance(value, str)}
    currency = texts.get("currency", source.currency)
    checks: list[tuple[str, Callable[[str], object]]] = [
        ("currency", _currency),
        *((name, partial(moment_in, name, now=now, spelling=spelling)) for name in ("ordered_at", "updated_at")),
    ]
    if currency in CURRENCIES:
        amount = partial(_amount, currency=currency, spelling=spelling)
        checks += [(name, partial(amount, name)) for name in ("total", "refunded")]
    for name, check in checks:
        try:
            if name in texts and len(texts[name]) <= LONGEST_CHECKED:
                check(texts[name])
        except FieldRefused as refused:
            yield refused.code, refused.detail


def first_error(invalid: ValidationError) -> tuple[str, Sentence]:
    """The code and the sentence of the first thing that is wrong with a row."""
    return _told(invalid.errors(include_url=False, include_input=False)[0])


def _told(error: ErrorDetails) -> tuple[str, Sentence]:
    if not error["loc"]:
        return "invalid_row", Sentence("Give a JSON object with the fields of an order.")
    field = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        return "unknown_field", Sentence("The row has a field that orders do not have; leave it out.")
    code = f"missing_{field}" if error["type"] == "missing" else f"invalid_{field}"
    return code, sentence_of(error).about(field)


def _order_of(
    row: OrderRow, source: Source, now: datetime, spelling: Spelling | None, left_out: list[LeftOut]
) -> Order:
    currency = _currency(row.currency) if row.currency else source.currency
    ordered_at = moment_in("ordered_at", row.ordered_at, now, spelling)
    content = (
        row.order_id,
        row.customer_id,
        usable_email(row, left_out),
        row.name,
        ordered_at,
        _amount("total", row.total, currency, spelling),
        _amount("refunded", row.refunded, currency, spelling) if row.refunded else 0,
        None if currency == source.currency else currency,
        row.items,
        row.status,
        bool(row.test),
    )
    updated_at = min(moment_in("updated_at", row.updated_at, now, spelling), now) if row.updated_at else None
    person = PersonFields(row.first_name, row.last_name, *usable_words(row, now, left_out, spelling))
    hashed = (*content, *person) if any(person) else content
    order = Order(*content, updated_at, content_hash(hashed), *person, tuple(left_out))
    return order if ordered_at <= now else order._replace(ordered_at=now)


def with_refund(order: Order, amount: int) -> Order:
    """The order after one more refund."""
    refunded = min(order.refunded + amount, order.total)
    status = order.status
    if status in REFUNDABLE:
        status = OrderStatus.REFUNDED if refunded >= order.total > 0 else OrderStatus.PARTIALLY_REFUNDED
    changed = order._replace(refunded=refunded, status=str(status))
    return changed._replace(content_hash=content_hash((order.content_hash, refunded)))


def with_discount_codes(order: Order, codes: Iterable[str]) -> Order:
    """The order with the codes that its store tells, in no order of theirs; texts that cannot be codes are left out."""
    usable = {code for each in codes if 0 < len(code := on_one_line(each).strip()) <= LONGEST_DISCOUNT_CODE}
    if not usable:
        return order
    kept = "\n".join(sorted(usable)[:MOST_DISCOUNT_CODES])
    return order._replace(discount_codes=kept, content_hash=content_hash((order.content_hash, kept)))


def content_hash(content: tuple[object, ...]) -> int:
    """64 bits that tell whether two versions of an order say the same; `updated_at` is not content.

    A field that is added to the content changes the hash of every stored order: leave it out where it is None.
    """
    digest = hashlib.blake2b(repr(content).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _currency(code: str) -> str:
    if code not in CURRENCIES:
        raise FieldRefused("unknown_currency", "currency", Sentence("Give an ISO 4217 code such as EUR."))
    return code


def _amount(field: str, text: str, currency: str, spelling: Spelling | None) -> int:
    digits = CURRENCIES[currency]
    try:
        if spelling is None or (spelling.decimal == DecimalMark.POINT and AMOUNT.fullmatch(text)):
            return minor_units(text, digits)
        return minor_units(spelling.amount(text, currency), digits)
    except InvalidValueError as error:
        raise FieldRefused(f"invalid_{field}", field, error.sentence) from None


def moment_in(field: str, text: str, now: datetime, spelling: Spelling | None = None) -> datetime:
    """The instant in a field; FieldRefused for one that lies in the future or before all history."""
    try:
        moment = instant(text) if spelling is None else spelling.moment(text)
    except InvalidValueError as error:
        raise FieldRefused(f"invalid_{field}", field, error.sentence) from None
    if moment > now + CLOCK_SKEW:
        raise FieldRefused(f"future_{field}", field, Sentence("Give a time that does not lie in the future."))
    if moment < HISTORY_BEGINS:
        raise FieldRefused(f"invalid_{field}", field, Sentence("Give a time that does not lie before 1900."))
    return moment


class PersonFields(NamedTuple):
    """What a row says of a person beside address and name."""

    first_name: str | None
    last_name: str | None
    language: str | None
    marketing: str | None
    marketing_at: datetime | None


def usable_email(row: ContactFields, left_out: list[LeftOut]) -> str | None:
    """The address of the row in its normal form; None where there is none, or none that is one."""
    try:
        return normal_address(row.email) if row.email else None
    except InvalidValueError as error:
        left_out.append(("invalid_email", error.sentence.about("email")))
        return None


def usable_words(
    row: ContactFields, now: datetime, left_out: list[LeftOut], spelling: Spelling | None = None
) -> tuple[str | None, str | None, datetime | None]:
    """Language, choice about offers and the time of the choice, as far as they can be used."""
    language = row.language and row.language.replace("_", "-").partition("-")[0].lower()
    if language and language not in LANGUAGES:
        left_out.append(("unknown_language", Sentence("Choose one of: {values}.", values=SPOKEN).about("language")))
        language = None
    at = None
    if row.marketing and row.marketing_at:
        try:
            at = min(moment_in("marketing_at", row.marketing_at, now, spelling), now)
        except FieldRefused as refused:
            left_out.append((refused.code, refused.detail))
    return language, row.marketing, at
