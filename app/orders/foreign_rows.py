"""Foreign rows: the rows of another program's file become orders of ours, as its layout declares."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from app.invalid_values import InvalidValueError
from app.orders.cut_records import Record
from app.orders.layouts import LAYOUTS
from app.orders.layouts.declaration import Columns, InCells, Layout, Moment
from app.orders.normal_form import Order, Refusal, with_refund, written_order_id
from app.orders.read_rows import Aside, Records, Table, cells_of_row
from app.orders.spelling import Spelling
from app.problems import BodyTooLarge
from app.vocabulary import LayoutName, OrderStatus
from app.wire.instants import rfc3339
from app.wire.money import CURRENCIES, minor_units
from app.words import Sentence

MOST_ROWS_OF_AN_ORDER = 1_000
MOST_REFUNDS = 100_000
UNKNOWN_CURRENCY = Sentence("Give an ISO 4217 code such as EUR.")
NUMBER = re.compile(r"[0-9]{1,9}(?:[.,]0+)?", re.ASCII)
AMERICAN_HOURS = {"e": -5, "c": -6, "m": -7, "p": -8}
OFFSETS = {
    **{f"{zone}st": f"{hours:+03}:00" for zone, hours in AMERICAN_HOURS.items()},
    **{f"{zone}dt": f"{hours + 1:+03}:00" for zone, hours in AMERICAN_HOURS.items()},
    "gmt": "+00:00", "utc": "+00:00", "wet": "+00:00", "bst": "+01:00", "west": "+01:00", "cet": "+01:00",
    "cest": "+02:00", "eet": "+02:00", "eest": "+03:00", "aest": "+10:00", "aedt": "+11:00", "jst": "+09:00",
}  # fmt: skip
"""What zones are called in files of payments."""
ZONES = {
    "eastern time (us & canada)": "America/New_York",
    "central time (us & canada)": "America/Chicago",
    "mountain time (us & canada)": "America/Denver",
    "arizona": "America/Phoenix",
    "pacific time (us & canada)": "America/Los_Angeles",
    "london": "Europe/London",
    "sydney": "Australia/Sydney",
}


class Refund(NamedTuple):
    """A row that takes back a part of an order that stands elsewhere in the file."""

    order_id: str
    amount: int
    currency: str


@dataclass(slots=True)
class Group:
    """The rows of one order that have been read so far."""

    key: str
    at: int
    """The place of its first record among the records."""
    first: int
    last: int
    row: dict[str, Any] | Refusal
    items: int | None
    folded: list[int]
    """The lines of the rows behind the first."""


class ForeignTable:
    """The columns of a file, found by the names that its layout gives them."""

    def __init__(self, layout: Layout, columns: Sequence[str | None]) -> None:
        """`columns` are names as layouts compare them."""
        self.layout = layout
        self._columns = [column or "" for column in columns]
        self._places = {column: place for place, column in reversed([*enumerate(self._columns)])}
        self._key = layout.same_order or layout.order_id

    def said(self, cells: Sequence[str], columns: Columns) -> str:
        """What the first of these columns holds that is not empty."""
        for column in columns:
            place = self._places.get(column)
            if place is not None and (cell := cells[place].strip()):
                return cell
        return ""

    def key(self, cells: Sequence[str]) -> str:
        """What the rows of one order have in common."""
        return self.said(cells, self._key)

    def has(self, cells: Sequence[str], rule: tuple[str, frozenset[str]] | None) -> bool:
        """Whether a row has one of the words of a rule in its column."""
        return rule is not None and self.said(cells, (rule[0],)).lower() in rule[1]

    def kind(self, cells: Sequence[str]) -> type[Refund] | Aside | None:
        """What a row is that is no order."""
        layout = self.layout
        if self.has(cells, layout.refund_rows):
            return Refund
        says_what_it_is = layout.orders_only is not None and layout.orders_only[0] in self._places
        if says_what_it_is and not self.has(cells, layout.orders_only):
            return Aside.IGNORED
        is_payment_made = layout.ignores_payments_made and self.said(cells, layout.total).startswith(
            ("-", "\u2212", "(")
        )
        return Aside.IGNORED if is_payment_made else None

    def refund(self, cells: Sequence[str], spelling: Spelling, currency: str) -> Refund | Refusal:
        """The refund that a row tells."""
        order_id = self.said(cells, self.layout.refund_of)
        currency = self.said(cells, self.layout.currency).upper() or currency
        try:
            amount = spelling.amount(self.said(cells, self.layout.total), currency).removeprefix("-")
            return Refund(order_id, minor_units(amount, CURRENCIES[currency]), currency)
        except (InvalidValueError, KeyError) as error:
            detail = error.sentence if isinstance(error, InvalidValueError) else UNKNOWN_CURRENCY
            return Refusal(None, "invalid_total", detail.about("total"))

    def row(self, cells: Sequence[str], spelling: Spelling, currency: str) -> dict[str, Any] | Refusal:
        """The order of a row in the normal form; the source's currency counts where the row names none."""
        layout = self.layout
        customer_id = self.said(cells, layout.customer_id)
        names = (" ".join(filter(None, (self.said(cells, (part,)) for part in parts))) for parts in layout.full_name)
        currency = self.said(cells, layout.currency).upper() or currency
        row: dict[str, Any] = {
            "order_id": self.said(cells, layout.order_id),
            "customer_id": "" if customer_id.lower() in layout.guests else customer_id,
            "email": self.said(cells, layout.email),
            "name": next(filter(None, names), ""),
            "ordered_at": self._moment(cells, layout.ordered_at, spelling),
            "updated_at": self._moment(cells, layout.updated_at, spelling),
            "total": self.said(cells, layout.total),
            "currency": currency,
            "test": self.said(cells, layout.test).lower() in layout.test_words,
        }
        status = self._status(cells)
        if status is None:
            return Refusal(
                row["order_id"] or None,
                "invalid_status",
                Sentence("Give a status that is known in files of this layout.").about("status"),
            )
        try:
            row["refunded"] = self._refunded(cells, spelling, row["total"], currency, status)
        except InvalidValueError as error:
            return Refusal(row["order_id"] or None, "invalid_refunded", error.sentence.about("refunded"))
        return row | {"status": status}

    def items(self, cells: Sequence[str]) -> int | None:
        """How many articles a row counts."""
        if number := NUMBER.fullmatch(self.said(cells, self.layout.items)):
            return int(number[0].replace(",", ".").partition(".")[0])
        counted = [int(each) for each in self._in_cells(cells, self.layout.items_in_cells)]
        return sum(counted) if counted else None

    def _status(self, cells: Sequence[str]) -> OrderStatus | None:
        if self.said(cells, self.layout.cancelled_at):
            return OrderStatus.CANCELLED
        return self.layout.words.get(self.said(cells, self.layout.status).lower(), self.layout.other_words)

    def _refunded(
        self, cells: Sequence[str], spelling: Spelling, total: str, currency: str, status: OrderStatus
    ) -> str:
        """What was refunded, as it is written in a file of this spelling."""
        layout = self.layout
        told = [self.said(cells, layout.refunded)]
        told = told if any(told) else [*self._in_cells(cells, layout.refunded_in_cells)]
        amounts = [Decimal(spelling.amount(each, currency)).copy_abs() for each in told if each]
        left = self.said(cells, layout.total_after_refunds)
        if left:
            amounts.append(Decimal(spelling.amount(total, currency)) - Decimal(spelling.amount(left, currency)))
        refunded = sum(amounts, Decimal())
        if status is OrderStatus.REFUNDED and not refunded:
            return total
        return f"{refunded:f}".replace(".", spelling.decimal)

    def _in_cells(self, cells: Sequence[str], within: InCells | None) -> Iterator[str]:
        if within is not None:
            for place, column in enumerate(self._columns):
                if cells[place] and re.fullmatch(within.columns, column):
                    yield from re.findall(within.pattern, cells[place])

    def _moment(self, cells: Sequence[str], moments: Sequence[Moment], spelling: Spelling) -> str:
        """The first of these moments that a row tells; as it is written where it cannot be read."""
        for each in moments:
            written = " ".join(filter(None, (self.said(cells, (column,)) for column in each.columns)))
            if written and self.said(cells, each.columns[:1]):
                zone = self.said(cells, (each.zone_column,)) if each.zone_column else ""
                try:
                    return rfc3339(_in_named_zone(written, zone or each.zone or "", spelling))
                except ValueError:
                    return written
        return ""


