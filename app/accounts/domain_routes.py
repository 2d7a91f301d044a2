"""Domain routes: the domains that an account sends from, added and verified by it or granted by the operator."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.accounts.access import Admin, Operator
from app.accounts.audit import OPERATOR
from app.accounts.domain_statements import SELECT_DOMAINS, DomainRow
from app.accounts.guarded_route import GuardedRoute
from app.accounts.keys import locked_account
from app.accounts.operator_routes import AccountId
from app.accounts.schemas import DnsRecord, DomainPage, NewDomain, SenderDomain
from app.accounts.sender_domains import (
    DomainNotProven,
    Domains,
    DomainTaken,
    TooManyDomains,
    UnknownDomain,
    add_domain,
    give_domain,
    record_of,
    remove_domain,
    verify_domain,
)
from app.database.pools import Pools, ReadConn, WriteConn
from app.database.rows import all_rows
from app.problems import documented
from app.vocabulary import AuditAction
from app.wire.addresses import domain_name
from app.wire.instants import Now, rfc3339
from app.wire.pages import Listing, PageQuery

router = APIRouter(route_class=GuardedRoute, tags=["accounts"])

DomainInPath = Annotated[str, Path(description="such as shop.example", examples=["shop.example"])]


@router.post(
    "/account/domains",
    status_code=201,
    operation_id="addDomain",
    responses=documented(TooManyDomains),
)
async def add_own_domain(new: NewDomain, caller: Admin, conn: WriteConn, now: Now) -> SenderDomain:
    """Add a domain to send from; the answer holds the TXT record that proves that it is yours.

    Publish the record, then call verify. Adding a domain again shows the same record.
    """
    return shown_domain(await add_domain(conn, caller.account_id, new.domain, now))


@router.get("/account/domains", operation_id="listDomains")
async def list_domains(
    caller: Admin, conn: ReadConn, request: Request, response: Response, page: Annotated[PageQuery, Query()]
) -> DomainPage:
    """List the domains of the account, by name."""
    listing = Listing(request, response, caller.cursor_secret, "domains", page)
    bound = {"account_id": caller.account_id, "after": listing.start([""])[0], "limit": page.limit + 1}
    rows = await all_rows(conn, SELECT_DOMAINS, bound, DomainRow)
    found, next_cursor = listing.cut(rows, lambda row: [row.domain])
    return DomainPage(items=[shown_domain(row) for row in found], next_cursor=next_cursor)


@router.post(
    "/account/domains/{domain}/verify",
    operation_id="verifyDomain",
    responses=documented(UnknownDomain, DomainNotProven, DomainTaken),
)
async def verify_own_domain(
    domain: DomainInPath, caller: Admin, database: Pools, policy: Domains, now: Now
) -> SenderDomain:
    """Look for the record in the DNS; once it is there, e-mails can be sent from the domain."""
    row = await verify_domain(database, policy, caller.account_id, named_domain(domain), caller.by, now)
    return shown_domain(row)


@router.delete(
    "/account/domains/{domain}",
    status_code=204,
    operation_id="removeDomain",
    responses=documented(UnknownDomain),
)
async def remove_own_domain(domain: DomainInPath, caller: Admin, conn: WriteConn, now: Now) -> None:
    """Remove a domain; messages from it wait for a day, then fail."""
    await remove_domain(conn, caller.account_id, named_domain(domain), caller.by, now)


@router.post(
    "/accounts/{id}/domains",
    status_code=201,
    operation_id="grantDomain",
    responses=documented(TooManyDomains, DomainTaken),
)
async def grant_domain(
    account_id: AccountId, new: NewDomain, _operator: Operator, conn: WriteConn, now: Now
) -> SenderDomain:
    """Give a domain to an account, without asking the DNS."""
    await locked_account(conn, account_id)
    await add_domain(conn, account_id, new.domain, now)
    row = await give_domain(conn, account_id, new.domain, OPERATOR, AuditAction.DOMAIN_GRANTED, now)
    return shown_domain(row)


def named_domain(text: str) -> str:
    """The domain in a path; UnknownDomain for what is none."""
    try:
        return domain_name(text)
    except ValueError:
        raise UnknownDomain from None


def shown_domain(row: DomainRow) -> SenderDomain:
    """A domain as its account sees it."""
    name, value = record_of(row)
    return SenderDomain(
        domain=row.domain,
        status="pending" if row.verified_at is None else "verified",
        record=DnsRecord(type="TXT", name=name, value=value),
        created_at=rfc3339(row.created_at),
        verified_at=rfc3339(row.verified_at) if row.verified_at else None,
    )
