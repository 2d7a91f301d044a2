"""Source routes: audiences, sources and their health."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.accounts.access import GuardedRoute, KeyRequired, Reader, ScopeRequired, Writer
from app.accounts.answer_once import (
    Done,
    IdempotencyKeyReused,
    OptionalIdempotencyKey,
    RequestInProgress,
    answer_once,
)
from app.boards.remember_sources import Sources
from app.boards.source import SourceId, UnknownSource
from app.database.pools import ReadConn, WriteConn
from app.problems import InvalidRequest, NotFound, UnreadableBody, documented
from app.sources import stores
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
from app.wire.ids import PublicId, public_id, row_id
from app.wire.instants import Now, rfc3339
from app.wire.pages import Cursor, InvalidCursor, link_next, seal, unseal

router = APIRouter(route_class=GuardedRoute, tags=["sources"])

Limit = Annotated[int, Query(ge=1, le=1000)]


class UnknownAudience(NotFound):
    """There is no such audience in this account."""

    slug = "unknown-audience"
    title = "No such audience"


AudienceId = Annotated[int, PublicId("aud", UnknownAudience)]


@router.post(
    "/audiences",
    status_code=201,
    operation_id="createAudience",
    response_model=Audience,
    responses=documented(
        KeyRequired, ScopeRequired, UnreadableBody, RequestInProgress, InvalidRequest, IdempotencyKeyReused
    ),
)
async def create_audience(
    new: NewAudience, caller: Writer, conn: WriteConn, now: Now, key: OptionalIdempotencyKey = None
) -> Response:
    """Create an audience."""

    async def create() -> Done:
        audience_id = (await conn.execute(stores.new_audience(caller.account_id, new.name, now))).scalar_one()
        return Done(Audience(id=public_id("aud", audience_id), name=new.name, created_at=rfc3339(now)))

    return await answer_once(conn, caller, "createAudience", key, new, now, create)


@router.get(
    "/audiences",
    operation_id="listAudiences",
    responses=documented(KeyRequired, ScopeRequired, InvalidCursor, InvalidRequest),
)
async def list_audiences(
    caller: Reader,
    conn: ReadConn,
    request: Request,
    response: Response,
    limit: Limit = 50,
    cursor: Cursor | None = None,
) -> AudiencePage:
    """List the audiences, oldest first."""
    after = unseal(caller.cursor_secret, "audiences", cursor)[0] if cursor else 0
    rows = (await conn.execute(stores.audience_page(caller.account_id, after, limit + 1))).all()
    following = seal(caller.cursor_secret, "audiences", [rows[limit - 1].id]) if len(rows) > limit else None
    link_next(request, response, following)
    audiences = [
        Audience(id=public_id("aud", row.id), name=row.name, created_at=rfc3339(row.created_at)) for row in rows[:limit]
    ]
    return AudiencePage(items=audiences, next_cursor=following)


def shown(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of stores.source
    """A source's fields as they are shown."""
    return {
        "id": public_id("src", row.id),
        "audience": public_id("aud", row.audience_id),
        "name": row.name,
        "platform": row.platform,
        "currency": row.currency,
        "time_zone": row.time_zone,
        "week_start": row.week_start,
        "created_at": rfc3339(row.created_at),
    }


@router.post(
    "/sources",
    status_code=201,
    operation_id="connectSource",
    response_model=Source,
    responses=documented(
        *(KeyRequired, ScopeRequired, UnknownAudience, UnreadableBody),
        *(RequestInProgress, InvalidRequest, IdempotencyKeyReused),
    ),
)
async def create_source(
    new: NewSource, caller: Writer, conn: WriteConn, now: Now, key: OptionalIdempotencyKey = None
) -> Response:
    """Connect a store to an audience."""

    async def connect() -> Done:
        audience_id = row_id("aud", new.audience)
        known = await conn.execute(stores.audience(caller.account_id, audience_id or 0))
        if audience_id is None or known.one_or_none() is None:
            raise UnknownAudience
        settings = new.model_dump(exclude={"audience"})
        source = await connect_source(conn, caller.account_id, audience_id, settings, now)
        return Done(Source(**shown((await conn.execute(stores.source(source.account_id, source.id))).one())))

    return await answer_once(conn, caller, "connectSource", key, new, now, connect)


@router.get(
    "/sources",
    operation_id="listSources",
    responses=documented(KeyRequired, ScopeRequired, UnknownAudience, InvalidCursor, InvalidRequest),
)
async def list_sources(
    caller: Reader,
    conn: ReadConn,
    request: Request,
    response: Response,
    audience: AudienceId | None = None,
    limit: Limit = 50,
    cursor: Cursor | None = None,
) -> SourcePage:
    """List the sources, of one audience or of all, oldest first."""
    if audience is not None and (await conn.execute(stores.audience(caller.account_id, audience))).first() is None:
        raise UnknownAudience
    binding = f"sources {audience}"
    after = unseal(caller.cursor_secret, binding, cursor)[0] if cursor else 0
    page = stores.source_page(caller.account_id, after, limit + 1, audience_id=audience)
    rows = (await conn.execute(page)).all()
    following = seal(caller.cursor_secret, binding, [rows[limit - 1].id]) if len(rows) > limit else None
    link_next(request, response, following)
    return SourcePage(items=[Source(**shown(row)) for row in rows[:limit]], next_cursor=following)


@router.get(
    "/sources/{id}",
    operation_id="readSource",
    responses=documented(KeyRequired, ScopeRequired, UnknownSource),
)
async def read_source(id: SourceId, caller: Reader, conn: ReadConn) -> SourceWithHealth:  # noqa: A002
    """Show a source and its health."""
    row = (await conn.execute(stores.source(caller.account_id, id))).one_or_none()
    if row is None:
        raise UnknownSource
    health = (await conn.execute(stores.HEALTH, {"account_id": caller.account_id, "source_id": id})).one()
    counts = health._asdict()
    for moment in ("history_from", "last_order_at"):
        counts[moment] = rfc3339(counts[moment]) if counts[moment] else None
    return SourceWithHealth(**shown(row), health=Health(**counts, quarantined=0))


@router.patch(
    "/sources/{id}",
    operation_id="changeSource",
    responses=documented(KeyRequired, ScopeRequired, UnknownSource, UnreadableBody, InvalidRequest),
)
async def change_source(
    id: SourceId,  # noqa: A002 - the name in the path
    change: SourceChange,
    caller: Writer,
    conn: WriteConn,
    request: Request,
    now: Now,
) -> Source:
    """Change a source's name, zone or first day of the week."""
    changed = stores.changed_source(caller.account_id, id, change.settings(), now)
    if (await conn.execute(changed)).one_or_none() is None:
        raise UnknownSource
    sources: Sources = request.app.state.sources
    sources.forget(caller.account_id, id)
    return Source(**shown((await conn.execute(stores.source(caller.account_id, id))).one()))
