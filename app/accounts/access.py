"""Access: who calls, and what they may do; a permission is a type that a route's signature asks for."""

import hmac
import time
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.accounts.api_key import account_of, hash_of
from app.accounts.statements import SELECT_KEY_OWNER, KeyOwner
from app.database.pools import Database, current_account
from app.database.rows import first_row
from app.problems import Problem
from app.services import services_of
from app.vocabulary import Plan, Scope

KEY_REMEMBERED_SECONDS = 5.0
REMEMBERED_KEYS = 10_000


class KeyRequired(Problem):
    """Send a valid API key as `Authorization: Bearer llb_…`."""

    slug = "key-required"
    title = "A valid API key is needed"
    status = 401

    def __init__(self) -> None:
        """Add the `WWW-Authenticate` header that RFC 9110 requires."""
        super().__init__(headers={"WWW-Authenticate": 'Bearer realm="loyalty-leaderboard"'})


class ScopeRequired(Problem):
    """This key does not have the scope that the operation needs; use or create one that has it."""

    slug = "scope-required"
    title = "The key may not do this"
    status = 403


class PlanRequired(Problem):
    """Sending e-mail to customers needs the paid plan; this account is on the free plan."""

    slug = "plan-required"
    title = "This is part of the paid plan"
    status = 403


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request: an account, and the key that it used."""

    account_id: int
    key_id: int
    scopes: frozenset[str]
    plan: str
    cursor_secret: bytes


@dataclass(frozen=True, slots=True)
class OperatorKey:
    """The key that may open accounts and change plans."""

    key: bytes


class Callers:
    """The callers that were found in the last seconds, so that most requests need no look-up of their key."""

    def __init__(self) -> None:
        """Start without callers."""
        self._known: dict[bytes, tuple[float, Caller]] = {}
        self._seen: dict[bytes, int] = {}

    async def caller(self, request: Request) -> Caller:
        """The caller of this request; KeyRequired when the key is missing or unknown."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        account_id = account_of(key.strip()) if scheme.lower() == "bearer" else None
        if account_id is None:
            raise KeyRequired
        key_hash = hash_of(key.strip())
        known = self._known.get(key_hash)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        return await self._looked_up(request, account_id, key_hash)

    def seen_account(self, authorization: bytes) -> int | None:
        """The account of a header that was valid once; None for what may be anybody's invention."""
        return self._seen.get(authorization)

    async def _looked_up(self, request: Request, account_id: int, key_hash: bytes) -> Caller:
        async with services_of(request).get(Database).check() as conn:
            bound = {"account_id": account_id, "hash": key_hash}
            owner = await first_row(conn, SELECT_KEY_OWNER, bound, KeyOwner)
        if owner is None:
            self._known.pop(key_hash, None)
            raise KeyRequired
        caller = Caller(owner.account_id, owner.key_id, frozenset(owner.scopes), owner.plan, owner.cursor_secret)
        if len(self._known) >= REMEMBERED_KEYS:
            self._known.clear()
            self._seen.clear()
        self._seen[request.headers["authorization"].encode("latin-1")] = owner.account_id
        self._known[key_hash] = (time.monotonic() + KEY_REMEMBERED_SECONDS, caller)
        return caller


class Permission:
    """A dependency that returns the caller, whom `admit` has checked before the body was read."""

    def __init__(self, *scopes: Scope, operator: bool = False, paid: bool = False) -> None:
        """A key needs all of the scopes; without any, every valid key will do. `paid`: only of a paying account."""
        self.scopes = scopes
        self.operator = operator
        self.paid = paid

    async def __call__(self, request: Request) -> Caller | None:
        """The caller that `admit` has found."""
        caller: Caller | None = request.state.caller
        return caller

    async def admit(self, request: Request) -> None:
        """Store the caller in the request, or raise KeyRequired, PlanRequired or ScopeRequired, in this order."""
        request.state.caller = None
        if self.operator:
            _admit_operator(request)
            return
        caller = await services_of(request).get(Callers).caller(request)
        if self.paid and caller.plan != Plan.PAID:
            raise PlanRequired
        require_scopes(caller, *self.scopes)
        request.state.permission = self
        request.state.caller = caller
        current_account.set(caller.account_id)


def require_scopes(caller: Caller, *scopes: Scope) -> None:
    """Raise ScopeRequired unless the caller's key has all of these scopes."""
    for scope in scopes:
        if scope not in caller.scopes:
            raise ScopeRequired(f"This operation needs a key with the scope `{scope}`.")


async def admit_again(request: Request) -> None:
    """Check key, scopes and plan once more, during a long request; raises what `Permission.admit` raises."""
    permission: Permission = request.state.permission
    await permission.admit(request)


def _admit_operator(request: Request) -> None:
    operator = services_of(request).find(OperatorKey)
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    given = key.strip().encode("utf-8", "surrogateescape")
    if operator is None or scheme.lower() != "bearer" or not hmac.compare_digest(given, operator.key):
        raise KeyRequired


AnyKey = Annotated[Caller, Depends(Permission())]
Reader = Annotated[Caller, Depends(Permission(Scope.READ))]
Exporter = Annotated[Caller, Depends(Permission(Scope.READ, Scope.SEND))]
Writer = Annotated[Caller, Depends(Permission(Scope.WRITE))]
MessageSender = Annotated[Caller, Depends(Permission(Scope.SEND))]
PayingSender = Annotated[Caller, Depends(Permission(Scope.SEND, paid=True))]
Admin = Annotated[Caller, Depends(Permission(Scope.ADMIN))]
Operator = Annotated[None, Depends(Permission(operator=True))]
