"""Operation: the routes that the engineer who runs the service asks."""

import html
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.database.errors import ERRORS
from app.database.pools import Pools, ReadConn
from app.envelope import Metrics
from app.problems import NotFound, ServiceUnavailable, documented, every_problem
from app.words import in_language, language_of

ROOT = Path(__file__).parent.parent
VERSION = "0.1.0"
COUNT_WAITING = text("""
    SELECT (SELECT count(*) FROM messages WHERE due_at IS NOT NULL) AS messages_waiting,
           (SELECT coalesce(extract(epoch FROM cast(:now AS timestamptz) - min(due_at)), 0) FROM messages
            WHERE due_at < :now) AS messages_overdue_seconds,
           (SELECT count(*) FROM messages WHERE status = 'held') AS messages_held,
           (SELECT count(*) FROM senders WHERE paused_until > :now) AS senders_paused,
           (SELECT count(*) FROM outdated_standings) AS standings_outdated,
           (SELECT coalesce(extract(epoch FROM cast(:now AS timestamptz) - min(boards_due_at)), 0) FROM sources
            WHERE boards_due_at < :now) AS boards_overdue_seconds
""")
"""What the worker has to do, over all accounts."""
SELECT_MIGRATION = text("SELECT version_num FROM alembic_version")

router = APIRouter(tags=["operation"])


def migration_head() -> str | None:
    """The migration that this code needs."""
    return ScriptDirectory.from_config(Config(ROOT / "alembic.ini")).get_current_head()


@router.get("/livez", operation_id="readLiveness")
async def livez() -> dict[str, str]:
    """Say that the process runs; touches nothing."""
    return {"status": "ok"}


@router.get("/readyz", operation_id="readReadiness", responses=documented(ServiceUnavailable))
async def readyz(request: Request, conn: ReadConn) -> dict[str, str]:
    """Say whether requests can be answered: the database answers and is migrated."""
    try:
        stored = (await conn.execute(SELECT_MIGRATION)).scalar_one_or_none()
    except ProgrammingError:  # a database that has never been migrated
        stored = None
    if stored is None or stored != request.app.state.migration_head:
        raise ServiceUnavailable("The database is not migrated: run `python -m app migrate`.")
    return {"status": "ok"}


@router.get("/version", operation_id="readVersion")
async def version(request: Request) -> dict[str, str]:
    """Tell the versions of service and database schema."""
    return {"version": VERSION, "migration": request.app.state.migration_head}


@router.get("/metrics", operation_id="readMetrics", response_class=PlainTextResponse)
async def read_metrics(request: Request, database: Pools) -> Response:
    """Give the figures of this process, and of the work that waits, to Prometheus.

    While the database cannot be asked there are none of the latter, and database_up is 0.
    """
    metrics: Metrics = request.app.state.metrics
    try:
        async with database.read() as conn:
            waiting = (await conn.execute(COUNT_WAITING, {"now": request.app.state.clock()})).one()
    except ERRORS:
        waiting = None
    waits = metrics.waiting(None if waiting is None else waiting._asdict())
    return Response(waits + generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


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
