"""Audience routes: one audience is shown, renamed and deleted."""

from typing import Annotated

from fastapi import APIRouter, Path

from app.accounts.access import Reader, Writer
from app.accounts.guarded_route import GuardedRoute
from app.database.pools import ReadConn, WriteConn
from app.database.rows import first_row
from app.problems import Problem, documented
from app.sources import statements
from app.sources.routes import UnknownAudience, shown_audience
from app.sources.schemas import Audience, NewAudience
from app.sources.statements import AudienceRow
from app.wire.ids import PublicId

router = APIRouter(route_class=GuardedRoute, tags=["sources"])

AudienceId = Annotated[int, Path(alias="id"), PublicId("aud", UnknownAudience)]


class AudienceInUse(Problem):
    """The audience has sources, or deleted ones that are not gone yet; it can be deleted when the last one is."""

    slug = "audience-in-use"
    title = "The audience has sources"
    status = 409


@router.get("/audiences/{id}", operation_id="readAudience")
async def read_audience(audience_id: AudienceId, caller: Reader, conn: ReadConn) -> Audience:
    """Show an audience."""
    key = {"account_id": caller.account_id, "audience_id": audience_id}
    row = await first_row(conn, statements.SELECT_SHOWN_AUDIENCE, key, AudienceRow)
    if row is None:
        raise UnknownAudience
    return shown_audience(row)


@router.patch("/audiences/{id}", operation_id="changeAudience")
async def change_audience(audience_id: AudienceId, change: NewAudience, caller: Writer, conn: WriteConn) -> Audience:
    """Rename an audience."""
    bound = {"account_id": caller.account_id, "audience_id": audience_id, "name": change.name}
    row = await first_row(conn, statements.UPDATE_AUDIENCE, bound, AudienceRow)
    if row is None:
        raise UnknownAudience
    return shown_audience(row)


@router.delete("/audiences/{id}", status_code=204, operation_id="deleteAudience", responses=documented(AudienceInUse))
async def delete_audience(audience_id: AudienceId, caller: Writer, conn: WriteConn) -> None:
    """Delete an audience that has no source."""
    key = {"account_id": caller.account_id, "audience_id": audience_id}
    if await first_row(conn, statements.LOCK_AUDIENCE, key, AudienceRow) is None:
        raise UnknownAudience
    if (await conn.execute(statements.COUNT_SOURCES_OF_AUDIENCE, key)).scalar_one():
        raise AudienceInUse
    await conn.execute(statements.DELETE_AUDIENCE, key)
