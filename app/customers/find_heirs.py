"""Finding heirs: the id of a customer who was merged into another one leads there."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import Request

from app.accounts.access import Caller
from app.customers.read_profile import UnknownCustomer
from app.customers.statements import SELECT_CUSTOMER, SELECT_HEIRS, Contact, Heir
from app.database.pools import Database
from app.database.rows import all_rows, first_row
from app.problems import Problem
from app.wire.ids import public_id


class CustomerMerged(Problem):
    """This customer was merged into another one; the Location header says where they are now."""

    slug = "customer-merged"
    title = "The customer is part of another one now"
    status = 308

    def __init__(self, location: str = "/customers/{id}") -> None:
        """`location` is the same path with the heir's id."""
        super().__init__(headers={"Location": location})


async def heirs_of(database: Database, caller: Caller, customers: Sequence[int]) -> dict[int, int]:
    """The heirs of those of the customers who were merged into another one; read from the primary."""
    async with database.write() as conn:
        bound = {"account_id": caller.account_id, "customers": [*customers]}
        found = await all_rows(conn, SELECT_HEIRS, bound, Heir)
    return {row.id: row.heir_id for row in found if caller.sees(row.source_id)}


async def require_seen(database: Database, caller: Caller, customer_id: int) -> None:
    """Raise UnknownCustomer unless the customer is of a source that the caller's token names; a key sees all."""
    if caller.token is None:
        return
    async with database.write() as conn:  # a replica may not know a new customer yet
        key = {"account_id": caller.account_id, "customer_id": customer_id}
        row = await first_row(conn, SELECT_CUSTOMER, key, Contact)
    if row is None or not caller.sees(row.source_id):
        raise UnknownCustomer


@asynccontextmanager
async def leading_to_heirs(
    request: Request, database: Database, caller: Caller, customer_id: int
) -> AsyncIterator[None]:
    """Raise CustomerMerged instead of UnknownCustomer for a customer who was merged; no connection may be held."""
    try:
        yield
    except UnknownCustomer:
        heir = (await heirs_of(database, caller, [customer_id])).get(customer_id)
        if heir is None:
            raise
        before, after = f"/{public_id('cus', customer_id)}", f"/{public_id('cus', heir)}"
        query = f"?{request.url.query}" if request.url.query else ""
        raise CustomerMerged(request.url.path.replace(before, after, 1) + query) from None
