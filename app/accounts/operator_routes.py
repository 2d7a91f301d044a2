"""Operator routes: the accounts of this installation, for the holder of ADMIN_KEY."""

import hashlib
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.accounts import statements
from app.accounts.access import Callers, Operator, OperatorKey, credential_of
from app.accounts.answer_once import (
    Done,
    IdempotencyKeyReused,
    OptionalIdempotencyKey,
    Secret,
    answer_once,
    unquoted,
)
from app.accounts.api_key import derived_key
from app.accounts.audit import OPERATOR, note_action
from app.accounts.deletions import DeletionRow, audit_entry, delete_account, find_deletion, shown_deletion
from app.accounts.guarded_route import GuardedRoute
from app.accounts.keys import UnknownAccount, locked_account
from app.accounts.open_account import ensure_account, give_first_key, open_account
from app.accounts.schemas import (
    AccountChange,
    AccountDeletion,
    AccountOfOperator,
    AccountPage,
    AuditPage,
    Deletion,
    NewAccount,
    NewKey,
    OpenedAccount,
    OpenedKey,
)
from app.accounts.show_keys import answer_with_key, audit_page
from app.accounts.statements import AccountRow
from app.database.pools import Connection, ReadConn, WriteConn
from app.database.rows import all_rows, first_row, one_row
from app.forms import documented_headers
from app.services import services_of
from app.vocabulary import AuditAction, DeletedNoun
from app.wire.ids import PublicId, public_id
from app.wire.instants import Now, rfc3339
from app.wire.pages import Listing, PageQuery

router = APIRouter(route_class=GuardedRoute, tags=["accounts"])

AccountId = Annotated[int, Path(alias="id"), PublicId("acc", UnknownAccount)]

CREATE_ACCOUNT = "createAccount"
FIRST_NAMED_ACCOUNT = 10**12
"""The ids of accounts whose request may be repeated follow from its Idempotency-Key and lie above all others."""


@router.post(
    "/accounts",
    status_code=201,
    operation_id=CREATE_ACCOUNT,
    response_model=OpenedAccount,
    responses=documented_headers(201, "Location"),
)
async def create_account(
    new: NewAccount,
    _operator: Operator,
    conn: WriteConn,
    request: Request,
    now: Now,
    key: OptionalIdempotencyKey = None,
) -> Response:
    """Open an account; its first key has every scope and is shown only in this answer.

    A repeat with the same Idempotency-Key gets the same answer.
    """
    if key is None:
        account_id, api_key = await open_account(conn, new.name, new.plan, OPERATOR, now)
    else:
        named = f"{CREATE_ACCOUNT} {unquoted(key)}"
        account_id = named_account(credential_of(request), named)
        api_key = derived_key(account_id, credential_of(request), named)
        if await find_deletion(conn, account_id, DeletedNoun.ACCOUNT, account_id) is not None:
            raise IdempotencyKeyReused  # nothing brings a deleted account back
        await ensure_account(conn, account_id, new.name, new.plan, now)
    opened = OpenedAccount(
        id=public_id("acc", account_id), name=new.name, plan=new.plan, created_at=rfc3339(now), api_key=api_key
    )

    async def open_once() -> Done:
        if key is not None:
            await give_first_key(conn, account_id, new.plan, api_key, OPERATOR, now)
        return Done(opened, location=f"/accounts/{opened.id}")

    secret = Secret("api_key", api_key)
    return await answer_once(conn, account_id, CREATE_ACCOUNT, key, new, now, open_once, secret=secret)


def named_account(credential: str, named: str) -> int:
    """The id of the account that this request makes."""
    digest = hashlib.sha256(f"{named}\0{credential}".encode("utf-8", "surrogateescape")).digest()
    return FIRST_NAMED_ACCOUNT + int.from_bytes(digest[:7], "big")


@router.get("/accounts", operation_id="listAccounts")
async def list_accounts(
    _operator: Operator, conn: ReadConn, request: Request, response: Response, page: Annotated[PageQuery, Query()]
) -> AccountPage:
    """List the accounts, oldest first."""
    secret = services_of(request).get(OperatorKey).cursor_secret
    listing = Listing(request, response, secret, "accounts", page)
    bound = {"after": listing.start([0])[0], "limit": page.limit + 1}
    rows = await all_rows(conn, statements.SELECT_ACCOUNTS, bound, AccountRow)
    items, next_cursor = listing.cut(rows, lambda row: [row.id])
    return AccountPage(items=[account_of_operator(row) for row in items], next_cursor=next_cursor)


@router.get("/accounts/{id}", operation_id="readAccountAsOperator")
async def show_account(account_id: AccountId, _operator: Operator, conn: ReadConn) -> AccountOfOperator:
    """Show an account."""
    return account_of_operator(await known_account(conn, account_id))


