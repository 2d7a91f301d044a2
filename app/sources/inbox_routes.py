"""Inbox routes: the webhooks of stores, and a look at what has become of them."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.routing import Match

from app.accounts.access import Reader, Writer
from app.accounts.guarded_route import DirectOpenRoute, GuardedRoute, limit_body
from app.boards.source import RememberedSources, SourceId, UnknownSource
from app.database.pools import Pools
from app.database.rows import all_rows, first_row
from app.problems import (
    BodyTooLarge,
    BodyTooSlow,
    NotFound,
    Problem,
    ServiceUnavailable,
    TooManyRequests,
    documented,
)
from app.sources import inbox_statements as statements
from app.sources.connection_schemas import InboxPage, StoreDelivery
from app.sources.connector import StoreWebhook
from app.sources.inbox_statements import DeliveryRow
from app.sources.receive_webhook import ForgedWebhook, ReceiversOfService
from app.vocabulary import DeliveryStatus
from app.wire.ids import LARGEST_ID, PublicId, public_id
from app.wire.instants import Now, rfc3339
from app.wire.pages import Listing, PageQuery

router = APIRouter(route_class=GuardedRoute, tags=["sources"])


class WebhookRoute(DirectOpenRoute):
    """Where stores send webhooks; it is tried before the webhooks of mail providers, whose paths fit this one too."""

    def matches(self, scope: Any) -> tuple[Match, Any]:  # noqa: ANN401 - Starlette's scope
        """Leaves those of mail providers alone."""
        return (Match.NONE, {}) if scope["path"].startswith(WEBHOOKS_OF_MAIL) else super().matches(scope)


WEBHOOKS_OF_MAIL = "/webhooks/mail/"
webhooks = APIRouter(route_class=WebhookRoute, tags=["sources"])

LARGEST_WEBHOOK_BYTES = 4 * 1024 * 1024


class UnknownDelivery(NotFound):
    """There is no such webhook in the inbox of this source; webhooks are kept for 14 days."""

    slug = "unknown-delivery"
    title = "No such webhook"


class ContentErased(Problem):
    """The content of this webhook is gone, because a person in it was erased."""

    slug = "content-erased"
    title = "The content was erased"
    status = 409


@webhooks.post(
    "/webhooks/{source}/{platform}",
    operation_id="receiveWebhook",
    response_class=Response,
    responses=documented(ForgedWebhook, UnknownSource, BodyTooSlow, BodyTooLarge, TooManyRequests, ServiceUnavailable),
)
@limit_body(LARGEST_WEBHOOK_BYTES)
async def receive_webhook(
    source: Annotated[int, PublicId("src", UnknownSource)],
    platform: Annotated[str, Path(description="`shopify` or `woocommerce`: the platform of the source")],
    request: Request,
    database: Pools,
    receivers: ReceiversOfService,
    now: Now,
) -> Response:
    """Take a store's webhook, signed with a secret of the source; it is committed before it is answered.

    Orders appear a moment later. Send it as often as you like: a repetition changes nothing.
    """
    receiver = await receivers.find(database, source, platform)
    headers = {name.lower(): value for name, value in request.headers.items()}
    await receivers.receive(database, receiver, StoreWebhook(headers, await request.body()), now)
    return Response()


class InboxQuery(PageQuery):
    """Which webhooks."""

    status: DeliveryStatus | None = None


@router.get("/sources/{id}/inbox", operation_id="listInbox")
async def list_inbox(
    source_id: SourceId,
    query: Annotated[InboxQuery, Query()],
    caller: Reader,
    sources: RememberedSources,
    database: Pools,
    request: Request,
    response: Response,
) -> InboxPage:
    """List the webhooks of the last 14 days, newest first, with what has become of them."""
    source = await sources.read(database, caller.account_id, source_id)
    listing = Listing(request, response, caller.cursor_secret, f"inbox {source.id} {query.status}", query)
    bound = source.key | {"before": listing.start([LARGEST_ID])[0], "limit": query.limit + 1}
    async with database.read() as conn:
        rows = await all_rows(conn, statements.select_deliveries(of_status=query.status), bound, DeliveryRow)
    found, next_cursor = listing.cut(rows, lambda row: [row.id])
    return InboxPage(items=[_shown_delivery(each) for each in found], next_cursor=next_cursor)


@router.post(
    "/sources/{id}/inbox/{delivery}/replay",
    operation_id="replayDelivery",
    responses=documented(ContentErased),
)
async def replay_delivery(
    source_id: SourceId,
    delivery: Annotated[int, PublicId("inb", UnknownDelivery)],
    caller: Writer,
    sources: RememberedSources,
    database: Pools,
) -> StoreDelivery:
    """Take a webhook up again, as if it had just come; what is newer than it stays."""
    source = await sources.read(database, caller.account_id, source_id)
    key = source.key | {"id": delivery}
    async with database.write() as conn:
        row = await first_row(conn, statements.SET_WAITING, key, DeliveryRow)
        if row is None:
            known = await first_row(conn, statements.SELECT_DELIVERY, key, DeliveryRow)
            raise ContentErased if known else UnknownDelivery
    return _shown_delivery(row)


def _shown_delivery(row: DeliveryRow) -> StoreDelivery:
    return StoreDelivery(
        id=public_id("inb", row.id),
        topic=row.topic,
        status=row.status,
        reason=row.reason,
        detail=row.detail,
        received_at=rfc3339(row.received_at),
        settled_at=rfc3339(row.settled_at) if row.settled_at else None,
    )
