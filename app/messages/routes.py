"""Message routes: queue messages to customers, read their status, cancel what is still queued."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from app.accounts.access import Caller, MessageSender, MessageWriter, PayingSender, PayingWriter, require_scopes
from app.accounts.answer_once import (
    Done,
    IdempotencyKey,
    answer_once,
    unquoted,
)
from app.accounts.guarded_route import GuardedRoute
from app.boards.questions import asked_source
from app.boards.source import RememberedSources, UnknownSource
from app.customers.find_heirs import heirs_of, require_seen
from app.customers.read_profile import UnknownCustomer
from app.customers.statements import SELECT_HEIRS, Heir
from app.database.pools import Database, Pools, ReadConn, WriteConn
from app.database.rows import all_rows, first_row
from app.forms import documented_headers
from app.messages.choose_recipients import Chosen, choose_top, choose_vips, row_ids
from app.messages.daily_caps import Caps, DailyCapReached, DailyCaps, count_mails
from app.messages.preview_message import preview
from app.messages.queue_messages import (
    BatchTooLarge,
    RecipientNotMessageable,
    Result,
    SenderRequired,
    queue_messages,
    ranks_before,
    write_texts,
)
from app.messages.rank_recipients import BoardRank
from app.messages.read_messages import UnknownMessage, message_fields, read_line, read_message
from app.messages.schemas import (
    Batch,
    BatchLine,
    Message,
    MessagePage,
    MessageStatusValue,
    NewBatch,
    NewMessage,
    Preview,
    Previewed,
    Templates,
    WholeMessage,
)
from app.messages.statements import CANCEL_MESSAGE, MessageRow, RecipientRow, select_messages, select_recipients
from app.messages.writing.catalogue import described
from app.messages.writing.clean_html import HtmlTooLarge
from app.messages.writing.facts import placeholders
from app.messages.writing.fill_text import InvalidPlaceholder
from app.messages.writing.render_template import InvalidVariables
from app.messages.writing.write_message import Draft, drafted
from app.problems import BodyTooLarge, Problem, documented
from app.vocabulary import Scope
from app.wire.addresses import masked_addresses
from app.wire.ids import PublicId, public_id, row_id
from app.wire.instants import Now, QueryInstant, instant, rfc3339
from app.wire.pages import InvalidCursor, Listing, PageQuery
from app.words import language_of

router = APIRouter(route_class=GuardedRoute, prefix="/messages", tags=["messages"])

MessageId = Annotated[int, Path(alias="id"), PublicId("msg", UnknownMessage)]


class MessageNotQueued(Problem):
    """Only a message that is `queued` or `held` can be cancelled; this one has been sent or has ended."""

    slug = "message-not-queued"
    title = "Too late to cancel"
    status = 409


class MessageQuery(PageQuery):
    """Which messages of the account; a message must match every filter that is given."""

    customer: Annotated[int, PublicId("cus", UnknownCustomer)] | None = Field(None, description="to this customer")
    status: MessageStatusValue | None = None
    since: QueryInstant | None = Field(None, description="queued at that instant or later")


@router.post(
    "",
    status_code=202,
    operation_id="sendMessage",
    response_model=Message,
    responses={
        **documented_headers(202, "Location"),
        **documented(
            UnknownCustomer,
            RecipientNotMessageable,
            SenderRequired,
            DailyCapReached,
            InvalidPlaceholder,
            InvalidVariables,
            HtmlTooLarge,
        ),
    },
)
async def send_message(
    new: NewMessage, caller: PayingWriter, database: Pools, caps: Caps, now: Now, key: IdempotencyKey
) -> Response:
    """Queue an e-mail to a customer, to be sent at once.

    Consent is checked when the message is queued and again when it is sent. It needs the paid plan. A repeat with
    the same Idempotency-Key queues nothing and gets the first answer again.
    """
    draft = await drafted(new)
    customer = row_id("cus", new.customer) or 0
    try:
        return await _send_to(customer, draft, new, caller, database, caps, now, key)
    except UnknownCustomer:
        heir = (await heirs_of(database, caller, [customer])).get(customer)
        if heir is None:
            raise
        return await _send_to(heir, draft, new, caller, database, caps, now, key)


async def _send_to(
    customer: int,
    draft: Draft,
    new: NewMessage,
    caller: Caller,
    database: Database,
    caps: DailyCaps,
    now: datetime,
    key: str,
) -> Response:
    await require_seen(database, caller, customer)
    ranks = await ranks_before(database, caller.account_id, draft, [customer], now)
    texts = await write_texts(database, caller.account_id, draft, [customer], ranks)

    async def send() -> Done:
        (result,) = await queue_messages(conn, caller.account_id, draft, texts, [customer], now)
        if result.reason is not None:
            raise RecipientNotMessageable(result.reason)
        if result.message is None:
            raise UnknownCustomer
        await count_mails(conn, caller.account_id, new.kind, 1, caps, now)
        line = await read_line(conn, caller.account_id, result.message)
        if caller.masks_emails:
            line = line.model_copy(update={"subject": masked_addresses(line.subject)})
        return Done(line, 202, f"/messages/{line.id}")

    async with database.write() as conn:
        return await answer_once(conn, caller.account_id, "sendMessage", _apart(key, caller), new, now, send)


def _apart(key: str, caller: Caller) -> str:
    """The Idempotency-Key, apart from those of others who may be shown more: a client's own never holds a space."""
    if caller.token is None:
        return key
    return f"token {'masked ' if caller.masks_emails else ''}{unquoted(key)}"


