"""Access: a permission is a type that a route's signature asks for.

The key is checked before the body is read: `GuardedRoute` sees which permission the
signature names and authenticates first. A route that names none must be listed as open.
"""

import hmac
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from app.accounts.api_key import account_of, hash_of
from app.accounts.statements import SELECT_KEY_OWNER, KeyOwner
from app.database.pools import Database
from app.database.rows import first_row
from app.problems import InvalidRequest, Problem, UnreadableBody, UnsupportedMediaType, invalid_fields
from app.vocabulary import Plan, Scope
from app.wire.strict_json import strict_json

REMEMBERED_SECONDS = 5.0
REMEMBERED_KEYS = 10_000
KEY_HEADER = "Idempotency-Key"


class KeyRequired(Problem):
    """Send a valid API key as `Authorization: Bearer llb_…`."""

    slug = "key-required"
    title = "A valid API key is needed"
    status = 401

    def __init__(self) -> None:
        """Tell the scheme, as RFC 9110 asks."""
        super().__init__(headers={"WWW-Authenticate": 'Bearer realm="loyalty-leaderboard"'})


class ScopeRequired(Problem):
    """This key does not have the scope that the operation needs; use or create one that has it."""

    slug = "scope-required"
    title = "The key may not do this"
    status = 403


class PlanRequired(Problem):
    """E-mails to customers are part of the paid plan, and this account is on the free one; the rest is open to it."""

    slug = "plan-required"
    title = "This is part of the paid plan"
    status = 403


class IdempotencyKeyRequired(Problem):
    """Send an `Idempotency-Key` header: any text that is new for each request and the same when you repeat it."""

    slug = "idempotency-key-required"
    title = "An idempotency key is needed"
    status = 400


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: an account, by one of its keys."""

    account_id: int
    key_id: int
    scopes: frozenset[str]
    plan: str
    cursor_secret: bytes


class Callers:
    """The callers of the last seconds, so that a request costs no look-up of its key."""

    def __init__(self) -> None:
        """Nobody has called yet."""
        self._known: dict[bytes, tuple[float, Caller]] = {}

    async def caller(self, request: Request) -> Caller:
        """Who sends this request; KeyRequired when nobody we know."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        account_id = account_of(key.strip()) if scheme.lower() == "bearer" else None
        if account_id is None:
            raise KeyRequired
        key_hash = hash_of(key.strip())
        known = self._known.get(key_hash)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        return await self._looked_up(request, account_id, key_hash)

    async def _looked_up(self, request: Request, account_id: int, key_hash: bytes) -> Caller:
        database: Database = request.app.state.database
        async with database.read() as conn:
            bound = {"account_id": account_id, "hash": key_hash}
            owner = await first_row(conn, SELECT_KEY_OWNER, bound, KeyOwner)
        if owner is None:
            self._known.pop(key_hash, None)
            raise KeyRequired
        caller = Caller(owner.account_id, owner.key_id, frozenset(owner.scopes), owner.plan, owner.cursor_secret)
        if len(self._known) >= REMEMBERED_KEYS:
            self._known.clear()
        self._known[key_hash] = (time.monotonic() + REMEMBERED_SECONDS, caller)
        return caller


class Permission:
    """A dependency that gives the caller; the check itself has run before the body was read."""

    def __init__(self, scope: Scope | None, *, operator: bool = False, paid: bool = False) -> None:
        """`scope` None: any valid key; `paid`: only of a paying account."""
        self.scope = scope
        self.operator = operator
        self.paid = paid

    async def __call__(self, request: Request) -> Caller | None:
        """The caller that `admit` has found."""
        caller: Caller | None = request.state.caller
        return caller

    async def admit(self, request: Request) -> None:
        """Let the request in, or raise KeyRequired, PlanRequired or ScopeRequired, in this order."""
        request.state.caller = None
        if self.operator:
            _admit_operator(request)
            return
        caller = await request.app.state.callers.caller(request)
        if self.paid and caller.plan != Plan.PAID:
            raise PlanRequired
        if self.scope is not None and self.scope not in caller.scopes:
            raise ScopeRequired(f"This operation needs a key with the scope `{self.scope}`.")
        request.state.caller = caller


def _admit_operator(request: Request) -> None:
    expected: bytes | None = request.app.state.operator_key
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    given = key.strip().encode("utf-8", "surrogateescape")
    if expected is None or scheme.lower() != "bearer" or not hmac.compare_digest(given, expected):
        raise KeyRequired


