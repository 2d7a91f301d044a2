"""Declaration: what a layout says about the files of one program; it holds columns and words, and no code.

Every field names columns, the best first: the first one that holds something counts. Columns are compared without case
and punctuation, so `Order ID`, `order_id` and `Order #ID` are one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.orders.spelling import DateOrder
from app.vocabulary import LayoutName, OrderStatus

Columns = tuple[str, ...]

NOBODY = frozenset({"0", "guest", "-", "n/a"})
BETWEEN_WORDS = re.compile(r"[\W_]+")


def column_name(cell: str) -> str:
    """The name of a column as layouts write it."""
    return BETWEEN_WORDS.sub(" ", cell).strip().lower()


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened: the columns of date and time are joined; `zone` is that of dates without an offset."""

    columns: Columns
    zone: str | None = None
    """None is the source's own."""
    zone_column: str | None = None
    """Where each row names its zone."""


@dataclass(frozen=True, slots=True)
class InCells:
    """Numbers that stand inside of cells, all of them added: every match of the pattern's group counts."""

    columns: str
    """A pattern of the names of columns, such as `line item [0-9]+`."""
    pattern: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one program."""

    name: LayoutName
    recognised_by: tuple[Columns, ...]
    """A file is of this layout when it has all columns of one of these."""

    order_id: Columns
    ordered_at: tuple[Moment, ...]
    total: Columns
    status: Columns
    words: Mapping[str, OrderStatus]
    """The statuses by their words there, in lower case; `""` is for an empty cell."""
    other_words: OrderStatus | None = None
    """The status of any other word; None refuses the row."""

    same_order: Columns = ()
    """What the rows of one order have in common; its `order_id` unless said."""
    dates: DateOrder | None = None
    """How dates are written that could be either; None asks the caller."""
    customer_id: Columns = ()
    guests: frozenset[str] = frozenset()
    """Values of `customer_id` that name nobody."""
    email: Columns = ()
    full_name: tuple[Columns, ...] = ()
    """The columns of a name, joined by a blank."""
    currency: Columns = ()
    refunded: Columns = ()
    """Amounts with or without a sign."""
    refunded_in_cells: InCells | None = None
    total_after_refunds: Columns = ()
    """Filled only where something was refunded."""
    items: Columns = ()
    """Added up over all rows of an order."""
    items_in_cells: InCells | None = None
    cancelled_at: Columns = ()
    """An order is cancelled where this is filled."""
    updated_at: tuple[Moment, ...] = ()
    test: Columns = ()
    test_words: frozenset[str] = frozenset({"true", "yes", "1"})

    orders_only: tuple[str, frozenset[str]] | None = None
    """A column and the words that it has in rows of orders; other rows are no orders and are counted as ignored."""
    ignores_payments_made: bool = False
    """Whether rows with a negative total are no orders."""
    refund_rows: tuple[str, frozenset[str]] | None = None
    """A column and the words that it has in rows that refund an order."""
    refund_of: Columns = ()
    """The order that such a row refunds by its `total`."""

    @property
    def amounts(self) -> frozenset[str]:
        """The columns of amounts."""
        return frozenset((*self.total, *self.refunded, *self.total_after_refunds))

    @property
    def moments(self) -> frozenset[str]:
        """The columns of dates."""
        return frozenset(column for moment in (*self.ordered_at, *self.updated_at) for column in moment.columns)


def words(**spoken: str) -> dict[str, OrderStatus]:
    """The words of each status, separated by `|`."""
    return {word: OrderStatus(status) for status, said in spoken.items() for word in said.split("|")}
