"""Customer routes: find one, see everything of one, set consent, forget one."""

import unicodedata
from typing import Annotated, Self

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from app.accounts.access import GuardedRoute, KeyRequired, Reader, ScopeRequired, Writer
from app.boards.remember_sources import Sources
from app.boards.source import Source, UnknownSource
from app.customers import directory
from app.customers.change_consent import change_consent
from app.customers.erase_person import erase_person
from app.customers.export_person import export_person
from app.customers.read_profile import UnknownCustomer, contact, read_profile
from app.customers.schemas import Customer, CustomerChange, CustomerPage, Export, Profile
from app.database.pools import Database, Pools, ReadConn
from app.orders.normal_form import normal_address
from app.problems import InvalidRequest, ServiceUnavailable, UnreadableBody, documented
from app.wire.ids import PublicId, public_id
from app.wire.instants import Now
from app.wire.pages import CURSOR_PATTERN, InvalidCursor, link_next, seal, unseal
from app.wire.strict_json import Strict
from app.wire.text import plain

router = APIRouter(route_class=GuardedRoute, tags=["customers"])

CustomerId = Annotated[int, PublicId("cus", UnknownCustomer)]
Sought = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(plain)]
WAYS = ("external_id", "email", "q")
FIRST = ("", 0)
"""Before every text and every id."""


class CustomerQuery(Strict):
    """Which customers of a source: by one of `external_id`, `email` and `q`, or all."""

    source: Annotated[int, PublicId("src", UnknownSource)] = Field(description="the store")
    external_id: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(plain)] | None = Field(
        None, description="the store's own id"
    )
    email: Annotated[Sought, Field(max_length=320)] | None = Field(
        None, description="theirs now, or one whose orders are theirs"
    )
    q: Annotated[Sought, Field(max_length=100)] | None = Field(
        None, description="how their name or e-mail address begins, in any case"
    )
    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    cursor: Annotated[str, Field(json_schema_extra={"pattern": CURSOR_PATTERN})] | None = Field(
        None, description="`next_cursor` of the page before"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(getattr(self, way) is not None for way in WAYS) > 1:
            raise ValueError("give one of external_id, email and q")
        return self

    @property
    def way(self) -> str:
        """How to look."""
        return next((way for way in WAYS if getattr(self, way) is not None), "")

    def sought(self) -> dict[str, str]:
        """What to look for, as the directory writes it."""
        if self.q is not None:
            return {"name": self.q, "address": unicodedata.normalize("NFC", self.q).lower()}
        if self.email is not None:
            try:
                return {"email": normal_address(self.email)}
            except ValueError:
                return {"email": ""}  # nobody has it
        return {} if self.external_id is None else {"external_id": self.external_id}


@router.get(
    "/customers",
    operation_id="findCustomers",
    responses=documented(KeyRequired, ScopeRequired, UnknownSource, InvalidCursor, InvalidRequest),
)
async def find_customers(
    query: Annotated[CustomerQuery, Query()], caller: Reader, database: Pools, request: Request, response: Response
) -> CustomerPage:
    """Find a source's customers by id, by address, by how name or e-mail begins, or list them."""
    sources: Sources = request.app.state.sources
    source = await sources.read(database, caller.account_id, query.source)
    binding = query.model_dump_json(exclude={"limit", "cursor"})
    after, after_id = unseal(caller.cursor_secret, binding, query.cursor) if query.cursor else FIRST
    position = {"after_id": after_id, "limit": query.limit + 1} | ({"after": after} if query.way == "q" else {})
    async with database.read() as conn:
        rows = (await conn.execute(directory.found(query.way), source.key | query.sought() | position)).all()
    following = None
    if len(rows) > query.limit:
        last = rows[query.limit - 1]
        following = seal(caller.cursor_secret, binding, [last.matched, last.id])
    link_next(request, response, following)
    return CustomerPage(items=[Customer(**contact(row)) for row in rows[: query.limit]], next_cursor=following)


@router.get(
    "/customers/{id}",
    operation_id="readCustomer",
    responses=documented(KeyRequired, ScopeRequired, UnknownCustomer, ServiceUnavailable),
)
async def read_customer(id: CustomerId, caller: Reader, conn: ReadConn, now: Now) -> Profile:  # noqa: A002
    """Show a customer whole: contact, figures and exact ranks in every time frame, VIP membership, last orders."""
    return await read_profile(conn, caller.account_id, id, now)


@router.get(
    "/customers/{id}/export",
    operation_id="exportCustomer",
    responses=documented(KeyRequired, ScopeRequired, UnknownCustomer),
)
async def export_customer(id: CustomerId, caller: Reader, database: Pools) -> Export:  # noqa: A002
    """Give everything that is known of a person, to answer their request for it."""
    async with database.snapshot() as conn:  # who is erased or merged meanwhile is told of whole, or not at all
        return await export_person(conn, caller.account_id, id)


async def source_of(request: Request, database: Database, account_id: int, customer_id: int) -> Source:
    """The store of a customer; UnknownCustomer where there is none."""
    sources: Sources = request.app.state.sources
    async with database.read() as conn:
        found = await conn.execute(directory.ONE, {"account_id": account_id, "customer_id": customer_id})
        row = found.one_or_none()
    if row is None:
        raise UnknownCustomer
    return await sources.read(database, account_id, row.source_id)


@router.patch(
    "/customers/{id}",
    operation_id="changeCustomer",
    responses=documented(
        KeyRequired, ScopeRequired, UnknownCustomer, UnreadableBody, InvalidRequest, ServiceUnavailable
    ),
)
async def change_customer(
    id: CustomerId,  # noqa: A002 - the name in the path
    change: CustomerChange,
    caller: Writer,
    database: Pools,
    request: Request,
    now: Now,
) -> Customer:
    """Set what a customer agreed to, and their language.

    It is noted which key changed a consent and when, and no import overwrites it.
    """
    source = await source_of(request, database, caller.account_id, id)
    by = public_id("key", caller.key_id)
    async with database.write_in_turn(source.id) as conn:
        person = {"account_id": caller.account_id, "customer_id": id}
        if change.marketing and not await change_consent(conn, source, [id], change.marketing, by, now):
            raise UnknownCustomer
        if "language" in change.model_fields_set:
            await conn.execute(directory.SPOKEN_TO_IN, person | {"language": change.language})
        row = (await conn.execute(directory.ONE, person)).one_or_none()
        if row is None:
            raise UnknownCustomer
    return Customer(**contact(row))


@router.delete(
    "/customers/{id}",
    status_code=204,
    operation_id="eraseCustomer",
    responses=documented(KeyRequired, ScopeRequired, UnknownCustomer, ServiceUnavailable),
)
async def erase_customer(
    id: CustomerId,  # noqa: A002 - the name in the path
    caller: Writer,
    database: Pools,
    request: Request,
    now: Now,
) -> None:
    """Erase a person for good; their orders stay as figures of no one, and ranks close up.

    The same orders sent again do not bring them back; a new order of theirs makes a new customer.
    """
    source = await source_of(request, database, caller.account_id, id)
    async with database.write_in_turn(source.id) as conn:
        if not await erase_person(conn, source, id, now):
            raise UnknownCustomer
