"""Import progress: how far an import is, and what it reports of its rows."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from app.orders.ingest import Tally
from app.orders.normal_form import Refusal
from app.orders.order_file import OrderFile
from app.orders.read_rows import Aside
from app.orders.schemas import ReadAs
from app.wire.ids import public_id

REPORTED_REFUSALS = 100
MOST_REFUSED_IN_A_ROW = 10_000
TOLD_REFUSALS = 10
MOST_KEPT_REFUSALS = 100_000
"""How many refused rows of an import are stored: the first ones."""


class Lines(NamedTuple):
    """Where a row stands in its file."""

    line: int
    last_line: int


class RefusedRow(NamedTuple):
    """A row that was not stored; the names are those of INSERT_REFUSED_ROWS."""

    numbers: int
    lines: int
    last_lines: int
    order_ids: str | None
    codes: str
    details: str
    """Packed, to be read in any language."""

    @classmethod
    def of(cls, number: int, lines: Lines, refusal: Refusal) -> "RefusedRow":
        """What is stored of a refused row."""
        others = [(code, detail.packed()) for code, detail in refusal.others]
        return cls(number, *lines, refusal.order_id, refusal.code, json.dumps([refusal.detail.packed(), others]))


@dataclass(slots=True)
class Import:
    """An import and how far it is: the counts add up to `received`."""

    file: OrderFile
    began_at: datetime
    id: int = 0
    received: int = 0
    folded: int = 0
    ignored: int = 0
    rejected_count: int = 0
    tally: Tally = field(default_factory=Tally)
    rejected: list[tuple[Lines, Refusal]] = field(default_factory=list)
    warnings_count: int = 0
    warnings: list[tuple[Lines, Refusal]] = field(default_factory=list)

    refused_in_a_row: int = 0
    unstored: list[RefusedRow] = field(default_factory=list)
    """The refused rows that are to be stored with the next batch."""
    ended_because: str | None = None

    def refuse(self, lines: Lines, refusal: Refusal) -> None:
        """Count a row that is not stored, and remember the first ones."""
        self.rejected_count += 1
        self.refused_in_a_row += 1
        if len(self.rejected) < REPORTED_REFUSALS:
            self.rejected.append((lines, refusal))
        if self.rejected_count <= MOST_KEPT_REFUSALS:
            self.unstored.append(RefusedRow.of(self.rejected_count, lines, refusal))

    def warn(self, lines: Lines, warning: Refusal) -> None:
        """Count what is odd about a row that is stored, and remember the first ones."""
        self.warnings_count += 1
        if len(self.warnings) < REPORTED_REFUSALS:
            self.warnings.append((lines, warning))

    def set_aside(self, row: Aside) -> None:
        """Count a row that is no order by itself."""
        self.folded += row is Aside.FOLDED
        self.ignored += row is Aside.IGNORED

    @property
    def read_as(self) -> ReadAs:
        """How the file was read."""
        return self.file.read_as

    @property
    def kept_refusals(self) -> int:
        """How many refused rows are stored."""
        return min(self.rejected_count, MOST_KEPT_REFUSALS)

    @property
    def is_hopeless(self) -> bool:
        """Whether so few rows can be stored that the file must be another one."""
        mostly = self.received >= 2 * MOST_REFUSED_IN_A_ROW and 2 * self.rejected_count > self.received
        return mostly or self.refused_in_a_row >= MOST_REFUSED_IN_A_ROW

    def told(self) -> dict[str, object]:
        """What is stored so far, for the answer to an import that ends early."""
        return {
            "id": public_id("imp", self.id),
            "received": self.received,
            "created": self.tally.created,
            "updated": self.tally.updated,
            "unchanged": self.tally.unchanged,
            "folded": self.folded,
            "ignored": self.ignored,
            "rejected_count": self.rejected_count,
            "rejected": [
                {**lines._asdict(), "order_id": each.order_id, "code": each.code, "detail": each.detail}
                for lines, each in self.rejected[:TOLD_REFUSALS]
            ],
            "warnings_count": self.warnings_count,
        }
