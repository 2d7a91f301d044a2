"""Account routes: an account, its keys and its audit log, for those who have a key of it."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.accounts import statements
from app.accounts.access import Admin, AnyKey, Caller
from app.accounts.answer_once import OptionalIdempotencyKey
from app.accounts.audit import note_action
from app.accounts.guarded_route import GuardedRoute
from app.accounts.keys import LastAdminKey, UnknownKey, revoke_key
from app.accounts.schemas import AuditPage, KeyPage, Me, NewKey, OpenedKey, OwnChange, Pause, ShownSender
from app.accounts.sender_domains import Domains, SenderDomainNotVerified, require_domain
from app.accounts.show_keys import answer_with_key, audit_page, key_page
from app.accounts.statements import AccountWithSender
from app.database.pools import ReadConn, WriteConn
from app.database.rows import one_row
from app.problems import documented
from app.vocabulary import AuditAction, Scope
from app.wire.ids import PublicId, public_id
from app.wire.instants import Now, rfc3339
from app.wire.pages import Listing, PageQuery

router = APIRouter(route_class=GuardedRoute, tags=["accounts"])

KeyId = Annotated[int, Path(alias="id"), PublicId("key", UnknownKey)]


@router.get("/account", operation_id="readAccount")
async def read_account(caller: AnyKey, conn: ReadConn, now: Now) -> Me:
    """Show the account, the key of this call with its scopes, and the sender of e-mails."""
    account = {"account_id": caller.account_id}
    return me(caller, await one_row(conn, statements.SELECT_ACCOUNT_WITH_SENDER, account, AccountWithSender), now)


@router.patch(
    "/account",
    operation_id="changeOwnAccount",
    responses=documented(SenderDomainNotVerified),
)
async def change_own_account(change: OwnChange, caller: Admin, conn: WriteConn, policy: Domains, now: Now) -> Me:
    """Set the sender of the account's e-mails; this also ends a pause after a refused login.

    The domain of its address must be verified (POST /account/domains), where this installation asks for it.
    """
    await require_domain(conn, policy, caller.account_id, change.sender.email)
    account = {"account_id": caller.account_id}
    await conn.execute(statements.UPSERT_SENDER, account | change.sender.model_dump() | {"now": now})
    await note_action(conn, caller.account_id, caller.by, AuditAction.SENDER_SET, now)
    return me(caller, await one_row(conn, statements.SELECT_ACCOUNT_WITH_SENDER, account, AccountWithSender), now)


def me(caller: Caller, row: AccountWithSender, now: datetime) -> Me:
    """The account, as callers with one of its keys see it."""
    pause = None
    if row.paused_until is not None and row.paused_until > now:
        pause = Pause(until=rfc3339(row.paused_until), because=row.paused_because or "")
    return Me(
        id=public_id("acc", row.id),
        name=row.name,
        plan=row.plan,
        created_at=rfc3339(row.created_at),
        key=public_id("key", caller.key_id),
        scopes=[scope for scope in Scope if scope in caller.scopes],
        sender=ShownSender.model_validate({name: getattr(row, f"sender_{name}") for name in ShownSender.model_fields})
        if row.sender_email is not None
        else None,
        sending_paused=pause,
    )


@router.get(
    "/account/keys",
    operation_id="listKeys",
)
async def list_keys(
    caller: Admin, conn: ReadConn, request: Request, response: Response, page: Annotated[PageQuery, Query()]
) -> KeyPage:
    """List the keys that are not revoked, oldest first."""
    return await key_page(conn, caller.account_id, Listing(request, response, caller.cursor_secret, "keys", page))


@router.post("/account/keys", status_code=201, operation_id="createKey", response_model=OpenedKey)
async def create_key(
    new: NewKey, caller: Admin, conn: WriteConn, request: Request, now: Now, key: OptionalIdempotencyKey = None
) -> Response:
    """Create a key; it is shown only in this answer, and in that to a repeat with the same Idempotency-Key."""
    return await answer_with_key(conn, caller.account_id, new, caller.by, request, now, key)


@router.delete(
    "/account/keys/{id}",
    status_code=204,
    operation_id="revokeKey",
    responses=documented(LastAdminKey),
)
async def delete_key(key_id: KeyId, caller: Admin, conn: WriteConn, now: Now) -> None:
    """Revoke a key; it stops working within 5 seconds."""
    await revoke_key(conn, caller.account_id, key_id, caller.by, now)


@router.get("/account/audit", operation_id="readAudit")
async def read_audit(
    caller: Admin, conn: ReadConn, request: Request, response: Response, page: Annotated[PageQuery, Query()]
) -> AuditPage:
    """List what the operator and admin keys did to this account, newest first."""
    return await audit_page(conn, caller.account_id, Listing(request, response, caller.cursor_secret, "audit", page))
