"""Serving: one of the three servers that are compared, in a process of its own.

It reads the scene from its standard input, tells its port and serves until it is stopped. The
settings of uvicorn are those of the service; what it logs is written, and thrown away by the system.
"""

import json
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI

from app.cli import collect_seldom, log_as_json
from app.main import create_app
from benchmarks.bare import bare_app
from benchmarks.material import NOW
from benchmarks.scene import Scene
from benchmarks.usual import usual_app


def service(scene: Scene) -> FastAPI:
    """The service as `python -m app serve` makes it."""
    log_as_json()
    collect_seldom()
    return create_app(scene.database(), clock=lambda: NOW)


APPLICATIONS: dict[str, Callable[[Scene], Any]] = {
    "service": service,
    "bare": bare_app,
    "usual": usual_app,
}


def main() -> None:
    """Serve what the command line names."""
    scene = Scene(**json.loads(sys.stdin.readline()))
    config = uvicorn.Config(
        APPLICATIONS[sys.argv[1]](scene),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=60,
    )
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
