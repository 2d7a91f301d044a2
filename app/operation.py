"""Operation: the routes that the engineer who runs the service asks."""

import html
from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.accounts.guarded_route import OpenRoute
from app.database.pools import Pools
from app.problems import NotFound, ServiceUnavailable, documented, every_problem
from app.words import Sentence, in_language, language_of

ROOT = Path(__file__).parent.parent
VERSION = "0.1.0"


SELECT_MIGRATION = text("SELECT version_num FROM alembic_version")

health = APIRouter(route_class=OpenRoute, tags=["operation"])
router = APIRouter(route_class=OpenRoute, tags=["operation"])


@cache
def migration_head() -> str | None:
    """The migration that this code needs."""
    return ScriptDirectory.from_config(Config(ROOT / "alembic.ini")).get_current_head()


@health.get("/livez", operation_id="readLiveness")
async def livez() -> dict[str, str]:
    """Say that the process runs; this uses neither database nor disk."""
    return {"status": "ok"}


@health.get("/readyz", operation_id="readReadiness", responses=documented(ServiceUnavailable))
async def readyz(database: Pools) -> dict[str, str]:
    """Say whether requests can be answered: the database answers and is migrated.

    While its disk is full the service is `read only: disk full`: writes are 503, reads go on.
    """
    try:
        async with database.check() as conn:
            stored = (await conn.execute(SELECT_MIGRATION)).scalar_one_or_none()
    except ProgrammingError:  # a database that has never been migrated
        stored = None
    if stored is None or stored != migration_head():
        raise ServiceUnavailable(Sentence("The database is not migrated: run `python -m app migrate`."))
    return {"status": "read only: disk full" if database.is_disk_full else "ok"}


@router.get("/version", operation_id="readVersion")
async def version() -> dict[str, str]:
    """Show the versions of service and database schema."""
    return {"version": VERSION, "migration": migration_head() or ""}


@router.get("/problems/{slug}", operation_id="readProblem", response_class=HTMLResponse, responses=documented(NotFound))
async def problem_page(slug: str, request: Request) -> HTMLResponse:
    """Explain a kind of problem: the page behind `type`."""
    language = language_of(request.headers)
    for kind in every_problem():
        if kind.slug == slug:
            title = html.escape(in_language(kind.title, language))
            return HTMLResponse(
                f"<!doctype html><html lang={language}><title>{title}</title>"
                f"<h1>{title}</h1><p>HTTP {kind.status}, <code>{kind.code()}</code></p>"
                f"<p>{html.escape(kind.explanation().in_language(language))}</p></html>",
                headers={"Content-Language": language, "Vary": "Accept-Language"},
            )
    raise NotFound
