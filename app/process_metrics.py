"""Process metrics: what a process tells Prometheus about itself."""

import asyncio
import math
import shutil
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LAG_PROBE_SECONDS = 0.25


class Metrics:
    """The counters of one process; requests are labelled by route template."""

    def __init__(self, *, have_own_port: bool = False) -> None:
        """A registry of its own, so that two applications can live in one process."""
        self.have_own_port = have_own_port
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("http_requests", "Requests answered", ["method", "route", "status"], registry=registry)
        self.seconds = Histogram(
            "http_request_seconds", "Time until the answer was sent", ["method", "route"], registry=registry
        )
        self.refused = Counter(
            "http_requests_refused", "Requests refused before any look-up", ["status"], registry=registry
        )
        self.unfinished = Counter(
            "http_answers_unfinished",
            "Answers that did not arrive whole: the client left, or they broke off",
            ["route", "ended"],
            registry=registry,
        )
        self.attempts = Counter("message_attempts", "Mails handed over, or tried to be", ["outcome"], registry=registry)
        self.last_round = Gauge(
            "worker_last_round_timestamp_seconds", "When the worker last ended a round of its work", registry=registry
        )
        self._longest_lag = 0.0
        Gauge(
            "event_loop_lag_seconds",
            "The longest that other work waited for its turn, since asked last",
            registry=registry,
        ).set_function(self._lag_since_last_asked)

    def tell_free_space(self, folder: Path) -> None:
        """Tell how much room the disk of a folder has."""
        free = Gauge("data_dir_free_bytes", "Free space on the disk of DATA_DIR", registry=self.registry)
        free.set_function(lambda: _free_bytes(folder))

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request."""
        self.requests.labels(method, route, status).inc()
        self.seconds.labels(method, route).observe(seconds)

    async def watch_event_loop(self) -> None:
        """Time how late a short sleep ends, again and again until cancelled."""
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(LAG_PROBE_SECONDS)
            self._longest_lag = max(self._longest_lag, time.perf_counter() - begun - LAG_PROBE_SECONDS)

    def _lag_since_last_asked(self) -> float:
        longest, self._longest_lag = self._longest_lag, 0.0
        return longest


def _free_bytes(folder: Path) -> float:
    try:
        return shutil.disk_usage(folder).free
    except OSError:  # not there yet, or no more
        return math.nan
