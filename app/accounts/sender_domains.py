"""Sender domains: which account may write from which domain.

A domain belongs to one account of the installation: the one that has put our token into its DNS, or got it from the
operator. Its subdomains are domains of their own.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from app.accounts.audit import note_action
from app.accounts.domain_statements import (
    COUNT_DOMAINS,
    DELETE_DOMAIN,
    INSERT_DOMAIN,
    SELECT_DOMAIN,
    SELECT_DOMAIN_OWNER,
    SELECT_FIRST_ACCOUNT,
    SELECT_VERIFIED_DOMAINS,
    SET_DOMAIN_VERIFIED,
    CountRow,
    DomainOwner,
    DomainRow,
)
from app.accounts.statements import LOCK_ACCOUNT, AccountRow
from app.accounts.txt_records import DnsServer, TxtRecords
from app.database.pools import Connection, Database
from app.database.rows import all_rows, change_rows, first_row, one_row
from app.problems import NotFound, Problem, ServiceUnavailable
from app.services import provided
from app.vocabulary import AuditAction

RECORD_NAME = "_loyalty-leaderboard"
TOKEN_BYTES = 24
MOST_DOMAINS = 100


class UnknownDomain(NotFound):
    """There is no such domain in this account; add it with POST /account/domains."""

    slug = "unknown-domain"
    title = "No such domain"


class TooManyDomains(Problem):
    """An account has at most 100 domains; remove one that it no longer sends from."""

    slug = "too-many-domains"
    title = "Too many domains"
    status = 409


class DomainNotProven(Problem):
    """The TXT record was not found in the DNS: publish it, wait until it can be seen, then repeat this request."""

    slug = "domain-not-proven"
    title = "The DNS does not show the record"
    status = 409


class DomainTaken(Problem):
    """This domain belongs to another account of this installation; if it is yours, ask the operator."""

    slug = "domain-taken"
    title = "The domain is taken"
    status = 409


class SenderDomainNotVerified(Problem):
    """The domain of the sender's e-mail is not verified: POST /account/domains, publish its record, then verify it."""

    slug = "sender-domain-not-verified"
    title = "The sender's domain is not verified"
    status = 409


@dataclass(frozen=True, slots=True)
class DomainPolicy:
    """Whether senders need verified domains, and where the DNS is asked."""

    must_be_verified: bool = False
    records: TxtRecords = field(default_factory=DnsServer)


ANY_DOMAIN = DomainPolicy()
Domains = Annotated[DomainPolicy, provided(DomainPolicy)]


def record_of(row: DomainRow) -> tuple[str, str]:
    """Name and value of the TXT record that proves whose a domain is."""
    return f"{RECORD_NAME}.{row.domain}", f"{RECORD_NAME.removeprefix('_')}={row.token}"


async def require_domain(conn: Connection, policy: DomainPolicy, account_id: int, email: str) -> None:
    """SenderDomainNotVerified unless the account may send from this address."""
    domain = email.rpartition("@")[2]
    if policy.must_be_verified and domain not in await verified_among(conn, account_id, [domain]):
        raise SenderDomainNotVerified


async def verified_among(conn: Connection, account_id: int, domains: Iterable[str]) -> set[str]:
    """Those of the domains that the account may send from."""
    bound = {"account_id": account_id, "domains": sorted(set(domains))}
    return {domain for (domain,) in await conn.execute(SELECT_VERIFIED_DOMAINS, bound)}


async def add_domain(conn: Connection, account_id: int, domain: str, now: datetime) -> DomainRow:
    """A domain of the account, with the token that proves it; adding it again keeps the token."""
    if (await one_row(conn, COUNT_DOMAINS, {"account_id": account_id}, CountRow)).number >= MOST_DOMAINS:
        raise TooManyDomains
    key = {"account_id": account_id, "domain": domain}
    await conn.execute(INSERT_DOMAIN, key | {"token": secrets.token_urlsafe(TOKEN_BYTES), "now": now})
    return await one_row(conn, SELECT_DOMAIN, key, DomainRow)


async def known_domain(conn: Connection, account_id: int, domain: str) -> DomainRow:
    """The domain; UnknownDomain where the account has none such."""
    row = await first_row(conn, SELECT_DOMAIN, {"account_id": account_id, "domain": domain}, DomainRow)
    if row is None:
        raise UnknownDomain
    return row


async def verify_domain(
    database: Database, policy: DomainPolicy, account_id: int, domain: str, by: str, now: datetime
) -> DomainRow:
    """Ask the DNS for the token, and give the account the domain when it is there."""
    async with database.write() as conn:  # a replica may not know the domain yet
        row = await known_domain(conn, account_id, domain)
    if row.verified_at is not None:
        return row
    name, value = record_of(row)
    if value not in await policy.records.texts(name):
        raise DomainNotProven
    async with database.write() as conn:
        return await give_domain(conn, account_id, domain, by, AuditAction.DOMAIN_VERIFIED, now)


async def give_domain(
    conn: Connection, account_id: int, domain: str, by: str, action: AuditAction, now: datetime
) -> DomainRow:
    """Make a domain the account's own; DomainTaken when it is another one's.

    All accounts take turns at this, by the lock of one account's row.
    """
    first = await one_row(conn, SELECT_FIRST_ACCOUNT, {}, DomainOwner)
    if await first_row(conn, LOCK_ACCOUNT, {"account_id": first.account_id}, AccountRow) is None:
        raise ServiceUnavailable
    owners = {row.account_id for row in await all_rows(conn, SELECT_DOMAIN_OWNER, {"domain": domain}, DomainOwner)}
    if owners - {account_id}:
        raise DomainTaken
    row = await known_domain(conn, account_id, domain)
    if not owners:
        key = {"account_id": account_id, "domain": domain}
        await change_rows(conn, SET_DOMAIN_VERIFIED, key | {"now": now})
        await note_action(conn, account_id, by, action, now, domain=domain)
        row = row._replace(verified_at=now)
    return row


async def remove_domain(conn: Connection, account_id: int, domain: str, by: str, now: datetime) -> None:
    """Forget a domain; messages from it wait until it is verified again."""
    if (await conn.execute(DELETE_DOMAIN, {"account_id": account_id, "domain": domain})).one_or_none() is None:
        raise UnknownDomain
    await note_action(conn, account_id, by, AuditAction.DOMAIN_REMOVED, now, domain=domain)
