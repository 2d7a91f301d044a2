"""Customer routes: find one, see everything of one, set consent, forget one."""

from typing import Annotated, Self

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, model_validator

from app.accounts.access import GuardedRoute, KeyRequired, Reader, ScopeRequired, Writer
from app.customers import directory
from app.customers.erase_person import erase_person
from app.customers.export_person import export_person
from app.customers.read_profile import UnknownCustomer, contact, read_profile
from app.customers.schemas import ConsentChange, Customer, CustomerPage, Export, Profile
from app.database import Pools, ReadConn
from app.orders.normal_form import normal_address
from app.orders.remember_sources import Sources
from app.orders.source import UnknownSource
from app.problems import InvalidRequest, ServiceUnavailable, UnreadableBody, documented
from app.wire import CURSOR_PATTERN, InvalidCursor, Now, PublicId, Strict, link_next, plain, public_id, seal, unseal

router = APIRouter(route_class=GuardedRoute, tags=["customers"])

CustomerId = Annotated[int, PublicId("cus", UnknownCustomer)]
FIRST = ("", 0)
"""Before every text and every id."""
LAST_CHARACTER = "\U0010ffff"


class CustomerQuery(Strict):
    """Which customers of a source: by one of `external_id`, `email` and `q`, or all."""

    source: Annotated[int, PublicId("src", UnknownSource)]
    external_id: str | None = Field(None, max_length=255)
    email: str | None = Field(None, max_length=320, description="any address they were seen with")
    q: str | None = Field(None, min_length=1, max_length=100, description="how name or e-mail begins")
    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    cursor: Annotated[str, Field(json_schema_extra={"pattern": CURSOR_PATTERN})] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [text for text in (self.external_id, self.email, self.q) if text is not None]
        if len(given) > 1:
            raise ValueError("give one of external_id, email and q")
        for text in given:
            plain(text)
        return self

    def way(self) -> str:
        """How to look."""
        return next((name for name in ("external_id", "email", "q") if getattr(self, name) is not None), "")

    def sought(self) -> dict[str, str]:
        """What to look for, as the directory writes it."""
        if self.email is not None:
            return {"email": normal_address(self.email) if "@" in self.email else self.email}
        if self.q is not None:
            low = self.q.strip().lower()
            return {"low": low, "high": low + LAST_CHARACTER}
        return {"external_id": self.external_id} if self.external_id is not None else {}


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
    position = {"after_id": after_id, "limit": query.limit + 1} if query.way() in {"", "q"} else {}
    if query.way() == "q":
        position["after"] = after
    async with database.read() as conn:
        found = await conn.execute(directory.found(query.way()), source.key | query.sought() | position)
        rows = found.all()
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
async def export_customer(id: CustomerId, caller: Reader, conn: ReadConn) -> Export:  # noqa: A002
    """Give everything that is known of a person, to answer their request for it."""
    return await export_person(conn, caller.account_id, id)


@router.patch(
    "/customers/{id}",
    operation_id="changeConsent",
    responses=documented(KeyRequired, ScopeRequired, UnknownCustomer, UnreadableBody, InvalidRequest),
)
async def change_consent(
    id: CustomerId,  # noqa: A002 - the name in the path
    change: ConsentChange,
    caller: Writer,
    database: Pools,
    now: Now,
) -> Customer:
    """Set what a customer agreed to; it is noted who did it and when, and no import overwrites it."""
    person = {"account_id": caller.account_id, "customer_id": id}
    async with database.write() as conn:
        row = (await conn.execute(directory.ONE_LOCKED, person)).one_or_none()
        if row is None:
            raise UnknownCustomer
        if row.marketing != change.marketing:
            consent = person | {"marketing": change.marketing}
            await conn.execute(directory.CONSENTED, consent)
            noted = consent | {"changed_by": public_id("key", caller.key_id), "now": now}
            await conn.execute(directory.CONSENT_NOTED, noted)
            await conn.execute(
                directory.CONTACTS_CHANGED, {"account_id": caller.account_id, "source_id": row.source_id}
            )
            row = (await conn.execute(directory.ONE, person)).one()
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
    """Erase a person for good; their orders stay as figures of no one, and ranks close up."""
    sources: Sources = request.app.state.sources
    person = {"account_id": caller.account_id, "customer_id": id}
    async with database.read() as conn:
        row = (await conn.execute(directory.ONE, person)).one_or_none()
    if row is None:
        raise UnknownCustomer
    source = await sources.read(database, caller.account_id, row.source_id)
    async with database.write_in_turn(source.id) as conn:
        if not await erase_person(conn, source, id, now):
            raise UnknownCustomer