@router.post(
    "/batch",
    status_code=202,
    operation_id="sendMessages",
    response_model=Batch,
    responses=documented(
        InvalidCursor,
        UnknownSource,
        SenderRequired,
        DailyCapReached,
        BodyTooLarge,
        BatchTooLarge,
        InvalidPlaceholder,
        InvalidVariables,
        HtmlTooLarge,
    ),
)
async def send_messages(
    new: NewBatch,
    caller: PayingSender,
    database: Pools,
    sources: RememberedSources,
    caps: Caps,
    now: Now,
    key: IdempotencyKey,
) -> Response:
    """Queue the same e-mail to up to 1,000 customers: a list of them, a store's VIPs, or the first of a board.

    Recipients are resolved when the request arrives; `vips` and `top` need the scope `read` too. Those who may not be
    written to are listed in `results` with a reason.
    """
    listed = new.to.vips or new.to.top
    if listed:
        require_scopes(caller, Scope.READ)
    source = await asked_source(sources, database, caller, listed.audience, listed.source) if listed else None

    draft = await drafted(new)
    names = row_ids(new.to.customers or [])
    if names:
        heirs = await heirs_of(database, caller, [*names.values()])
        names = {name: heirs.get(row, row) for name, row in names.items()}
    if source is not None and new.to.vips is not None:
        chosen = await choose_vips(database, source, new.to.vips, caller, now)
    elif source is not None and new.to.top is not None:
        chosen = await choose_top(database, source, new.to.top, now)
    else:
        chosen = Chosen([*dict.fromkeys(names.values())])
    ranks: Mapping[int, BoardRank] = chosen.ranks
    if not ranks:
        ranks = await ranks_before(database, caller.account_id, draft, chosen.customers, now)
    texts = await write_texts(database, caller.account_id, draft, chosen.customers, ranks)

    async def send() -> Done:
        results = await queue_messages(conn, caller.account_id, draft, texts, chosen.customers, now)
        mails = sum(each.message is not None for each in results)
        await count_mails(conn, caller.account_id, new.kind, mails, caps, now)
        return Done(batch_of(results, names, chosen.next_cursor), 202)

    async with database.write() as conn:
        return await answer_once(conn, caller.account_id, "sendMessages", key, new, now, send)