def _in_named_zone(written: str, zone: str, spelling: Spelling) -> datetime:
    """The moment of a date in a zone; in that of the spelling where the name is not known."""
    name = zone.lower()
    if name in OFFSETS:
        return spelling.moment(f"{written} {OFFSETS[name]}")
    if re.fullmatch(r"(?:utc|gmt)?[+-][0-9]{2}:?[0-9]{2}", name):
        return spelling.moment(f"{written} {name}")
    known = ZONES.get(name, zone)
    return (spelling._replace(time_zone=known) if _is_zone(known) else spelling).moment(written)


@cache
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError):
        return False
    return bool(name)


@cache
def foreign_table(layout: LayoutName, columns: tuple[str | None, ...]) -> ForeignTable:
    """The table of these columns."""
    return ForeignTable(LAYOUTS[layout], columns)


def foreign_rows(
    records: Sequence[Record], table: Table | None, currency: str, *, is_last: bool
) -> tuple[list[tuple[int, int, Any]], int]:
    """The rows of a layout with their lines: dicts, refusals and what is no order; and how many records were read.

    The rows of an order stand together; those of the last one are left for the next piece unless this `is_last`.
    """
    reading = GroupedRows(table, currency)
    for at, (line, record) in enumerate(records):
        reading.add(at, line, record)
    group = reading.group
    if group is None or is_last or len(group.folded) >= MOST_ROWS_OF_AN_ORDER:
        reading.close()
        return reading.rows, len(records)
    return reading.rows, group.at