AnyKey = Annotated[Caller, Depends(Permission(None))]
Reader = Annotated[Caller, Depends(Permission(Scope.READ))]
Writer = Annotated[Caller, Depends(Permission(Scope.WRITE))]
Sender = Annotated[Caller, Depends(Permission(Scope.SEND))]
PayingSender = Annotated[Caller, Depends(Permission(Scope.SEND, paid=True))]
Admin = Annotated[Caller, Depends(Permission(Scope.ADMIN))]
Operator = Annotated[None, Depends(Permission(None, operator=True))]


def permission_of(dependant: Dependant) -> Permission | None:
    """The permission that a route's signature names."""
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, Permission):
            return dependency.call
    return None


class StrictRequest(Request):
    """A request whose JSON is read narrowly: no duplicate names, NaN or bad UTF-8."""

    async def json(self) -> Any:  # noqa: ANN401 - JSON
        """The body as Python values; UnreadableBody when it is none."""
        try:
            return strict_json((await self.body()).decode())
        except (ValueError, RecursionError):
            raise UnreadableBody from None


class GuardedRoute(APIRoute):
    """A route that authenticates before it reads the body, and reads only JSON as JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler behind the guard."""
        handler = super().get_route_handler()
        permission = permission_of(self.dependant)
        takes_json = self.body_field is not None
        known = query_names(self.dependant)
        needs_key = any(
            field.alias == KEY_HEADER and field.field_info.is_required() for field in self.dependant.header_params
        )

        async def guarded(request: Request) -> Response:
            if permission is not None:
                await permission.admit(request)
            if needs_key and KEY_HEADER not in request.headers:
                raise IdempotencyKeyRequired
            if takes_json and not _is_plain_json(request):
                raise UnsupportedMediaType("Send the body as Content-Type: application/json, not encoded.")
            _refuse_unknown_or_repeated(request, known)
            return await handler(StrictRequest(request.scope, request.receive))

        return guarded


class DirectRoute(GuardedRoute):
    """A hot route: a query model, `request`, and dependencies that are coroutines of the request alone.

    FastAPI documents it like any other, but solving its dependencies would cost more than the endpoint.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint behind the guard."""
        permission = permission_of(self.dependant)
        known = query_names(self.dependant)
        parameter = self.dependant.query_params[0].name
        model: type[BaseModel] = self.dependant.query_params[0].field_info.annotation  # type: ignore[assignment]
        dependencies: dict[str, Callable[[Request], Awaitable[object]]] = {
            str(each.name): each.call for each in self.dependant.dependencies if each.call is not None
        }
        if permission is None:
            raise TypeError("a direct route names a permission")

        async def direct(request: Request) -> Response:
            await permission.admit(request)
            _refuse_unknown_or_repeated(request, known)
            try:
                query = model.model_validate(dict(request.query_params))
            except ValidationError as invalid:
                errors = invalid.errors(include_url=False)
                raise InvalidRequest(
                    errors=invalid_fields([{**error, "loc": ("query", *error["loc"])} for error in errors])
                ) from None
            given = {name: await call(request) for name, call in dependencies.items()}
            answer: Response = await self.endpoint(**{parameter: query}, request=request, **given)
            return answer

        return direct


def query_names(dependant: Dependant) -> frozenset[str]:
    """The query parameters that a route takes, those of a model among them."""
    elsewhere = {field.alias for field in (*dependant.path_params, *dependant.header_params)}
    return frozenset(field.alias for field in get_flat_params(dependant)) - elsewhere


def _refuse_unknown_or_repeated(request: Request, known: frozenset[str]) -> None:
    given = [name for name, _ in request.query_params.multi_items()]
    if len(given) == len(request.query_params) and known.issuperset(given):
        return
    errors = [
        *({"type": "extra_forbidden", "msg": "No such parameter", "loc": ("query", n)} for n in {*given} - known),
        *({"type": "repeated", "msg": "Given twice", "loc": ("query", n)} for n in known if given.count(n) > 1),
    ]
    if errors:
        raise InvalidRequest(errors=invalid_fields(errors))


def _is_plain_json(request: Request) -> bool:
    """Whether the headers announce JSON as it is, or no body at all."""
    headers = request.headers
    if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        return False
    if "content-type" in headers:
        return headers["content-type"].partition(";")[0].strip().lower() == "application/json"
    return "content-length" not in headers and "transfer-encoding" not in headers
