"""Importing orders: in requests and as a file, against COPY of the same rows; and the memory of imports and exports."""

import asyncio
import http.client
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from app.wire.ids import public_id
from benchmarks.report import Figure
from benchmarks.scene import COPY_COLUMNS, CSV_COLUMNS, Scene, customers_of, run_as_superuser
from benchmarks.servers import Server, serving

MOST_POSTED = 50_000
ROWS_A_REQUEST = 1_000
BLOCK_BYTES = 64 * 1024
IMPORT_GOAL = 0.40
POST_GOAL = 0.16
LARGEST_MEMORY_MB = 150.0
PEOPLE = 100_000
PEOPLE_GOAL = 0.5
LARGEST_PEOPLE_MEMORY_MB = 50.0

PRESENT_CUSTOMERS = """
    INSERT INTO customers (account_id, id, source_id, external_id, created_at)
    SELECT $1, n, $2, lpad(n::text, 7, '0'), now() FROM generate_series(1, $3::bigint) AS n
"""


@dataclass(frozen=True)
class Files:
    """The material on disk."""

    orders: int
    for_service: Path
    for_copy: Path


def measure_ingestion(scene: Scene, files: Files) -> list[Figure]:
    """COPY, requests, the import that fills the boards for everything after it, and COPY again."""
    copies = [asyncio.run(_copied(scene.on("copied"), files))]
    posted_orders, posted_seconds = _posted(scene.on("posted"), files)
    import_seconds, memory = _imported(scene, files)
    people_seconds, people_memory = _people_imported(scene.on("posted"))
    copies.append(asyncio.run(_copied(scene.on("copied"), files)))
    copy_rate = 2 * files.orders / sum(copies)
    reference = f"{copy_rate:,.0f} orders/s COPY"
    post_rate, import_rate = posted_orders / posted_seconds, files.orders / import_seconds
    return [
        Figure(
            "POST orders, 1,000 a request", f"{post_rate:,.0f} orders/s", reference, post_rate / copy_rate, POST_GOAL
        ),
        Figure(
            "POST imports, a CSV, with all standings",
            f"{import_rate:,.0f} orders/s",
            reference,
            import_rate / copy_rate,
            IMPORT_GOAL,
        ),
        memory_figure("memory above idle during that import", memory),
        Figure(
            f"POST imports, a CSV of {PEOPLE:,} customers with consent",
            f"{PEOPLE / people_seconds:,.0f} customers/s",
            f"{import_rate:,.0f} orders/s imported",
            PEOPLE / people_seconds / import_rate,
            PEOPLE_GOAL,
        ),
        memory_figure("memory above idle during that import of customers", people_memory, LARGEST_PEOPLE_MEMORY_MB),
    ]


def memory_figure(what: str, megabytes: float | None, most: float = LARGEST_MEMORY_MB) -> Figure:
    """A line about memory."""
    if megabytes is None:
        return Figure(what, "needs /proc")
    return Figure(what, f"{megabytes:,.0f} MB", within=(megabytes, most))


async def _copied(scene: Scene, files: Files) -> float:
    """Seconds of COPY into the empty orders table with its keys and indexes; the customers are there."""
    await run_as_superuser(scene, "TRUNCATE orders, customers CASCADE")
    conn = await asyncpg.connect(scene.write)
    try:
        await conn.execute(PRESENT_CUSTOMERS, scene.account_id, scene.source_id, customers_of(files.orders) + 1)
        await run_as_superuser(scene, "ANALYZE customers", "CHECKPOINT")
        begun = time.perf_counter()
        await conn.copy_to_table("orders", source=files.for_copy, columns=COPY_COLUMNS, format="text")
        return time.perf_counter() - begun
    finally:
        await conn.close()


def _posted(scene: Scene, files: Files) -> tuple[int, float]:
    """How many orders were posted, and the seconds it took."""
    bodies = [json.dumps({"orders": rows}).encode() for rows in _batches(files)]
    with serving("service", scene) as server:
        begun = time.perf_counter()
        done = [send(server, scene, "orders", "application/json", body) for body in bodies]
        taken = time.perf_counter() - begun
    return sum(answer["created"] for answer in done), taken


