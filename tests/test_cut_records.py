"""Cutting records: any bytes become records and refusals that together are all the lines of the file."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.orders import cut_records
from app.orders.cut_records import TOO_LONG, UNREADABLE, LineCutter, Record, RecordCutter, grammar_of

NASTY = st.text(alphabet='a,;"\n\r \t', max_size=60).map(str.encode) | st.binary(max_size=60)
PIECES = st.lists(NASTY, max_size=12)
DELIMITERS = st.sampled_from(",;\t|")


def cut(pieces: list[bytes], cutter: LineCutter) -> list[Record]:
    return [*(record for piece in pieces for record in cutter.feed(piece)), *cutter.end()]


def read_slowly(content: bytes, delimiter: str, longest: int) -> tuple[list[Record], list[list[str]]]:
    """The same by the letter of the rule: a character at a time, and back to the next line after a refusal."""
    lines = content.removesuffix(b"\n").split(b"\n")
    records: list[Record] = []
    rows = []
    at = 0
    while at < len(lines):
        code, last, cells = read_one(lines, at, delimiter, longest)
        if code is not None:
            records.append((at + 1, code))
        elif b"".join(lines[at : last + 1]).strip():
            records.append((at + 1, b"\n".join(lines[at : last + 1])))
            rows.append(cells)
        at = last + 1
    return records, rows


def read_one(lines: list[bytes], at: int, delimiter: str, longest: int) -> tuple[str | None, int, list[str]]:
    blanks = " \r" if delimiter == "\t" else " \t\r"
    text, last, cells = lines[at].decode("latin-1"), at, []
    if len(text) > longest:
        return TOO_LONG, at, []
    start = 0
    while True:
        here = start + len(text[start:]) - len(text[start:].lstrip(blanks))
        if text[here : here + 1] == '"':
            cell, here = "", here + 1
            while text[here : here + 1] != '"' or text[here : here + 2] == '""':
                if here >= len(text):
                    if last + 1 == len(lines):
                        return (UNREADABLE if len(text) < longest else TOO_LONG), at, []
                    last += 1
                    text += "\n" + lines[last].decode("latin-1")
                    if len(text) > longest:
                        return TOO_LONG, at, []
                else:
                    cell, here = cell + text[here], here + (2 if text[here] == '"' else 1)
            here += 1
            here += len(text[here:]) - len(text[here:].lstrip(blanks))
            if text[here : here + 1] not in ("", delimiter):
                return UNREADABLE, at, []
        else:
            end = text.find(delimiter, start)
            here = len(text) if end < 0 else end
            cell = text[start:here]
        cells.append(cell)
        if here >= len(text):
            return None, last, cells
        start = here + 1


@given(PIECES, DELIMITERS, st.integers(3, 30))
@example([b'"a\n"b,c\nd,e'], ",", 30)
@example([b'q","\n' * 9], ",", 30)
@example([b"\n;;;;\n"], ",", 3)
@example([b'x,"' + b"y" * 20, b"y" * 20 + b'\n"z"\n'], ",", 12)
def test_records_and_cells_are_those_of_the_rule_however_the_bytes_are_cut(pieces, delimiter, longest):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cut_records, "LONGEST_ROW_BYTES", longest)
        patched.setattr(cut_records, "MOST_PASSED_LINES", 4)
        found = cut(pieces, RecordCutter(grammar_of(delimiter)))
    records, rows = read_slowly(b"".join(pieces), delimiter, longest)
    assert found == records
    good = [record for _, record in found if isinstance(record, bytes)]
    assert [grammar_of(delimiter).cells_of(record.decode("latin-1")) for record in good] == [
        cells if '"' in record.decode("latin-1") else record.decode("latin-1").split(delimiter)
        for cells, record in zip(rows, good, strict=True)
    ]


@given(PIECES)
def test_every_line_that_is_not_blank_is_in_one_record_or_refused(pieces):
    found = cut(pieces, RecordCutter(grammar_of(",")))

    lines = []
    for number, record in found:
        spanned = 1 if isinstance(record, str) else record.count(b"\n") + 1
        lines += range(number, number + spanned)
    written = b"".join(pieces).split(b"\n")
    assert sorted({*lines}) == lines
    assert {number for number, line in enumerate(written, 1) if line.strip()} <= {*lines}


@given(PIECES)
def test_lines_are_cut_wherever_a_piece_ends(pieces):
    written = b"".join(pieces).split(b"\n")
    assert cut(pieces, LineCutter()) == [(n, line) for n, line in enumerate(written, 1) if line.strip()]


@pytest.mark.parametrize("line", [b'q","\n', b'"\n\n', b'"",","\n', b'x,"y\n', b'"' + b'""' * 20_000 + b"\n"])
def test_quotes_that_are_opened_again_and_again_are_read_in_one_pass(line):
    many = max(500_000 // len(line), 2)
    found = cut([line * 100] * (many // 100 + 1), RecordCutter(grammar_of(",")))
    assert len(found) > 0
