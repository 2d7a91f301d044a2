"""Cutting records: a stream of bytes becomes the records of a table, or lines, in constant memory.

One state machine says where a record ends and what its cells are. A quote opens a quoted cell only where the cell
begins; blanks around the quotes are not part of it. A record that cannot be read or grows too long is refused by its
first line, and reading resumes at the next line. No line is scanned more than twice, once as the beginning of a record
and once as the inside of a quoted cell, however many quotes are opened and never closed.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

LONGEST_ROW_BYTES = 64 * 1024
MOST_PASSED_LINES = 4_096
"""How many lines are kept that nothing is read from any more; then they are dropped together."""

TOO_LONG, UNREADABLE = "row_too_long", "unreadable_row"

Record = tuple[int, bytes | str]
"""The number of a line, and the bytes of the record that begins there, or the code of its refusal."""


class CellGrammar(NamedTuple):
    """What the cells of a table look like; `begun` and `inside` are patterns of a whole line without its end."""

    delimiter: str
    cells: re.Pattern[str]
    begun: re.Pattern[bytes]
    inside: re.Pattern[bytes]

    def cells_of(self, record: str) -> list[str]:
        """The cells of a record that the cutter has let through."""
        if '"' not in record:
            return record.split(self.delimiter)
        return [plain or quoted.replace('""', '"') for quoted, plain in self.cells.findall(record + self.delimiter)]

    def ends(self, line: bytes, *, inside: bool) -> bool | None:
        """Whether a record ends with this line, which begins it or continues `inside` a quoted cell; else None."""
        match = (self.inside if inside else self.begun).match(line)
        return None if match is None else match.lastgroup in {"ends", "ends_later"}


@cache
def grammar_of(delimiter: str) -> CellGrammar:
    """The grammar of cells between these delimiters."""
    between = re.escape(delimiter)
    blanks = r"[ \r]*+" if delimiter == "\t" else r"[ \t\r]*+"
    content = r'(?:[^"]++|"")*+'
    cell = rf'(?:{blanks}"{content}"{blanks}(?={between}|\Z)|(?!{blanks}")[^{between}]*+)'
    begun = rf'(?:{cell}{between})*+(?:(?P<ends>{cell})\Z|{blanks}"{content}(?P<goes_on>)\Z)'
    rest = begun.replace("<ends>", "<ends_later>").replace("<goes_on>", "<opens_later>")
    inside = rf'{content}(?:(?P<goes_on>)\Z|"{blanks}(?:(?P<ends>)\Z|{between}{rest}))'
    cells = rf'{blanks}"({content})"{blanks}{between}|([^{between}]*+){between}'
    return CellGrammar(delimiter, re.compile(cells), re.compile(begun.encode()), re.compile(inside.encode()))


class LineCutter:
    """Cuts bytes into lines; blank ones are left out."""

    def __init__(self) -> None:
        """Nothing read yet."""
        self._rest = b""
        self._line = 0
        self._is_too_long = False

    def feed(self, chunk: bytes) -> list[Record]:
        """The records that are known to end in this chunk."""
        whole = self._rest + chunk
        *lines, self._rest = whole.split(b"\n")
        records = self._cut([*lines], has_quotes=b'"' in whole) if lines else []
        if len(self._rest) > LONGEST_ROW_BYTES:
            self._rest, self._is_too_long = b"", True
        return records

    def end(self) -> list[Record]:
        """The records of what is left."""
        return self._cut([self._rest], has_quotes=True) if self._rest or self._is_too_long else []

    def _cut(self, lines: list[bytes | str], *, has_quotes: bool) -> list[Record]:
        if self._is_too_long:
            lines[0], self._is_too_long = TOO_LONG, False
        if max(map(len, lines)) > LONGEST_ROW_BYTES:
            lines = [TOO_LONG if len(line) > LONGEST_ROW_BYTES else line for line in lines]
        first, self._line = self._line + 1, self._line + len(lines)
        return self._records(lines, first, has_quotes=has_quotes)

    def _records(self, lines: list[bytes | str], first: int, *, has_quotes: bool) -> list[Record]:  # noqa: ARG002
        return [(number, line) for number, line in enumerate(lines, first) if line.strip()]


class RecordCutter(LineCutter):
    """Cuts bytes into records, which a quoted cell may carry over several lines."""

    def __init__(self, grammar: CellGrammar) -> None:
        """Nothing read yet."""
        super().__init__()
        self._grammar = grammar
        self._held: list[bytes | str] = []
        self._first = 1
        """The number of the first line that is held."""
        self._at = 0
        """Where in them the next record begins."""
        self._is_open = False
        """Whether that line is known to leave a quoted cell open."""
        self._seen, self._seen_bytes = 0, 0
        """The lines from `_at` up to `_seen`, but for the first, are known to close no quoted cell; and their size."""
        self._ends_at: tuple[int, bool | None] | None = None
        """A line, and whether a record ends with it that was open before it."""

    def end(self) -> list[Record]:
        """The records of what is left: a quoted cell that is still open is never closed."""
        return [*super().end(), *self._readable(at_end=True)]

    def _records(self, lines: list[bytes | str], first: int, *, has_quotes: bool) -> list[Record]:
        if not self._held:
            if not has_quotes:
                return super()._records(lines, first, has_quotes=False)
            self._first = first
        self._held += lines
        return [*self._readable(at_end=False)]

    def _readable(self, *, at_end: bool) -> Iterator[Record]:
        while self._at < len(self._held):
            ended = self._next_record(at_end=at_end)
            if ended is None:
                break
            record, until = ended
            if record.strip():
                yield self._first + self._at, record
            self._pass_to(until)
        if self._at == len(self._held) or self._at >= MOST_PASSED_LINES:
            del self._held[: self._at]
            self._first, self._seen, self._at = self._first + self._at, self._seen - self._at, 0

    def _next_record(self, *, at_end: bool) -> tuple[bytes | str, int] | None:
        """The record or its refusal, and where the next one begins; None until more is read."""
        line = self._held[self._at]
        if not isinstance(line, str) and not self._is_open:
            ends = b'"' not in line or self._grammar.ends(line, inside=False)
            if ends is not False:
                return line if ends else UNREADABLE, self._at + 1
            self._is_open = True
            if self._seen == self._at:
                self._seen, self._seen_bytes = self._at + 1, len(line) + 1
        return (line, self._at + 1) if isinstance(line, str) else self._open_record(at_end=at_end)

    def _open_record(self, *, at_end: bool) -> tuple[bytes | str, int] | None:
        """As `_next_record`, for a record whose first line leaves a quoted cell open."""
        while self._seen_bytes <= LONGEST_ROW_BYTES:
            if self._seen == len(self._held):
                return (UNREADABLE, self._at + 1) if at_end else None
            line = self._held[self._seen]
            if isinstance(line, str) or self._seen_bytes + len(line) > LONGEST_ROW_BYTES:
                break
            ends = self._ends(self._first + self._seen, line)
            if ends is None:
                return UNREADABLE, self._at + 1
            if ends:
                return b"\n".join(self._held[self._at : self._seen + 1]), self._seen + 1  # type: ignore[arg-type]
            self._seen, self._seen_bytes = self._seen + 1, self._seen_bytes + len(line) + 1
        return TOO_LONG, self._at + 1

    def _ends(self, number: int, line: bytes) -> bool | None:
        """Whether an open record ends with this line; scanned once, though several records may try to end with it."""
        if self._ends_at is None or self._ends_at[0] != number:
            self._ends_at = number, b'"' in line and self._grammar.ends(line, inside=True)
        return self._ends_at[1]

    def _pass_to(self, until: int) -> None:
        if until <= self._seen:
            self._seen_bytes -= sum(len(line) + 1 for line in self._held[self._at : until])
        else:
            self._seen, self._seen_bytes = until, 0
        self._at, self._is_open = until, False
