"""Source routes: audiences, sources and their health."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.accounts.access import Caller, Reader, Writer, require_scopes
from app.accounts.answer_once import (
    Done,
    OptionalIdempotencyKey,
    answer_once,
)
from app.accounts.audit import note_action
from app.accounts.guarded_route import GuardedRoute
from app.accounts.sender_domains import Domains, SenderDomainNotVerified, require_domain
from app.accounts.statements import UPSERT_PACE
from app.boards.source import RememberedSources, SourceId, UnknownSource
from app.boards.source import Source as BoardSource
from app.database.pools import Connection, Database, Pools, ReadConn, WriteConn
from app.database.rows import all_rows, first_row, one_row
from app.problems import NotFound, documented
from app.services import services_of
from app.sources import statements
from app.sources.connect_source import connect_source
from app.sources.connection_schemas import Setup
from app.sources.connection_statements import SELECT_SYNC, SyncRow
from app.sources.connections import (
    Connections,
    ConnectionsOfService,
    PublicUrl,
    StoreLoginRefused,
    StoreNotReached,
    require_currency,
    settings_with,
    setup_of,
    sync_fields,
)
from app.sources.connector import ShopFacts
from app.sources.receive_webhook import ReceiversOfService
from app.sources.schemas import (
    Audience,
    AudiencePage,
    Health,
    NewAudience,
    NewSource,
    ShownSourceSender,
    Source,
    SourceChange,
    SourcePage,
    SourceWithHealth,
)
from app.sources.statements import AudienceRow, HealthRow, SourceRow
from app.vocabulary import AuditAction, Scope
from app.wire.ids import PublicId, public_id, row_id
from app.wire.instants import ClockOfService, Now, ServiceClock, rfc3339
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

    return await answer_once(conn, caller.account_id, "createAudience", key, new, now, create)


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
    return AudiencePage(items=[shown_audience(row) for row in found], next_cursor=next_cursor)


def shown_audience(row: AudienceRow) -> Audience:
    """An audience as it is shown."""
    return Audience(id=public_id("aud", row.id), name=row.name, created_at=rfc3339(row.created_at))


def sender_of_source(row: SourceRow) -> ShownSourceSender:
    """The sender of a source that has one."""
    fields = ShownSourceSender.model_fields
    return ShownSourceSender.model_validate({name: getattr(row, f"sender_{name}") for name in fields})


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
        "sender": None if row.sender_email is None else sender_of_source(row),
        "postal_address": row.postal_address,
        "language": row.language,
        "consent_sentence": row.consent_sentence,
        "connection": row.connection,
        "created_at": rfc3339(row.created_at),
    }


@router.post(
    "/sources",
    status_code=201,
    operation_id="connectSource",
    response_model=Source,
    responses=documented(UnknownAudience, SenderDomainNotVerified, StoreLoginRefused, StoreNotReached),
)
async def create_source(
    new: NewSource,
    caller: Writer,
    database: Pools,
    policy: Domains,
    connections: ConnectionsOfService,
    clock: ClockOfService,
    key: OptionalIdempotencyKey = None,
) -> Response:
    """Connect a store to an audience; a sender or a postal address needs the scope `admin` too.

    With `credentials` the store is asked at once; its orders, those of the past too, are read from then on. With
    `webhook_secrets` alone the webhooks are taken that the store sends to /webhooks/{source}/{platform}.
    """
    if new.sender is not None or new.postal_address is not None:
        require_scopes(caller, Scope.ADMIN)
    audience_id, facts = row_id("aud", new.audience) or 0, None
    if new.webhook_secrets is not None:
        connections.connector(new.platform, "webhook_secrets")
    if new.credentials is not None:
        async with database.read() as conn:
            await require_audience(conn, caller.account_id, audience_id)
        facts = await connections.check(new.platform, new.credentials, clock.now)
    settings, now = settings_with(new, facts), clock.now()

    async with database.write() as conn:

        async def connect() -> Done:
            audience = {"account_id": caller.account_id, "audience_id": audience_id}
            if (await conn.execute(statements.LOCK_AUDIENCE_SHARED, audience)).one_or_none() is None:
                raise UnknownAudience
            source = await connect_source(conn, caller.account_id, audience_id, settings, now)
            if new.sender is not None:
                await require_domain(conn, policy, caller.account_id, new.sender.email)
                await note_sender(conn, caller, source.id, now)
            if new.webhook_secrets is not None:
                await connections.set_webhook_secrets(conn, source, new.webhook_secrets, now)
            if new.credentials is not None and facts is not None:
                await connections.set_credentials(conn, source, new.platform, new.credentials, facts, now)
            shown = await one_row(conn, statements.SELECT_SHOWN_SOURCE, source.key, SourceRow)
            return Done(Source(**source_fields(shown)))

        return await answer_once(conn, caller.account_id, "connectSource", key, new, now, connect)


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
    sync = await first_row(conn, SELECT_SYNC, key, SyncRow)
    return SourceWithHealth(**source_fields(row), health=Health(**counts), sync=sync_fields(sync) if sync else None)


@router.patch(
    "/sources/{id}",
    operation_id="changeSource",
    responses=documented(SenderDomainNotVerified, StoreLoginRefused, StoreNotReached),
)
async def change_source(
    source_id: SourceId,
    change: SourceChange,
    caller: Writer,
    database: Pools,
    sources: RememberedSources,
    policy: Domains,
    connections: ConnectionsOfService,
    receivers: ReceiversOfService,
    clock: ClockOfService,
) -> Source:
    """Change a source: its name, calendar, webhook secrets, credentials, or who its messages are from.

    Its sender and its postal address need the scope `admin` too; a new sender ends a pause of the account's sending.
    """
    if {"sender", "postal_address"} & change.model_fields_set:
        require_scopes(caller, Scope.ADMIN)
    key = {"account_id": caller.account_id, "source_id": source_id}
    source = await sources.read(database, caller.account_id, source_id)  # nobody takes a turn at a source of others
    reconnect = await _checked_credentials(database, connections, source, change, clock)
    now = clock.now()
    async with database.write_in_turn(source_id) as conn:
        if (await conn.execute(statements.UPDATE_SOURCE, key | change.settings() | {"now": now})).one_or_none() is None:
            raise UnknownSource
        if change.sender is not None:
            await require_domain(conn, policy, caller.account_id, change.sender.email)
        if "sender" in change.model_fields_set:
            await note_sender(conn, caller, source_id, now)
        if change.webhook_secrets is not None:
            await connections.set_webhook_secrets(conn, source, change.webhook_secrets, now)
        if change.credentials is not None and reconnect is not None:
            await connections.set_credentials(conn, source, *reconnect, now, change.url)
        shown = await one_row(conn, statements.SELECT_SHOWN_SOURCE, key, SourceRow)
    sources.forget(caller.account_id, source_id)
    receivers.forget(source_id)
    return Source(**source_fields(shown))


async def _checked_credentials(
    database: Database, connections: Connections, source: BoardSource, change: SourceChange, clock: ServiceClock
) -> tuple[str, dict[str, str], ShopFacts] | None:
    """What a source is connected with anew, asked of its shop before any transaction."""
    if change.webhook_secrets is None and change.credentials is None:
        return None
    async with database.read() as conn:
        platform = (await one_row(conn, statements.SELECT_SHOWN_SOURCE, source.key, SourceRow)).platform
    if change.credentials is None:
        connections.connector(platform, "webhook_secrets")
        return None
    facts = await connections.check(platform, change.credentials, clock.now)
    require_currency(source.currency, facts)
    return platform, change.credentials, facts


@router.get("/sources/{id}/setup", operation_id="readSetup")
async def read_setup(
    source_id: SourceId, caller: Reader, conn: ReadConn, request: Request, connections: ConnectionsOfService
) -> Setup:
    """Say what to enter in a store by hand, where it does not let its API be used."""
    key = {"account_id": caller.account_id, "source_id": source_id}
    row = await first_row(conn, statements.SELECT_SHOWN_SOURCE, key, SourceRow)
    if row is None:
        raise UnknownSource
    return setup_of(row.id, row.platform, connections, services_of(request).get(PublicUrl))


async def note_sender(conn: Connection, caller: Caller, source_id: int, now: datetime) -> None:
    """Keep in the audit log that the sender of a source was set or removed; messages from it can go at once."""
    await conn.execute(UPSERT_PACE, {"account_id": caller.account_id, "now": now})
    source = public_id("src", source_id)
    await note_action(conn, caller.account_id, caller.by, AuditAction.SENDER_SET, now, source=source)


async def require_audience(conn: Connection, account_id: int, audience_id: int) -> None:
    """UnknownAudience unless the account has it."""
    bound = {"account_id": account_id, "audience_id": audience_id}
    if (await conn.execute(statements.SELECT_AUDIENCE, bound)).one_or_none() is None:
        raise UnknownAudience
