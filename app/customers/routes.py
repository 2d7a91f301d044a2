"""Customer routes: find one, see everything of one, set consent, forget one."""

import unicodedata
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from app.accounts.access import Caller, Exporter, ProfileReader, TokenRefused, Writer
from app.accounts.guarded_route import GuardedRoute
from app.boards.source import RememberedSources, Source, SourceCache, UnknownSource, lock_source
from app.customers import statements
from app.customers.change_consent import change_consent
from app.customers.erase_person import erase_person
from app.customers.export_person import export_person
from app.customers.find_heirs import CustomerMerged, leading_to_heirs
from app.customers.read_profile import UnknownCustomer, contact, read_profile
from app.customers.schemas import Customer, CustomerChange, CustomerMerge, CustomerPage, Export, Profile
from app.customers.statements import Contact, FindBy, FoundCustomer
from app.database.pools import Connection, Database, Pools
from app.database.rows import all_rows, first_row
from app.invalid_values import InvalidValueError
from app.orders.merge_customers import merge_customers
from app.problems import Problem, documented
from app.suppressions.lift import OptInTooOld, not_ahead, opt_in
from app.vocabulary import Scope
from app.wire.addresses import normal_address
from app.wire.ids import PublicId, row_id
from app.wire.instants import Now
from app.wire.pages import Listing, PageQuery
from app.wire.text import plain
from app.words import Sentence

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
            raise InvalidValueError(Sentence("Give only one of external_id, email and q."))
        return self

    @property
    def by(self) -> FindBy | None:
        """What to look for; None: all of them."""
        return next((way for way in FindBy if getattr(self, way) is not None), None)

    def refuse_addresses(self) -> None:
        """Raise TokenRefused when customers are sought by an address: an answer would tell whose it is."""
        if self.email is not None or "@" in (self.external_id or ""):
            raise TokenRefused(Sentence("This browser token shows no e-mail addresses and finds nobody by them."))

    def values(self) -> dict[str, str]:
        """The values to look for, as they are stored."""
        if self.q is not None:
            return {"name": self.q, "address": unicodedata.normalize("NFC", self.q).lower()}
        if self.email is not None:
            try:  # no address holds a space: it is a bare `+` of the query string
                return {"email": normal_address(self.email.strip().replace(" ", "+"))}
            except ValueError:
                return {"email": ""}  # matches nobody
        return {} if self.external_id is None else {"external_id": self.external_id}


@router.get(
    "/customers",
    operation_id="findCustomers",
)
async def find_customers(
    query: Annotated[CustomerQuery, Query()],
    caller: ProfileReader,
    database: Pools,
    sources: RememberedSources,
    request: Request,
    response: Response,
) -> CustomerPage:
    """Find a source's customers: by id, by address, by how name or e-mail begins, or all of them.

    A browser token without `emails` finds nobody by an address.
    """
    source = await sources.read_for(database, caller, query.source)
    select = statements.select_customers(query.by)
    if caller.masks_emails:
        query.refuse_addresses()
        if query.q is not None:
            select = statements.SELECT_CUSTOMERS_BY_NAME
    binding = query.model_dump_json(exclude={"limit", "cursor"})
    listing = Listing(request, response, caller.cursor_secret, binding, query)
    after, after_id = listing.start(BEFORE_ALL)
    bound = source.key | query.values() | {"after": after, "after_id": after_id, "limit": query.limit + 1}
    async with database.read() as conn:
        rows = await all_rows(conn, select, bound, FoundCustomer)
    found, next_cursor = listing.cut(rows, lambda row: [row.matched, row.id])
    items = [Customer(**contact(row, masked=caller.masks_emails)) for row in found]
    return CustomerPage(items=items, next_cursor=next_cursor)


@router.get(
    "/customers/{id}",
    operation_id="readCustomer",
    responses=documented(CustomerMerged),
)
async def read_customer(
    customer_id: CustomerId, caller: ProfileReader, database: Pools, request: Request, now: Now
) -> Profile:
    """Show a customer: contact data, figures and exact ranks in every time frame, VIP membership, last orders.

    The id of a customer who was merged into another one leads there.
    """
    async with leading_to_heirs(request, database, caller, customer_id), database.read() as conn:
        return await read_profile(conn, caller, customer_id, now)


@router.get(
    "/customers/{id}/export",
    operation_id="exportCustomer",
    responses=documented(CustomerMerged),
)
async def export_customer(customer_id: CustomerId, caller: Exporter, database: Pools, request: Request) -> Export:
    """Export everything that is stored about a person, messages included, to answer a request for access."""
    # One snapshot: a customer who is erased meanwhile is exported whole or not at all.
    async with leading_to_heirs(request, database, caller, customer_id), database.snapshot() as conn:
        return await export_person(conn, caller.account_id, customer_id)


