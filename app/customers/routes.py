"""Customer routes: find one, see everything of one, set consent, forget one."""

import unicodedata
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from app.accounts.access import Exporter, Reader, Writer
from app.accounts.guarded_route import GuardedRoute
from app.boards.source import RememberedSources, Source, SourceCache, UnknownSource
from app.customers import statements
from app.customers.change_consent import change_consent
from app.customers.erase_person import erase_person
from app.customers.export_person import export_person
from app.customers.read_profile import UnknownCustomer, contact, read_profile
from app.customers.schemas import Customer, CustomerChange, CustomerPage, Export, Profile
from app.customers.statements import Contact, FindBy, FoundCustomer
from app.database.pools import Database, Pools, ReadConn
from app.database.rows import all_rows, first_row
from app.vocabulary import Scope
from app.wire.addresses import normal_address
from app.wire.ids import PublicId, public_id
from app.wire.instants import Now
from app.wire.pages import Listing, PageQuery
from app.wire.text import plain

router = APIRouter(route_class=GuardedRoute, tags=["customers"])

CustomerId = Annotated[int, Path(alias="id"), PublicId("cus", UnknownCustomer)]
Sought = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(plain)]
BEFORE_ALL = ("", 0)
"""The position before every text and every id."""


class CustomerQuery(PageQuery):
    """Which customers of a source: by one of `external_id`, `email` and `q`, or all."""

    source: Annotated[int, PublicId("src", UnknownSource)] = Field(description="the store")
    external_id: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(plain)] | None = Field(
        None, description="the store's own id"
    )
    email: Annotated[Sought, Field(max_length=320)] | None = Field(
        None, description="the customer's address, or another one whose orders belong to the customer"
    )
    q: Annotated[Sought, Field(max_length=100)] | None = Field(
        None, description="the beginning of the name or e-mail address, in upper or lower case"
    )

    @model_validator(mode="after")
    def _one_at_most(self) -> Self:
        if sum(getattr(self, way) is not None for way in FindBy) > 1:
            raise ValueError("give one of external_id, email and q")
        return self

    @property
    def by(self) -> FindBy | None:
        """What to look for; None: all of them."""
        return next((way for way in FindBy if getattr(self, way) is not None), None)

    def values(self) -> dict[str, str]:
        """The values to look for, as they are stored."""
        if self.q is not None:
            return {"name": self.q, "address": unicodedata.normalize("NFC", self.q).lower()}
        if self.email is not None:
            try:
                return {"email": normal_address(self.email)}
            except ValueError:
                return {"email": ""}  # matches nobody
        return {} if self.external_id is None else {"external_id": self.external_id}


@router.get(
    "/customers",
    operation_id="findCustomers",
)
async def find_customers(
    query: Annotated[CustomerQuery, Query()],
    caller: Reader,
    database: Pools,
    sources: RememberedSources,
    request: Request,
    response: Response,
) -> CustomerPage:
    """Find a source's customers by id, by address, by how name or e-mail begins, or list them."""
    source = await sources.read(database, caller.account_id, query.source)
    binding = query.model_dump_json(exclude={"limit", "cursor"})
    listing = Listing(request, response, caller.cursor_secret, binding, query)
    after, after_id = listing.start(BEFORE_ALL)
    bound = source.key | query.values() | {"after": after, "after_id": after_id, "limit": query.limit + 1}
    async with database.read() as conn:
        rows = await all_rows(conn, statements.select_customers(query.by), bound, FoundCustomer)
    found, next_cursor = listing.cut(rows, lambda row: [row.matched, row.id])
    return CustomerPage(items=[Customer(**contact(row)) for row in found], next_cursor=next_cursor)


@router.get(
    "/customers/{id}",
    operation_id="readCustomer",
)
async def read_customer(customer_id: CustomerId, caller: Reader, conn: ReadConn, now: Now) -> Profile:
    """Show a customer: contact data, figures and exact ranks in every time frame, VIP membership, last orders."""
    return await read_profile(conn, caller.account_id, customer_id, now)


@router.get(
    "/customers/{id}/export",
    operation_id="exportCustomer",
)
async def export_customer(customer_id: CustomerId, caller: Exporter, database: Pools) -> Export:
    """Export everything that is stored about a person, messages included, to answer a request for access."""
    # One snapshot: a customer who is erased meanwhile is exported whole or not at all.
    async with database.snapshot() as conn:
        return await export_person(conn, caller.account_id, customer_id)


async def source_of(sources: SourceCache, database: Database, account_id: int, customer_id: int) -> Source:
    """The store of a customer; UnknownCustomer where there is none."""
    async with database.read() as conn:
        key = {"account_id": account_id, "customer_id": customer_id}
        row = await first_row(conn, statements.SELECT_CUSTOMER, key, Contact)
    if row is None:
        raise UnknownCustomer
    return await sources.read(database, account_id, row.source_id)


@router.patch(
    "/customers/{id}",
    operation_id="changeCustomer",
)
async def change_customer(
    customer_id: CustomerId,
    change: CustomerChange,
    caller: Writer,
    database: Pools,
    sources: RememberedSources,
    now: Now,
) -> Customer:
    """Set a customer's consent and language.

    The history records which key changed the consent and when; no import overwrites it. A key without the scope
    `read` is not shown the contact data.
    """
    source = await source_of(sources, database, caller.account_id, customer_id)
    by = public_id("key", caller.key_id)
    async with database.write_in_turn(source.id) as conn:
        person = {"account_id": caller.account_id, "customer_id": customer_id}
        if change.marketing is not None:
            changed = await change_consent(conn, source, [customer_id], change.marketing, by, now)
            if not changed:
                raise UnknownCustomer
        if "language" in change.model_fields_set:
            await conn.execute(statements.SET_LANGUAGE, person | {"language": change.language})
        row = await first_row(conn, statements.SELECT_CUSTOMER, person, Contact)
        if row is None:
            raise UnknownCustomer
    shown = contact(row)
    if Scope.READ not in caller.scopes:
        shown |= dict.fromkeys(("external_id", "name", "email"))
    return Customer(**shown)


@router.delete(
    "/customers/{id}",
    status_code=204,
    operation_id="eraseCustomer",
)
async def erase_customer(
    customer_id: CustomerId,
    caller: Writer,
    database: Pools,
    sources: RememberedSources,
    now: Now,
) -> None:
    """Erase a person for good.

    Their orders stay without a customer, and ranks close up. Sending the same orders again does not bring the
    person back; a new order makes a new customer.
    """
    source = await source_of(sources, database, caller.account_id, customer_id)
    async with database.write_in_turn(source.id) as conn:
        if not await erase_person(conn, source, customer_id, now):
            raise UnknownCustomer
