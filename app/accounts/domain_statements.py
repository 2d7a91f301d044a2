"""Domain statements: the domains that accounts send from, and how many mails each has queued on a day."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text


class DomainRow(NamedTuple):
    """A domain of an account; it is verified once `verified_at` is set."""

    domain: str
    token: str
    created_at: datetime
    verified_at: datetime | None


class DomainOwner(NamedTuple):
    """The account that a domain belongs to."""

    account_id: int


class CountRow(NamedTuple):
    """A number."""

    number: int


INSERT_DOMAIN = text("""
    INSERT INTO sender_domains (account_id, domain, token, created_at)
    VALUES (:account_id, :domain, :token, :now)
    ON CONFLICT (account_id, domain) DO NOTHING
""")

COUNT_DOMAINS = text("SELECT count(*) AS number FROM sender_domains WHERE account_id = :account_id")

SELECT_DOMAIN = text("""
    SELECT domain, token, created_at, verified_at FROM sender_domains
    WHERE account_id = :account_id AND domain = :domain
""")

SELECT_DOMAINS = text("""
    SELECT domain, token, created_at, verified_at FROM sender_domains
    WHERE account_id = :account_id AND domain > :after
    ORDER BY domain LIMIT :limit
""")

SELECT_VERIFIED_DOMAINS = text("""
    SELECT domain FROM sender_domains
    WHERE account_id = :account_id AND domain = ANY(cast(:domains AS text[])) AND verified_at IS NOT NULL
""")
"""Those of the domains that the account may send from."""

SELECT_FIRST_ACCOUNT = text("SELECT id AS account_id FROM accounts WHERE deleted_at IS NULL ORDER BY id LIMIT 1")
"""The account whose row is locked while a domain is given to any account, so that no two get it at once."""

SELECT_DOMAIN_OWNER = text("""
    SELECT account_id FROM sender_domains WHERE domain = :domain AND verified_at IS NOT NULL
""")
"""The account that a domain belongs to, of all accounts; no row when it belongs to none."""

SET_DOMAIN_VERIFIED = text("""
    UPDATE sender_domains SET verified_at = :now
    WHERE account_id = :account_id AND domain = :domain AND verified_at IS NULL
""")

DELETE_DOMAIN = text("""
    DELETE FROM sender_domains WHERE account_id = :account_id AND domain = :domain RETURNING domain
""")