class GroupedRows:
    """The rows of a piece while they are read; `group` is the order whose rows may not be all read yet."""

    def __init__(self, table: Table | None, currency: str) -> None:
        """Nothing read yet."""
        if table is None or table.layout is None:
            raise TypeError
        self._table, self._currency = table, currency
        self._foreign = foreign_table(table.layout, table.columns)
        self.rows: list[tuple[int, int, Any]] = []
        self.group: Group | None = None

    def add(self, at: int, line: int, record: bytes | str) -> None:
        """Read one more record."""
        cells = cells_of_row(record, self._table)
        last = line + (record.count(b"\n") if isinstance(record, bytes) else 0)
        row: Any = cells if isinstance(cells, Refusal) else self._foreign.kind(cells)
        if isinstance(cells, Refusal) or row is not None:
            self.close()
            if not isinstance(cells, Refusal) and row is Refund:
                row = self._foreign.refund(cells, self._table.spelling, self._currency)
            self.rows.append((line, last, row))
            return
        key, items = self._foreign.key(cells), self._foreign.items(cells)
        group = self.group
        if group is None or group.key != key or not key:
            self.close()
            row = self._foreign.row(cells, self._table.spelling, self._currency)
            self.group = Group(key, at, line, last, row, items, [])
            return
        group.last = last
        group.folded.append(line)
        if items is not None:
            group.items = (group.items or 0) + items

    def close(self) -> None:
        """No more rows belong to the order."""
        if self.group is not None:
            group, self.group = self.group, None
            row = group.row
            if not isinstance(row, Refusal):
                row["items"] = group.items
            self.rows.append((group.first, group.last, row))
            self.rows += [(line, line, Aside.FOLDED) for line in group.folded]


class Refunds:
    """The rows of a file that refund orders of the same file, which may stand before or behind them."""

    def __init__(self, currency: str) -> None:
        """`currency` is that of the source."""
        self._currency = currency
        self._by_order: dict[str, list[tuple[int, Refund]]] = {}
        self._applied: set[str] = set()
        self._many = 0

    def collect(self, records: Records) -> None:
        """Remember the refunds among these records."""
        rows, _ = foreign_rows(records.records, records.table, self._currency, is_last=True)
        for line, _, row in rows:
            if isinstance(row, Refund):
                self._many += 1
                if self._many > MOST_REFUNDS:
                    raise BodyTooLarge
                self._by_order.setdefault(row.order_id, []).append((line, row))

    def applied(self, order: Order, currency: str) -> Order:
        """The order with its refunds."""
        refunds = [refund for _, refund in self._by_order.get(order.order_id, ()) if refund.currency == currency]
        if not refunds:
            return order
        self._applied.add(order.order_id)
        return with_refund(order, sum(refund.amount for refund in refunds))

    def rest(self) -> Iterable[tuple[int, int, Aside | Refusal]]:
        """What has become of each row: it was added to its order, or there is no such order in the file."""
        for order_id, refunds in self._by_order.items():
            for line, _ in refunds:
                if order_id in self._applied:
                    yield line, line, Aside.FOLDED
                else:
                    detail = Sentence("Import a file that holds the refunded order as well.")
                    yield line, line, Refusal(written_order_id({"order_id": order_id}), "refund_without_order", detail)
