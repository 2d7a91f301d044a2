"""Workbooks: the first worksheet of an .xlsx file becomes a CSV, in bounded memory.

The file is kept on disk and read row by row, in a process of its own that ends with it: reading takes a processor for
itself, and a file that is made to use up memory cannot harm the service. A row of the worksheet is a line of the CSV.
"""

import asyncio
import csv
import multiprocessing
import os
import resource
import signal
import zipfile
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from tempfile import NamedTemporaryFile

from openpyxl import load_workbook

from app.local_postgres import die_with
from app.orders.streams import BrokenStream
from app.problems import BodyTooLarge
from app.words import Sentence

ZIP_MAGIC = b"PK\x03\x04"
LARGEST_WORKBOOK_BYTES = 64 * 1024 * 1024
LARGEST_UNPACKED_BYTES = 1024 * 1024 * 1024
LARGEST_SHARED_BYTES = 96 * 1024 * 1024
"""Everything but the worksheets, which are read row by row: texts that cells share are kept in memory."""
MOST_MEMORY_BYTES = 1024 * 1024 * 1024
MOST_COLUMNS = 500
PIECE_OF_TABLE_BYTES = 256 * 1024
TOO_LARGE = Sentence("Save the workbook as CSV, which may have any size: it is too large.")


async def workbook_as_csv(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The rows of the first worksheet, as a CSV with commas and ISO dates."""
    with NamedTemporaryFile() as packed, NamedTemporaryFile() as table:
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            if size > LARGEST_WORKBOOK_BYTES:
                raise BodyTooLarge(TOO_LARGE)
            packed.write(chunk)
        packed.flush()
        outcome = await _converted(packed.name, table.name)
        if outcome is Conversion.TOO_LARGE:
            raise BodyTooLarge(TOO_LARGE)
        if outcome is Conversion.UNREADABLE:
            raise BrokenStream(Sentence("Send an .xlsx workbook that can be read, or save it as CSV."))
        while piece := table.read(PIECE_OF_TABLE_BYTES):
            yield piece


class Conversion(Enum):
    """What has become of a workbook."""

    DONE = 1
    TOO_LARGE = 2
    UNREADABLE = 3


async def _converted(packed: str, table: str) -> Conversion:
    spawn = multiprocessing.get_context("spawn")
    process = ProcessPoolExecutor(1, spawn, _begin_converting, (os.getpid(),))
    try:
        return await asyncio.get_running_loop().run_in_executor(process, convert_workbook, packed, table)
    except BrokenProcessPool:
        return Conversion.TOO_LARGE
    finally:
        process.shutdown(wait=False, cancel_futures=True)


def _begin_converting(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    die_with(parent, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))


def convert_workbook(packed: str, table: str) -> Conversion:
    """Write the rows of a workbook as CSV."""
    try:
        with zipfile.ZipFile(packed) as parts:
            sizes = {part.filename: part.file_size for part in parts.infolist()}
        shared = sum(size for name, size in sizes.items() if "/worksheets/" not in name)
        if sum(sizes.values()) > LARGEST_UNPACKED_BYTES or shared > LARGEST_SHARED_BYTES:
            return Conversion.TOO_LARGE
        with Path(packed).open("rb") as source, Path(table).open("w", encoding="utf-8", newline="") as file:
            workbook = load_workbook(source, read_only=True, data_only=True, keep_links=False)
            writer = csv.writer(file, lineterminator="\n")
            worksheet = workbook.worksheets[0]
            worksheet.reset_dimensions()
            width = 0
            for row in worksheet.iter_rows(values_only=True, max_col=MOST_COLUMNS):
                cells = _cells_of_row(row)
                width = width or len(cells)
                writer.writerow(cells and cells + [""] * (width - len(cells)))
    except MemoryError:
        return Conversion.TOO_LARGE
    except Exception:  # noqa: BLE001 - a file from outside may break the library anywhere
        return Conversion.UNREADABLE
    return Conversion.DONE


def _cells_of_row(row: Iterable[object]) -> list[str]:
    """The cells without the empty ones at the end."""
    cells = [_cell_text(cell) for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _cell_text(cell: object) -> str:
    """A cell as CSV holds it; numbers with the 15 digits that a spreadsheet shows."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return format(Decimal(f"{cell:.15g}"), "f")
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell)
    return str(cell).replace("\r\n", " ").replace("\n", " ").replace("\r", " ")
