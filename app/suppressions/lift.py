"""Lifting: a suppression ends when the owner of the address agrees again, or when a dead address works again."""

from datetime import datetime

from app.accounts.access import Caller, require_scopes
from app.boards.address_word import hash_of_address
from app.boards.questions import invalid_parameter
from app.database.pools import Database
from app.database.rows import first_row
from app.problems import InvalidRequest, NotFound, Problem
from app.suppressions.statements import LIFT_DEAD_ADDRESS, SELECT_SUPPRESSION, SuppressionRow
from app.suppressions.suppress import AddressEvents, address_secret, note_addresses, renew_answers
from app.vocabulary import Scope, SuppressionReason
from app.wire.instants import CLOCK_SKEW
from app.words import Sentence

NOT_AHEAD = Sentence("Give a time that does not lie in the future.")


class UnknownSuppression(NotFound):
    """This address is not suppressed in this account."""

    slug = "unknown-suppression"
    title = "The address is not suppressed"


class OptInTooOld(Problem):
    """The address has left or complained since `opted_in_at`; only a newer agreement of its owner ends that."""

    slug = "opt-in-too-old"
    title = "The agreement is too old"
    status = 409


class OptInRequired(Problem):
    """The owner of the address wants no offers; name `opted_in_at`, the moment at which they agreed again."""

    slug = "opt-in-required"
    title = "The owner of the address must agree first"
    status = 409


class OptedInSince(Problem):
    """The owner of the address has agreed to offers after `since`, so nothing speaks against it."""

    slug = "opted-in-since"
    title = "The owner of the address has agreed since"
    status = 409


async def read_suppression(database: Database, account_id: int, email: str) -> SuppressionRow:
    """What is known of a suppressed address, read from the primary; UnknownSuppression for any other address."""
    row = await _found(database, account_id, email)
    if row is None:
        raise UnknownSuppression
    return row


async def _found(database: Database, account_id: int, email: str) -> SuppressionRow | None:
    async with database.write() as conn:
        address_hash = hash_of_address(await address_secret(conn, account_id), email)
        bound = {"account_id": account_id, "address_hash": address_hash}
        return await first_row(conn, SELECT_SUPPRESSION, bound, SuppressionRow)


def not_ahead(field: str, at: datetime, now: datetime) -> datetime:
    """The moment, now at the latest; InvalidRequest for one that lies in the future."""
    if at > now + CLOCK_SKEW:
        raise InvalidRequest(errors=[invalid_parameter(field, NOT_AHEAD)])
    return min(at, now)


async def opt_in(database: Database, caller: Caller, email: str | None, at: datetime, now: datetime) -> None:
    """Note that the owner of the address agreed to offers; OptInTooOld when they have left or complained since."""
    at = not_ahead("opted_in_at", at, now)
    if email is None:
        return
    await note_addresses(database, caller.account_id, {email: AddressEvents(opted_in_at=at)}, caller.by)
    if await _found(database, caller.account_id, email) is not None:
        raise OptInTooOld
    await renew_answers(database, caller.account_id, [email])


async def revive(database: Database, caller: Caller, email: str) -> None:
    """Take back that the address is dead, by an admin key; OptInRequired when its owner has left or complained."""
    require_scopes(caller, Scope.ADMIN)
    row = await read_suppression(database, caller.account_id, email)
    if row.reason != SuppressionReason.DEAD:
        raise OptInRequired
    async with database.write() as conn:
        await conn.execute(LIFT_DEAD_ADDRESS, {"account_id": caller.account_id, "address_hash": row.address_hash})
    await renew_answers(database, caller.account_id, [email])