def _batches(files: Files) -> Iterator[list[dict[str, str | int]]]:
    names = CSV_COLUMNS.split(",")
    with files.for_service.open() as lines:
        cells = (line.rstrip("\n").split(",") for line in itertools.islice(lines, 1, 1 + MOST_POSTED))
        tables = (dict(zip(names, each, strict=True)) for each in cells)
        rows: Iterator[dict[str, str | int]] = (row | {"items": int(row["items"])} for row in tables)
        while batch := list(itertools.islice(rows, ROWS_A_REQUEST)):
            yield batch


def _imported(scene: Scene, files: Files) -> tuple[float, float | None]:
    """Seconds until the import was answered, and what memory it took."""
    return _file_imported(scene, files.for_service, "imports", files.orders)


def _people_imported(scene: Scene) -> tuple[float, float | None]:
    """The same of customers who have agreed to offers and are new to the store."""
    file = Path(scene.folder, "customers.csv")
    with file.open("w") as rows:
        rows.write("customer_id,email,first_name,last_name,language,marketing,marketing_at\n")
        rows.writelines(
            f"new-{number},new.{number}@example.test,Customer,{number},it,subscribed,2026-11-01T12:00:00Z\n"
            for number in range(PEOPLE)
        )
    return _file_imported(scene, file, "imports?of=customers", PEOPLE)


def _file_imported(scene: Scene, path: Path, what: str, rows: int) -> tuple[float, float | None]:
    asyncio.run(run_as_superuser(scene, "CHECKPOINT"))
    taken = 0.0

    def task() -> None:
        nonlocal taken
        begun = time.perf_counter()
        with path.open("rb") as file:
            done = send(server, scene, what, "text/csv", file)
        taken = time.perf_counter() - begun
        if done["created"] != rows:
            raise RuntimeError(f"not all rows were stored: {done}")

    with serving("service", scene) as server:
        fetch(server, scene.board_path(limit=100), "application/json")
        memory = server.memory_during(task)
    return taken, memory


def send(server: Server, scene: Scene, what: str, media_type: str, body: Any) -> dict[str, Any]:  # noqa: ANN401
    """Post bytes or a file, read piece by piece, to the store."""
    conn = http.client.HTTPConnection("127.0.0.1", server.port, blocksize=BLOCK_BYTES)
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": media_type}
    conn.request("POST", f"/sources/{public_id('src', scene.source_id)}/{what}", body, headers)
    with conn.getresponse() as response:
        answer = response.read()
        if response.status not in {200, 201}:
            raise RuntimeError(answer.decode())
    conn.close()
    done: dict[str, Any] = json.loads(answer)
    return done


def fetch(server: Server, path: str, media_type: str) -> int:
    """Read an answer to its end, keeping nothing; its size in bytes."""
    conn = http.client.HTTPConnection("127.0.0.1", server.port)
    conn.request("GET", path, headers={"Authorization": f"Bearer {server.key}", "Accept": media_type})
    size = 0
    with conn.getresponse() as response:
        if response.status != http.client.OK:
            raise RuntimeError(response.read().decode())
        while part := response.read(BLOCK_BYTES):
            size += len(part)
    conn.close()
    return size


CSV = "text/csv"


def measure_export(scene: Scene) -> list[Figure]:
    """The board of all time as CSV, from a service that has answered a page before."""
    size, taken = 0, 0.0

    def task() -> None:
        nonlocal size, taken
        begun = time.perf_counter()
        size = fetch(server, scene.board_path(time_frame="all_time"), CSV)
        taken = time.perf_counter() - begun

    with serving("service", scene) as server:
        fetch(server, scene.board_path(limit=100), "application/json")
        memory = server.memory_during(task)
    what = f"memory above idle during a CSV export of {size / 1e6:,.0f} MB in {taken:,.1f} s"
    return [memory_figure(what, memory)]
