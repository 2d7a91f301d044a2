"""Finding heirs: the id of a customer who was merged into another one leads there."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import Request

from app.customers.read_profile import UnknownCustomer
from app.customers.statements import SELECT_HEIRS, Heir
from app.database.pools import Database
from app.database.rows import all_rows
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


async def heirs_of(database: Database, account_id: int, customers: Sequence[int]) -> dict[int, int]:
    """The heirs of those of the customers who were merged into another one; read from the primary."""
    async with database.write() as conn:
        found = await all_rows(conn, SELECT_HEIRS, {"account_id": account_id, "customers": [*customers]}, Heir)
    return {row.id: row.heir_id for row in found}


@asynccontextmanager
async def leading_to_heirs(
    request: Request, database: Database, account_id: int, customer_id: int
) -> AsyncIterator[None]:
    """Raise CustomerMerged instead of UnknownCustomer for a customer who was merged; no connection may be held."""
    try:
        yield
    except UnknownCustomer:
        heir = (await heirs_of(database, account_id, [customer_id])).get(customer_id)
        if heir is None:
            raise
        before, after = f"/{public_id('cus', customer_id)}", f"/{public_id('cus', heir)}"
        query = f"?{request.url.query}" if request.url.query else ""
        raise CustomerMerged(request.url.path.replace(before, after, 1) + query) from None
