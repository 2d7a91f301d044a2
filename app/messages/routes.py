"""Message routes: write to customers, see what became of it, take back what is still queued."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from app.accounts.access import (
    GuardedRoute,
    IdempotencyKeyRequired,
    KeyRequired,
    PayingSender,
    PlanRequired,
    ScopeRequired,
    Sender,
)
from app.accounts.answer_once import Done, IdempotencyKey, IdempotencyKeyReused, RequestInProgress, answer_once
from app.customers.read_profile import UnknownCustomer
from app.database import ReadConn, WriteConn
from app.messages import correspondence, outbox
from app.messages.fill_text import InvalidPlaceholder
from app.messages.queue_messages import RecipientNotMessageable, SenderRequired, queue_messages
from app.messages.rank_recipients import ranks_of
from app.messages.read_messages import UnknownMessage, read_line, read_message, shown
from app.messages.schemas import Message, MessagePage, NewMessage, Status, WholeMessage
from app.problems import InvalidRequest, Problem, UnreadableBody, documented
from app.wire import (
    CURSOR_PATTERN,
    InvalidCursor,
    Now,
    PublicId,
    QueryInstant,
    Strict,
    instant,
    link_next,
    public_id,
    rfc3339,
    row_id,
    seal,
    unseal,
)

router = APIRouter(route_class=GuardedRoute, prefix="/messages", tags=["messages"])

MessageId = Annotated[int, PublicId("msg", UnknownMessage)]


class MessageNotQueued(Problem):
    """Only a message that is `queued` or `held` can be cancelled; this one has gone, or has ended."""

    slug = "message-not-queued"
    title = "Too late to cancel"
    status = 409


class MessageQuery(Strict):
    """Which messages of the account: all that meet every one of these."""

    customer: Annotated[int, PublicId("cus", UnknownCustomer)] | None = Field(None, description="to this customer")
    status: Status | None = None
    since: QueryInstant | None = Field(None, description="queued at that instant or later")
    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    cursor: Annotated[str, Field(json_schema_extra={"pattern": CURSOR_PATTERN})] | None = Field(
        None, description="`next_cursor` of the page before"
    )


@router.post(
    "",
    status_code=202,
    operation_id="sendMessage",
    response_model=Message,
    responses={
        202: {"headers": {"Location": {"description": "where it can be seen", "schema": {"type": "string"}}}},
        **documented(
            *(KeyRequired, PlanRequired, ScopeRequired, UnknownCustomer, IdempotencyKeyRequired, UnreadableBody),
            *(RecipientNotMessageable, SenderRequired, RequestInProgress),
            *(InvalidRequest, InvalidPlaceholder, IdempotencyKeyReused),
        ),
    },
)
async def send_message(
    new: NewMessage, caller: PayingSender, conn: WriteConn, now: Now, key: IdempotencyKey
) -> Response:
    """Queue an e-mail to a customer; it leaves at once if they may be written to when it does.

    It needs a paid plan. Repeated with its Idempotency-Key it is queued once and answered the same.
    """

    async def send() -> Done:
        customer = row_id("cus", new.customer) or 0
        ranks = await ranks_of(conn, caller.account_id, [customer], new, now)
        (result,) = await queue_messages(conn, caller.account_id, new, [customer], ranks, now)
        if result.reason is not None:
            raise RecipientNotMessageable(result.reason)
        if result.message is None:
            raise UnknownCustomer
        line = await read_line(conn, caller.account_id, result.message)
        return Done(line, 202, f"/messages/{line.id}")

    return await answer_once(conn, caller, "sendMessage", key, new, now, send)


@router.get(
    "",
    operation_id="listMessages",
    responses=documented(KeyRequired, ScopeRequired, UnknownCustomer, InvalidCursor, InvalidRequest),
)
async def list_messages(
    query: Annotated[MessageQuery, Query()], caller: Sender, conn: ReadConn, request: Request, response: Response
) -> MessagePage:
    """List messages, newest first: all of them, or those to a customer, of a status, or since an instant."""
    binding = f"messages{query.model_dump_json(exclude={'limit', 'cursor'})}"
    bound = {"account_id": caller.account_id, "limit": query.limit + 1}
    bound |= query.model_dump(include={"customer", "status", "since"}, exclude_none=True)
    if query.customer is not None:
        known = await conn.execute(correspondence.RECIPIENTS, bound | {"customers": [query.customer]})
        if known.one_or_none() is None:
            raise UnknownCustomer
    if query.cursor:
        created_at, last = unseal(caller.cursor_secret, binding, query.cursor)
        bound |= {"after": True, "after_created_at": instant(created_at), "after_id": last}
    conditions = frozenset(correspondence.CONDITIONS).intersection(bound)
    rows = (await conn.execute(correspondence.page(conditions), bound)).all()
    following = None
    if len(rows) > query.limit:
        last_row = rows[query.limit - 1]
        following = seal(caller.cursor_secret, binding, [rfc3339(last_row.created_at), last_row.id])
    link_next(request, response, following)
    return MessagePage(items=[Message(**shown(row)) for row in rows[: query.limit]], next_cursor=following)


@router.get("/{id}", operation_id="readMessage", responses=documented(KeyRequired, ScopeRequired, UnknownMessage))
async def show_message(id: MessageId, caller: Sender, conn: ReadConn) -> WholeMessage:  # noqa: A002
    """Show a message whole, with what was answered to every attempt to send it."""
    return await read_message(conn, caller.account_id, id)


@router.delete(
    "/{id}",
    operation_id="cancelMessage",
    responses=documented(KeyRequired, ScopeRequired, UnknownMessage, MessageNotQueued),
)
async def cancel_message(id: MessageId, caller: Sender, conn: WriteConn, now: Now) -> Message:  # noqa: A002
    """Cancel a message that is still queued, or held; cancelled twice it stays as it is."""
    known = {"account_id": caller.account_id, "id": id}
    cancelled = (await conn.execute(outbox.CANCELLED, known | {"now": now})).one_or_none()
    line = await read_line(conn, caller.account_id, id)
    if cancelled is None and line.status != "cancelled":
        raise MessageNotQueued
    return line
