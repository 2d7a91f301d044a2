"""Golden logs: orders of real shops, each with answers that were worked out by other means."""

import json
from pathlib import Path
from typing import Any

from conftest import shared

LOGS = ("cdnow_sample", "chinook", "northwind", "sakila")


def log_folder(name: str) -> Path:
    beside = Path(__file__).parent / "data" / name
    return beside if beside.exists() else shared("data", name)


def golden_cases(name: str, subject: str = "cases") -> list[dict[str, Any]]:
    """The answers about the leaderboard, or about another subject such as `vip`."""
    cases: list[dict[str, Any]] = json.loads((log_folder(name) / "golden.json").read_text())[subject]
    return cases


def packed_log(name: str) -> bytes:
    """The orders, a gzipped CSV."""
    return (log_folder(name) / "orders.csv.gz").read_bytes()
