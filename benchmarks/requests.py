"""Requests: pages over HTTP from one worker process, against a bare and a usual server."""

import statistics
from collections.abc import Callable
from contextlib import ExitStack

from benchmarks.first_page import LIMIT
from benchmarks.processes import serving
from benchmarks.report import Figure
from benchmarks.scene import Scene

ROUNDS = 3
CONNECTIONS = 12
WARM_UP_SECONDS = 1.0
GOALS = {"bare": 0.6, "usual": 3.0}
NAMES = {"bare": "bare: ASGI, asyncpg", "usual": "usual: FastAPI, SQLAlchemy, Pydantic"}


def measure_requests(scene: Scene, seconds: float) -> list[Figure]:
    """The service and both references in turn, so that a slow moment of the machine meets all of them."""
    path = scene.board_path(limit=LIMIT)
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

    def beside(spoken: Callable[[str], str]) -> tuple[str, str]:
        return spoken("service"), ", ".join(f"{spoken(name)} {name}" for name in GOALS)

    return [
        *(
            Figure(
                f"GET /leaderboard?limit={LIMIT}, one worker",
                f"{middle('service', 'requests'):,.0f}/s",
                f"{middle(name, 'requests'):,.0f}/s {NAMES[name]}",
                statistics.median(each["service"]["requests"] / each[name]["requests"] for each in rounds),
                goal,
            )
            for name, goal in GOALS.items()
        ),
        Figure(
            f"p50, p99 of {CONNECTIONS} connections",
            *beside(lambda name: f"{middle(name, 'p50'):.1f}, {middle(name, 'p99'):.1f} ms"),
        ),
        Figure("CPU of the worker for a request", *beside(lambda name: f"{middle(name, 'processor'):.2f} ms")),
    ]
