"""Operation: the routes that the engineer who runs the service asks."""

import html
from functools import cache
from pathlib import Path
from typing import Literal

from alembic.config import Config
from alembic.script import ScriptDirectory
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.accounts.guarded_route import OpenRoute
from app.database.pools import Pools
from app.problems import NotFound, Problem, ServiceUnavailable, documented, documented_page, every_problem
from app.wire.examples import showing
from app.words import Language, Sentence, in_language, language_of

ROOT = Path(__file__).parent.parent
VERSION = "0.1.0"


SELECT_MIGRATION = text("SELECT version_num FROM alembic_version")


class Alive(BaseModel):
    """What a process that runs says."""

    status: Literal["ok"]


class Readiness(BaseModel):
    """Whether requests can be answered."""

    status: Literal["ok", "read only: disk full"]


class Versions(BaseModel):
    """The versions of service and database schema."""

    model_config = showing({"version": VERSION, "migration": "2026_11_28_0401_discount_codes"})

    version: str
    migration: str = Field(description="the newest migration that this code needs")


health = APIRouter(route_class=OpenRoute, tags=["operation"])
router = APIRouter(route_class=OpenRoute, tags=["operation"])


@cache
def migration_head() -> str | None:
    """The migration that this code needs."""
    return ScriptDirectory.from_config(Config(ROOT / "alembic.ini")).get_current_head()


@health.get("/livez", operation_id="readLiveness")
async def livez() -> Alive:
    """Say that the process runs; this uses neither database nor disk."""
    return Alive(status="ok")


@health.get("/readyz", operation_id="readReadiness", responses=documented(ServiceUnavailable))
async def readyz(database: Pools) -> Readiness:
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
    return Readiness(status="read only: disk full" if database.is_disk_full else "ok")


@router.get("/version", operation_id="readVersion", responses=documented(ServiceUnavailable))
async def version() -> Versions:
    """Show the versions of service and database schema."""
    return Versions(version=VERSION, migration=migration_head() or "")


def page_of(kind: type[Problem], language: Language) -> str:
    """The page that explains a kind of problem."""
    title = html.escape(in_language(kind.title, language))
    return (
        f"<!doctype html><html lang={language}><title>{title}</title>"
        f"<h1>{title}</h1><p>HTTP {kind.status}, <code>{kind.code()}</code></p>"
        f"<p>{html.escape(kind.explanation().in_language(language))}</p></html>"
    )


@router.get(
    "/problems/{slug}",
    operation_id="readProblem",
    response_class=HTMLResponse,
    responses=documented(NotFound, ServiceUnavailable) | documented_page(page_of(NotFound, Language.ENGLISH)),
)
async def problem_page(slug: str, request: Request) -> HTMLResponse:
    """Explain a kind of problem: the page behind `type`."""
    language = language_of(request.headers)
    for kind in every_problem():
        if kind.slug == slug:
            headers = {"Content-Language": language, "Vary": "Accept-Language"}
            return HTMLResponse(page_of(kind, language), headers=headers)
    raise NotFound