def batch_of(results: list[Result], names: dict[str, int], following: str | None) -> Batch:
    """The answer to a batch; a recipient is named as the request named it, even where that is not an id."""
    of_row = {each.customer_id: each for each in results}
    called = names or {public_id("cus", row): row for row in of_row}
    lines = [
        BatchLine(
            customer=name,
            message=public_id("msg", each.message) if each.message is not None else None,
            code=each.code,
            reason=each.reason,
            same_as=public_id("msg", each.same_as) if each.same_as is not None else None,
        )
        for name, each in ((name, of_row[row]) for name, row in called.items())
    ]
    queued = sum(line.message is not None for line in lines)
    return Batch(queued=queued, refused=len(lines) - queued, results=lines, next_cursor=following)


@router.post(
    "/preview",
    operation_id="previewMessage",
    responses=documented(UnknownCustomer, SenderRequired, InvalidPlaceholder, InvalidVariables, HtmlTooLarge),
)
async def preview_message(new: Preview, caller: PayingWriter, database: Pools, now: Now) -> Previewed:
    """Show what a message would look like, footer included, without sending it.

    With a `customer` this needs the scope `read` too.
    """
    if new.customer is not None:
        require_scopes(caller, Scope.READ)
    customer = None if new.customer is None else row_id("cus", new.customer) or 0
    return await preview(database, caller, new, customer, now)


@router.get("/templates", operation_id="listTemplates", responses=documented_headers(200, "Content-Language"))
async def list_templates(_caller: MessageWriter, request: Request, response: Response) -> Templates:
    """List the templates, and the placeholders for texts of your own, in the language of the request."""
    language = language_of(request.headers)
    response.headers["Content-Language"] = language
    return Templates.model_validate({"items": described(language), "placeholders": placeholders(language)})


@router.get(
    "",
    operation_id="listMessages",
)
async def list_messages(
    query: Annotated[MessageQuery, Query()], caller: MessageSender, conn: ReadConn, request: Request, response: Response
) -> MessagePage:
    """List messages, newest first; filters select a customer, a status, or a time."""
    binding = f"messages{query.model_dump_json(exclude={'limit', 'cursor'})}"
    bound: dict[str, Any] = {"account_id": caller.account_id, "limit": query.limit + 1}
    bound |= query.model_dump(include={"customer", "status", "since"})
    if query.customer is not None:
        listed = {"account_id": caller.account_id, "customers": [query.customer]}
        if await first_row(conn, select_recipients(locked=False), listed, RecipientRow) is None:
            found_heir = await first_row(conn, SELECT_HEIRS, listed, Heir)
            if found_heir is None:
                raise UnknownCustomer
            bound["customer"] = found_heir.heir_id
    listing = Listing(request, response, caller.cursor_secret, binding, query)
    if query.cursor is not None:
        created_at, last = listing.start([])
        bound |= {"after_created_at": instant(created_at), "after_id": last}
    select = select_messages(
        of_customer=query.customer is not None,
        of_status=query.status is not None,
        since=query.since is not None,
        continued=query.cursor is not None,
    )
    rows = await all_rows(conn, select, bound, MessageRow)
    found, next_cursor = listing.cut(rows, lambda row: [rfc3339(row.created_at), row.id])
    return MessagePage(items=[Message(**message_fields(row)) for row in found], next_cursor=next_cursor)


@router.get("/{id}", operation_id="readMessage")
async def show_message(message_id: MessageId, caller: MessageSender, conn: ReadConn) -> WholeMessage:
    """Show a message with its content and the answer to every attempt to send it."""
    return await read_message(conn, caller.account_id, message_id)


@router.delete(
    "/{id}",
    status_code=204,
    operation_id="cancelMessage",
    responses=documented(MessageNotQueued),
)
async def cancel_message(message_id: MessageId, caller: MessageSender, conn: WriteConn, now: Now) -> None:
    """Cancel a message that is queued or held; cancelling it again changes nothing."""
    known = {"account_id": caller.account_id, "id": message_id}
    if (await conn.execute(CANCEL_MESSAGE, known | {"now": now})).one_or_none() is None:
        line = await read_line(conn, caller.account_id, message_id)
        if line.status != "cancelled":
            raise MessageNotQueued
