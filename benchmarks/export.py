"""Export: a whole board as a file, and the memory that the service takes for it."""

import time

from benchmarks.ingestion import fetch, memory_figure
from benchmarks.processes import serving
from benchmarks.report import Figure
from benchmarks.scene import Scene

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
