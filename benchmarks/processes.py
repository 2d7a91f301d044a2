"""Processes: the servers that are measured, their memory, and the process that asks them.

Server and client are processes of their own, as they are in life: neither waits for the other's event loop.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from benchmarks.scene import Scene

ROOT = Path(__file__).parent.parent
KIB_PER_MB = 1024
SETTLED_SECONDS = 0.5
FORGET_PEAK = "5"
"""Written to /proc/…/clear_refs it makes the memory of now the peak."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    pid: int
    key: str

    def under_load(self, path: str, *, seconds: float, connections: int) -> dict[str, float]:
        """Ask it from another process: requests a second, latencies and its own CPU per request in milliseconds."""
        order = {"port": self.port, "path": path, "key": self.key, "seconds": seconds, "connections": connections}
        used = self._processor_seconds()
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", "benchmarks.load", json.dumps(order)], cwd=ROOT, check=True, stdout=subprocess.PIPE
        )
        figures: dict[str, float] = json.loads(done.stdout)
        figures["processor"] = (self._processor_seconds() - used) * 1000 / figures["count"]
        return figures

    def _processor_seconds(self) -> float:
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def memory_during(self, task: Callable[[], None]) -> float | None:
        """The peak of its resident memory during the task above that before it, in MB; None where /proc is missing."""
        process = Path("/proc", str(self.pid))
        time.sleep(SETTLED_SECONDS)
        if not (process / "clear_refs").exists():
            task()
            return None
        (process / "clear_refs").write_text(FORGET_PEAK)
        idle = _resident(process, "VmRSS")
        task()
        return _resident(process, "VmHWM") - idle


def _resident(process: Path, line: str) -> float:
    lines = (process / "status").read_text().splitlines()
    return next(int(each.split()[1]) for each in lines if each.startswith(line)) / KIB_PER_MB


@contextmanager
def serving(name: str, scene: Scene) -> Iterator[Server]:
    """One of the servers of `benchmarks.serve`, ended with the block."""
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmarks.serve", name],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("the server has no pipes")
            print(json.dumps(asdict(scene)), file=process.stdin, flush=True)
            yield Server(int(process.stdout.readline()), process.pid, scene.key)
        finally:
            process.terminate()
