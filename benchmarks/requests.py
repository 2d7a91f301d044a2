"""Requests: pages over HTTP from one worker process, against a bare and a usual server."""

import statistics
from contextlib import ExitStack

from benchmarks.processes import serving
from benchmarks.report import Figure
from benchmarks.scene import Scene

ROUNDS = 3
CONNECTIONS = 12
WARM_UP_SECONDS = 1.0
GOALS = {"bare": 0.6, "usual": 3.0}
NAMES = {"bare": "ASGI and asyncpg alone", "usual": "FastAPI, SQLAlchemy, Pydantic"}


def measure_requests(scene: Scene, seconds: float) -> list[Figure]:
    """The service and both references in turn, so that a slow moment of the machine meets all of them."""
    path = scene.board_path(limit=100)
    servers = ("service", *GOALS)
    with ExitStack() as held:
        running = {name: held.enter_context(serving(name, scene)) for name in servers}
        for name in servers:
            running[name].under_load(path, seconds=WARM_UP_SECONDS, connections=CONNECTIONS)
        rounds = [
            {name: running[name].under_load(path, seconds=seconds, connections=CONNECTIONS) for name in servers}
            for _ in range(ROUNDS)
        ]

    def middle(name: str, figure: str) -> float:
        return statistics.median(each[name][figure] for each in rounds)

    def spoken(name: str) -> str:
        return f"{middle(name, 'requests'):,.0f}/s, p50 {middle(name, 'p50'):.1f} ms, p99 {middle(name, 'p99'):.1f} ms"

    return [
        Figure(
            "GET /leaderboard?limit=100, one worker",
            spoken("service"),
            f"{spoken(reference)} {NAMES[reference]}",
            statistics.median(each["service"]["requests"] / each[reference]["requests"] for each in rounds),
            goal,
        )
        for reference, goal in GOALS.items()
    ]
