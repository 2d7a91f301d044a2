"""Ledger routes: the orders of a source as they are stored."""

from typing import Annotated, Any, Self

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field, model_validator

from app.accounts.access import Reader
from app.accounts.guarded_route import GuardedRoute
from app.boards.source import RememberedSources, Source, SourceId
from app.customers.read_profile import UnknownCustomer
from app.customers.statements import SELECT_CUSTOMER, Contact
from app.database.pools import Connection, Pools
from app.database.rows import all_rows, first_row
from app.invalid_values import InvalidValueError
from app.ledger.read_orders_back import frames_that_count, stored_order_fields
from app.ledger.schemas import StoredOrder, StoredOrderInFrames, StoredOrderPage
from app.ledger.statements import SELECT_STORED_ORDER, OrdersOf, StoredOrderRow, select_orders
from app.orders.schemas import OrderStatusValue
from app.periods import FOREVER, HISTORY_BEGINS
from app.problems import NotFound, documented
from app.vocabulary import OrderStatus
from app.wire.ids import PublicId
from app.wire.instants import Now, QueryInstant, instant, rfc3339
from app.wire.pages import Listing, PageQuery
from app.words import Sentence

router = APIRouter(route_class=GuardedRoute, tags=["orders"])


class UnknownOrder(NotFound):
    """There is no such order in this source."""

    slug = "unknown-order"
    title = "No such order"


class OrderQuery(PageQuery):
    """Which orders of the source; an order must match every filter that is given."""

    since: QueryInstant | None = Field(None, description="ordered at that instant or later")
    status: OrderStatusValue | None = None
    customer: Annotated[int, PublicId("cus", UnknownCustomer)] | None = Field(None, description="of this customer")
    unattributed: Annotated[bool, Field(description="true: only orders without a customer")] = False

    @model_validator(mode="after")
    def _of_somebody_or_nobody(self) -> Self:
        if self.unattributed and self.customer is not None:
            raise InvalidValueError(Sentence("Give customer or unattributed, not both."))
        return self

    @property
    def of(self) -> OrdersOf:
        """Whose orders are listed."""
        if self.customer is not None:
            return OrdersOf.CUSTOMER
        return OrdersOf.NOBODY if self.unattributed else OrdersOf.SOURCE

    def filters(self) -> dict[str, Any]:
        """The filters as the parameters of `select_orders`."""
        return {
            "since": self.since or HISTORY_BEGINS,
            "statuses": [self.status] if self.status else [status.value for status in OrderStatus],
            "customer": self.customer,
        }


@router.get("/sources/{id}/orders", operation_id="listOrders", responses=documented(UnknownCustomer))
async def list_orders(
    source_id: SourceId,
    query: Annotated[OrderQuery, Query()],
    caller: Reader,
    database: Pools,
    sources: RememberedSources,
    request: Request,
    response: Response,
) -> StoredOrderPage:
    """List a source's orders as they are stored, newest first, without deleted ones."""
    source = await sources.read(database, caller.account_id, source_id)
    binding = f"orders {source_id} {query.model_dump_json(exclude={'limit', 'cursor'})}"
    listing = Listing(request, response, caller.cursor_secret, binding, query)
    before, before_id = listing.start([rfc3339(FOREVER), ""])
    bound = source.key | query.filters() | {"limit": query.limit + 1}
    async with database.read() as conn:
        if query.customer is not None:
            await require_customer(conn, source, query.customer)
        start = {"before": instant(before), "before_id": before_id}
        rows = await all_rows(conn, select_orders(query.of), bound | start, StoredOrderRow)
    found, next_cursor = listing.cut(rows, lambda row: [rfc3339(row.ordered_at), row.order_id])
    return StoredOrderPage(
        items=[StoredOrder(**stored_order_fields(row, source)) for row in found], next_cursor=next_cursor
    )


async def require_customer(conn: Connection, source: Source, customer_id: int) -> None:
    """UnknownCustomer unless the source has this customer."""
    bound = {"account_id": source.account_id, "customer_id": customer_id}
    known = await first_row(conn, SELECT_CUSTOMER, bound, Contact)
    if known is None or known.source_id != source.id:
        raise UnknownCustomer


@router.get("/sources/{id}/orders/{order_id:path}", operation_id="readOrder", responses=documented(UnknownOrder))
async def read_order(
    source_id: SourceId,
    order_id: Annotated[str, Path(min_length=1, max_length=255, pattern="^[^\x00]*$")],
    caller: Reader,
    database: Pools,
    sources: RememberedSources,
    now: Now,
) -> StoredOrderInFrames:
    """Show an order as it is stored, deleted or not: its customer, where it counts, and why it does not."""
    source = await sources.read(database, caller.account_id, source_id)
    async with database.read() as conn:
        row = await first_row(conn, SELECT_STORED_ORDER, source.key | {"order_id": order_id}, StoredOrderRow)
    if row is None:
        raise UnknownOrder
    return StoredOrderInFrames(**stored_order_fields(row, source), counts_in=frames_that_count(row, source, now))
