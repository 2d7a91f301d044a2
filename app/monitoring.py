"""Monitoring: what Prometheus reads, of the process, its pools and the work that waits."""

import threading
import time
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy import text

from app.accounts.guarded_route import OpenRoute
from app.database.errors import ERRORS
from app.database.pools import Database, Pools
from app.forms import documented_texts
from app.orders.running_imports import RunningImports
from app.process_metrics import Metrics
from app.services import provided, services_of
from app.wire.instants import Now

SCRAPE_SECONDS = 1.0

EXAMPLE = """\
# HELP database_up Whether the database answers
# TYPE database_up gauge
database_up 1.0
# HELP messages_waiting Messages queued or being sent
# TYPE messages_waiting gauge
messages_waiting 42.0
"""

ServiceMetrics = Annotated[Metrics, provided(Metrics)]

router = APIRouter(route_class=OpenRoute, tags=["operation"])


class Waiting(NamedTuple):
    """Work that waits for the worker, over all accounts: a gauge, its meaning and how it is counted."""

    gauge: str
    meaning: str
    counted: str


WAITING = (
    Waiting(
        "messages_waiting",
        "Messages queued or being sent",
        "SELECT count(*) FROM messages WHERE due_at IS NOT NULL",
    ),
    Waiting(
        "messages_overdue_seconds",
        "How long the oldest message waits for a worker",
        "SELECT coalesce(extract(epoch FROM cast(:now AS timestamptz) - min(due_at)), 0) FROM messages"
        " WHERE due_at < :now",
    ),
    Waiting(
        "messages_held",
        "Messages that wait for an operator",
        "SELECT count(*) FROM messages WHERE status = 'held'",
    ),
    Waiting(
        "senders_paused",
        "Accounts whose login at the mail provider was refused",
        "SELECT count(*) FROM senders WHERE paused_until > :now",
    ),
    Waiting(
        "standings_outdated",
        "Customers whose standings an import has left outdated",
        "SELECT count(*) FROM outdated_standings",
    ),
    Waiting(
        "webhooks_waiting",
        "Webhooks of stores that are stored and not turned into orders yet",
        "SELECT count(*) FROM inbox WHERE status = 'waiting'",
    ),
    Waiting(
        "webhooks_oldest_waiting_seconds",
        "How long the oldest webhook waits for the worker",
        "SELECT coalesce(extract(epoch FROM cast(:now AS timestamptz) - min(received_at)), 0) FROM inbox"
        " WHERE status = 'waiting'",
    ),
    Waiting(
        "webhooks_quarantined",
        "Webhooks that could not be used",
        "SELECT count(*) FROM inbox WHERE status = 'quarantined'",
    ),
    Waiting(
        "stores_degraded",
        "Stores that do not answer, or cannot reach this service",
        "SELECT count(*) FROM store_connections WHERE state = 'degraded'",
    ),
    Waiting(
        "stores_disconnected",
        "Stores that have refused the login or removed the connection",
        "SELECT count(*) FROM store_connections WHERE state = 'disconnected'",
    ),
    Waiting(
        "stores_overdue_seconds",
        "How long the store that was to be read first waits for the worker",
        "SELECT coalesce(extract(epoch FROM cast(:now AS timestamptz) - min(pull_due_at)), 0) FROM store_connections"
        " WHERE pull_due_at < :now AND state <> 'disconnected'",
    ),
    Waiting(
        "database_bytes",
        "The size of the database on its disk",
        "SELECT pg_database_size(current_database())",
    ),
    Waiting(
        "messages_oldest_unsent_seconds",
        "The age of the oldest message that is not sent",
        "SELECT coalesce(extract(epoch FROM cast(:now AS timestamptz) - min(created_at)), 0) FROM messages"
        " WHERE due_at IS NOT NULL",
    ),
    Waiting(
        "boards_overdue_seconds",
        "How long the worker is behind the calendar of a source",
        "SELECT coalesce(extract(epoch FROM cast(:now AS timestamptz) - min(boards_due_at)), 0) FROM sources"
        " WHERE boards_due_at < :now AND deleted_at IS NULL",
    ),
)

COUNT_WAITING = text("SELECT " + ", ".join(f"({each.counted}) AS {each.gauge}" for each in WAITING))


class Scrape:
    """The metrics as they were last given, so that asking often costs nothing."""

    def __init__(self) -> None:
        """Nothing was given yet."""
        self.until = 0.0
        self.text = b""


ScrapeOfService = Annotated[Scrape, provided(Scrape)]


@router.get(
    "/metrics",
    operation_id="readMetrics",
    response_class=PlainTextResponse,
    responses={200: {"content": documented_texts({"text/plain": EXAMPLE})}},
)
async def read_metrics(
    request: Request, metrics: ServiceMetrics, database: Pools, scrape: ScrapeOfService, now: Now
) -> Response:
    """Give Prometheus the figures of this process and of the work that waits, counted once a second at most.

    While the database does not answer, the latter are missing and `database_up` is 0.
    """
    if time.monotonic() >= scrape.until:
        scrape.until = time.monotonic() + SCRAPE_SECONDS
        try:
            async with database.check() as conn:
                waiting = (await conn.execute(COUNT_WAITING, {"now": now})).one()._asdict()
        except ERRORS:
            waiting = None
        imports = services_of(request).find(RunningImports)
        scrape.text = gauges(waiting, database, imports) + generate_latest(metrics.registry)
    return Response(scrape.text, media_type=CONTENT_TYPE_LATEST)


def gauges(waiting: dict[str, float] | None, database: Database, imports: RunningImports | None) -> bytes:
    """The pools and the work that waits, in Prometheus's form; no work while the database does not answer."""
    registry = CollectorRegistry()
    Gauge("threads", "Threads of this process", registry=registry).set(threading.active_count())
    if imports is not None:
        Gauge("imports_running", "Imports whose streams this process reads", registry=registry).set(imports.running_now)
    Gauge("database_up", "Whether the database answers", registry=registry).set(waiting is not None)
    in_use = Gauge("connections_in_use", "Connections of a pool that are taken", ["pool"], registry=registry)
    queue = Gauge("connections_awaited", "Requests that wait for a connection", ["pool"], registry=registry)
    for purpose, pool in database.pools.items():
        in_use.labels(purpose).set(pool.in_use)
        queue.labels(purpose).set(pool.waiting)
    for each in WAITING:
        if waiting is not None:
            Gauge(each.gauge, each.meaning, registry=registry).set(waiting[each.gauge])
    return generate_latest(registry)
