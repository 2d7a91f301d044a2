"""Operation: the routes that the engineer who runs the service asks."""

import html
import time
from functools import cache
from pathlib import Path
from typing import Annotated, NamedTuple

from alembic.config import Config
from alembic.script import ScriptDirectory
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.accounts.guarded_route import OpenRoute
from app.database.errors import ERRORS
from app.database.pools import Database, Pools
from app.envelope import Metrics
from app.problems import NotFound, ServiceUnavailable, documented, every_problem
from app.services import provided
from app.wire.instants import Now
from app.words import in_language, language_of

ROOT = Path(__file__).parent.parent
VERSION = "0.1.0"
SCRAPE_SECONDS = 1.0


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
        " WHERE boards_due_at < :now",
    ),
)

COUNT_WAITING = text("SELECT " + ", ".join(f"({each.counted}) AS {each.gauge}" for each in WAITING))
SELECT_MIGRATION = text("SELECT version_num FROM alembic_version")

ServiceMetrics = Annotated[Metrics, provided(Metrics)]

router = APIRouter(route_class=OpenRoute, tags=["operation"])


@cache
def migration_head() -> str | None:
    """The migration that this code needs."""
    return ScriptDirectory.from_config(Config(ROOT / "alembic.ini")).get_current_head()


@router.get("/livez", operation_id="readLiveness")
async def livez() -> dict[str, str]:
    """Say that the process runs; this uses neither database nor disk."""
    return {"status": "ok"}


@router.get("/readyz", operation_id="readReadiness", responses=documented(ServiceUnavailable))
async def readyz(database: Pools) -> dict[str, str]:
    """Say whether requests can be answered: the database answers and is migrated."""
    try:
        async with database.check() as conn:
            stored = (await conn.execute(SELECT_MIGRATION)).scalar_one_or_none()
    except ProgrammingError:  # a database that has never been migrated
        stored = None
    if stored is None or stored != migration_head():
        raise ServiceUnavailable("The database is not migrated: run `python -m app migrate`.")
    return {"status": "ok"}


@router.get("/version", operation_id="readVersion")
async def version() -> dict[str, str]:
    """Show the versions of service and database schema."""
    return {"version": VERSION, "migration": migration_head() or ""}


class Scrape:
    """The metrics as they were last given, so that asking often costs nothing."""

    def __init__(self) -> None:
        """Nothing was given yet."""
        self.until = 0.0
        self.text = b""


ScrapeOfService = Annotated[Scrape, provided(Scrape)]


@router.get("/metrics", operation_id="readMetrics", response_class=PlainTextResponse)
async def read_metrics(metrics: ServiceMetrics, database: Pools, scrape: ScrapeOfService, now: Now) -> Response:
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
        scrape.text = gauges(waiting, database) + generate_latest(metrics.registry)
    return Response(scrape.text, media_type=CONTENT_TYPE_LATEST)


def gauges(waiting: dict[str, float] | None, database: Database) -> bytes:
    """The pools and the work that waits, in Prometheus's form; no work while the database does not answer."""
    registry = CollectorRegistry()
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


@router.get("/problems/{slug}", operation_id="readProblem", response_class=HTMLResponse, responses=documented(NotFound))
async def problem_page(slug: str, request: Request) -> HTMLResponse:
    """Explain a kind of problem: the page behind `type`."""
    language = language_of(request.headers)
    for kind in every_problem():
        if kind.slug == slug:
            title = html.escape(in_language(kind.title, language))
            return HTMLResponse(
                f"<!doctype html><html lang={language}><title>{title}</title>"
                f"<h1>{title}</h1><p lang=en>Status {kind.status}, code <code>{kind.code()}</code></p>"
                f"<p lang=en>{html.escape((kind.__doc__ or '').strip())}</p></html>",
                headers={"Content-Language": language, "Vary": "Accept-Language"},
            )
    raise NotFound