@router.patch("/accounts/{id}", operation_id="changeAccount")
async def change_account(
    account_id: AccountId, change: AccountChange, _operator: Operator, conn: WriteConn, now: Now
) -> AccountOfOperator:
    """Change an account: its plan, or whether it is closed; the change takes effect within 5 seconds."""
    before = await locked_account(conn, account_id)
    is_closed = before.closed_at is not None if change.closed is None else change.closed
    after = {
        "account_id": account_id,
        "plan": change.plan or before.plan,
        "closed_at": (before.closed_at or now) if is_closed else None,
    }
    row = await one_row(conn, statements.UPDATE_ACCOUNT, after, AccountRow)
    await _note_changes(conn, before, row, now)
    return account_of_operator(row)


async def _note_changes(conn: Connection, before: AccountRow, after: AccountRow, now: datetime) -> None:
    if after.plan != before.plan:
        await note_action(conn, after.id, OPERATOR, AuditAction.PLAN_CHANGED, now, plan=after.plan)
    if (after.closed_at is None) != (before.closed_at is None):
        action = AuditAction.ACCOUNT_REOPENED if after.closed_at is None else AuditAction.ACCOUNT_CLOSED
        await note_action(conn, after.id, OPERATOR, action, now)


@router.post("/accounts/{id}/keys", status_code=201, operation_id="createKeyAsOperator", response_model=OpenedKey)
async def create_key_of_account(
    account_id: AccountId,
    new: NewKey,
    _operator: Operator,
    conn: WriteConn,
    request: Request,
    now: Now,
    key: OptionalIdempotencyKey = None,
) -> Response:
    """Create a key for an account that has lost its own; it is shown only in this answer."""
    await locked_account(conn, account_id)
    return await answer_with_key(conn, account_id, new, OPERATOR, request, now, key)


@router.get("/accounts/{id}/audit", operation_id="readAuditAsOperator")
async def read_audit_of_account(
    account_id: AccountId,
    _operator: Operator,
    conn: ReadConn,
    request: Request,
    response: Response,
    page: Annotated[PageQuery, Query()],
) -> AuditPage:
    """List what the operator and admin keys did to an account, newest first; of a deleted one only who deleted it."""
    if await first_row(conn, statements.SELECT_ACCOUNT, {"account_id": account_id}, AccountRow) is None:
        return AuditPage(items=[audit_entry(await known_deletion(conn, account_id))], next_cursor=None)
    secret = services_of(request).get(OperatorKey).cursor_secret
    return await audit_page(conn, account_id, Listing(request, response, secret, f"audit of {account_id}", page))


@router.delete(
    "/accounts/{id}",
    status_code=202,
    operation_id="deleteAccount",
    response_model=AccountDeletion,
    responses=documented_headers(202, "Location"),
)
async def delete_account_for_good(
    account_id: AccountId, _operator: Operator, conn: WriteConn, request: Request, response: Response, now: Now
) -> Deletion:
    """Delete an account for good, with its keys, stores, customers and messages.

    From now on it is unknown: its keys open nothing (other processes learn of it within 5 seconds), and what was queued
    is not sent. Its rows are removed in the background; the `Location` says when the last one is gone.
    """
    begun = await delete_account(conn, account_id, now)
    services_of(request).get(Callers).forget(account_id)
    response.headers["Location"] = f"/accounts/{begun.id}/deletion"
    return begun


@router.get("/accounts/{id}/deletion", operation_id="readAccountDeletion", response_model=AccountDeletion)
async def read_account_deletion(account_id: AccountId, _operator: Operator, conn: ReadConn) -> Deletion:
    """Show when an account was deleted, and when its last row was gone."""
    return shown_deletion(await known_deletion(conn, account_id), DeletedNoun.ACCOUNT)


async def known_deletion(conn: Connection, account_id: int) -> DeletionRow:
    """The deletion of an account; UnknownAccount when it was not deleted."""
    row = await find_deletion(conn, account_id, DeletedNoun.ACCOUNT, account_id)
    if row is None:
        raise UnknownAccount
    return row


async def known_account(conn: Connection, account_id: int) -> AccountRow:
    """The account; UnknownAccount where there is none."""
    row = await first_row(conn, statements.SELECT_ACCOUNT, {"account_id": account_id}, AccountRow)
    if row is None:
        raise UnknownAccount
    return row


def account_of_operator(row: AccountRow) -> AccountOfOperator:
    """An account as the operator sees it."""
    closed_at = rfc3339(row.closed_at) if row.closed_at else None
    shown = {"id": public_id("acc", row.id), "name": row.name, "plan": row.plan}
    return AccountOfOperator(**shown, created_at=rfc3339(row.created_at), closed_at=closed_at)