async def source_of(sources: SourceCache, database: Database, account_id: int, customer_id: int) -> Source:
    """The store of a customer; UnknownCustomer where there is none."""
    async with database.read() as conn:
        key = {"account_id": account_id, "customer_id": customer_id}
        row = await first_row(conn, statements.SELECT_CUSTOMER, key, Contact)
    if row is None:
        raise UnknownCustomer
    return await sources.read(database, account_id, row.source_id)


async def _customer(conn: Connection, person: dict[str, int]) -> Contact:
    row = await first_row(conn, statements.SELECT_CUSTOMER, person, Contact)
    if row is None:
        raise UnknownCustomer
    return row


@router.patch(
    "/customers/{id}",
    operation_id="changeCustomer",
    responses=documented(OptInTooOld, CustomerMerged),
)
async def change_customer(
    customer_id: CustomerId,
    change: CustomerChange,
    caller: Writer,
    database: Pools,
    sources: RememberedSources,
    request: Request,
    now: Now,
) -> Customer:
    """Set a customer's consent and language.

    The history records which key changed the consent and when; no import overwrites it. An address that has left or
    complained stays suppressed, unless `opted_in_at` says that its owner has agreed again since. A key without the
    scope `read` is not shown the contact data.
    """
    async with leading_to_heirs(request, database, caller, customer_id):
        source = await source_of(sources, database, caller.account_id, customer_id)
    person = {"account_id": caller.account_id, "customer_id": customer_id}
    chosen_at = not_ahead("marketing_at", change.marketing_at or now, now)
    if change.opted_in_at is not None:
        async with database.write() as conn:
            row = await _customer(conn, person)
        await opt_in(database, caller, row.email, change.opted_in_at, now)
    async with database.write_in_turn(source.id) as conn:
        await lock_source(conn, source.account_id, source.id)
        if change.marketing is not None:
            await change_consent(conn, source, [customer_id], change.marketing, caller.by, chosen_at)
        if "language" in change.model_fields_set:
            await conn.execute(statements.SET_LANGUAGE, person | {"language": change.language, "now": now})
        row = await _customer(conn, person)
    return _shown_to(caller, row)


def _shown_to(caller: Caller, row: Contact) -> Customer:
    """The customer, without contact data for a key that may not read."""
    shown = contact(row, masked=caller.masks_emails)
    if Scope.READ not in caller.scopes:
        shown |= dict.fromkeys(("external_id", "name", "first_name", "last_name", "email"))
    return Customer(**shown)


@router.delete(
    "/customers/{id}",
    status_code=204,
    operation_id="eraseCustomer",
    responses=documented(CustomerMerged),
)
async def erase_customer(
    customer_id: CustomerId,
    caller: Writer,
    database: Pools,
    sources: RememberedSources,
    request: Request,
    now: Now,
) -> None:
    """Erase a person for good.

    Their orders stay without a customer, and ranks close up. Sending the same orders again does not bring the
    person back; a new order makes a new customer.
    """
    async with leading_to_heirs(request, database, caller, customer_id):
        source = await source_of(sources, database, caller.account_id, customer_id)
    async with database.write_in_turn(source.id) as conn:
        if not await erase_person(conn, source, customer_id, now):
            raise UnknownCustomer


class OtherStore(Problem):
    """Only customers of the same store can be merged, and nobody into themselves."""

    slug = "other-store"
    title = "These customers cannot be merged"
    status = 409


@router.post(
    "/customers/{id}/merge",
    operation_id="mergeCustomer",
    responses=documented(CustomerMerged, OtherStore),
)
async def merge_customer(
    customer_id: CustomerId,
    merge: CustomerMerge,
    caller: Writer,
    database: Pools,
    sources: RememberedSources,
    request: Request,
    now: Now,
) -> Customer:
    """Merge a customer into another one of the same store, who gets orders, addresses, messages and consent.

    It cannot be undone. The merged customer's id leads to the heir from then on, and later orders with the store's id
    of the merged customer are the heir's. A key without the scope `read` is not shown the contact data.
    """
    heir_id = row_id("cus", merge.into) or 0
    async with leading_to_heirs(request, database, caller, customer_id):
        source = await source_of(sources, database, caller.account_id, customer_id)
    if customer_id == heir_id or (await source_of(sources, database, caller.account_id, heir_id)).id != source.id:
        raise OtherStore
    async with database.write_in_turn(source.id) as conn:
        if not await merge_customers(conn, source, customer_id, heir_id, now):
            raise UnknownCustomer
        row = await _customer(conn, {"account_id": caller.account_id, "customer_id": heir_id})
    return _shown_to(caller, row)
