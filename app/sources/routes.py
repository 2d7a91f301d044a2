"""Source routes: audiences, sources and their health."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.accounts.access import Reader, Writer
from app.accounts.answer_once import (
    Done,
    OptionalIdempotencyKey,
    answer_once,
)
from app.accounts.guarded_route import GuardedRoute
from app.boards.source import RememberedSources, SourceId, UnknownSource
from app.database.pools import Connection, Pools, ReadConn, WriteConn
from app.database.rows import all_rows, first_row, one_row
from app.problems import NotFound, documented
from app.sources import statements
from app.sources.connect_source import connect_source
from app.sources.schemas import (
    Audience,
    AudiencePage,
    Health,
    NewAudience,
    NewSource,
    Source,
    SourceChange,
    SourcePage,
    SourceWithHealth,
)
from app.sources.statements import AudienceRow, HealthRow, SourceRow
from app.vocabulary import SourceConnection
from app.wire.ids import PublicId, public_id, row_id
from app.wire.instants import Now, rfc3339
from app.wire.pages import Listing, PageQuery

router = APIRouter(route_class=GuardedRoute, tags=["sources"])


class UnknownAudience(NotFound):
    """There is no such audience in this account."""

    slug = "unknown-audience"
    title = "No such audience"


class SourceQuery(PageQuery):
    """Which sources of the account."""

    audience: Annotated[int, PublicId("aud", UnknownAudience)] | None = None


@router.post(
    "/audiences",
    status_code=201,
    operation_id="createAudience",
    response_model=Audience,
)
async def create_audience(
    new: NewAudience, caller: Writer, conn: WriteConn, now: Now, key: OptionalIdempotencyKey = None
) -> Response:
    """Create an audience."""

    async def create() -> Done:
        bound = {"account_id": caller.account_id, "name": new.name, "now": now}
        audience_id = (await conn.execute(statements.INSERT_AUDIENCE, bound)).scalar_one()
        return Done(Audience(id=public_id("aud", audience_id), name=new.name, created_at=rfc3339(now)))

    return await answer_once(conn, caller, "createAudience", key, new, now, create)


@router.get(
    "/audiences",
    operation_id="listAudiences",
)
async def list_audiences(
    caller: Reader, conn: ReadConn, request: Request, response: Response, page: Annotated[PageQuery, Query()]
) -> AudiencePage:
    """List the audiences, oldest first."""
    listing = Listing(request, response, caller.cursor_secret, "audiences", page)
    bound = {"account_id": caller.account_id, "after": listing.start([0])[0], "limit": page.limit + 1}
    rows = await all_rows(conn, statements.SELECT_AUDIENCES, bound, AudienceRow)
    found, next_cursor = listing.cut(rows, lambda row: [row.id])
    audiences = [
        Audience(id=public_id("aud", each.id), name=each.name, created_at=rfc3339(each.created_at)) for each in found
    ]
    return AudiencePage(items=audiences, next_cursor=next_cursor)


def source_fields(row: SourceRow) -> dict[str, Any]:
    """A source's fields as they are shown."""
    return {
        "id": public_id("src", row.id),
        "audience": public_id("aud", row.audience_id),
        "name": row.name,
        "platform": row.platform,
        "currency": row.currency,
        "time_zone": row.time_zone,
        "week_start": row.week_start,
        "url": row.url,
        "connection": SourceConnection.NONE.value,
        "created_at": rfc3339(row.created_at),
    }


@router.post(
    "/sources",
    status_code=201,
    operation_id="connectSource",
    response_model=Source,
    responses=documented(UnknownAudience),
)
async def create_source(
    new: NewSource, caller: Writer, conn: WriteConn, now: Now, key: OptionalIdempotencyKey = None
) -> Response:
    """Connect a store to an audience."""

    async def connect() -> Done:
        audience_id = row_id("aud", new.audience) or 0
        await require_audience(conn, caller.account_id, audience_id)
        settings = new.model_dump(exclude={"audience"})
        source = await connect_source(conn, caller.account_id, audience_id, settings, now)
        return Done(Source(**source_fields(await one_row(conn, statements.SELECT_SHOWN_SOURCE, source.key, SourceRow))))

    return await answer_once(conn, caller, "connectSource", key, new, now, connect)


@router.get(
    "/sources",
    operation_id="listSources",
    responses=documented(UnknownAudience),
)
async def list_sources(
    query: Annotated[SourceQuery, Query()], caller: Reader, conn: ReadConn, request: Request, response: Response
) -> SourcePage:
    """List the sources, of one audience or of all, oldest first."""
    if query.audience is not None:
        await require_audience(conn, caller.account_id, query.audience)
    listing = Listing(request, response, caller.cursor_secret, f"sources {query.audience}", query)
    bound = {"account_id": caller.account_id, "audience_id": query.audience}
    bound |= {"after": listing.start([0])[0], "limit": query.limit + 1}
    select = statements.select_sources(of_audience=query.audience is not None)
    found, next_cursor = listing.cut(await all_rows(conn, select, bound, SourceRow), lambda row: [row.id])
    return SourcePage(items=[Source(**source_fields(each)) for each in found], next_cursor=next_cursor)


@router.get(
    "/sources/{id}",
    operation_id="readSource",
)
async def show_source(source_id: SourceId, caller: Reader, conn: ReadConn) -> SourceWithHealth:
    """Show a source and its health."""
    key = {"account_id": caller.account_id, "source_id": source_id}
    row = await first_row(conn, statements.SELECT_SHOWN_SOURCE, key, SourceRow)
    if row is None:
        raise UnknownSource
    health = await one_row(conn, statements.SELECT_HEALTH, key, HealthRow)
    counts = health._asdict()
    for moment in ("history_from", "last_order_at"):
        counts[moment] = rfc3339(counts[moment]) if counts[moment] else None
    return SourceWithHealth(**source_fields(row), health=Health(**counts))


@router.patch(
    "/sources/{id}",
    operation_id="changeSource",
)
async def change_source(
    source_id: SourceId,
    change: SourceChange,
    caller: Writer,
    database: Pools,
    sources: RememberedSources,
    now: Now,
) -> Source:
    """Change a source's name, zone or first day of the week."""
    key = {"account_id": caller.account_id, "source_id": source_id}
    await sources.read(database, caller.account_id, source_id)  # nobody takes a turn at a source of others
    async with database.write_in_turn(source_id) as conn:
        if (await conn.execute(statements.UPDATE_SOURCE, key | change.settings() | {"now": now})).one_or_none() is None:
            raise UnknownSource
        shown = await one_row(conn, statements.SELECT_SHOWN_SOURCE, key, SourceRow)
    sources.forget(caller.account_id, source_id)
    return Source(**source_fields(shown))


async def require_audience(conn: Connection, account_id: int, audience_id: int) -> None:
    """UnknownAudience unless the account has it."""
    bound = {"account_id": account_id, "audience_id": audience_id}
    if (await conn.execute(statements.SELECT_AUDIENCE, bound)).one_or_none() is None:
        raise UnknownAudience
