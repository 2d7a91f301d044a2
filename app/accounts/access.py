"""Access: who calls, and what they may do; a permission is a type that a route's signature asks for."""

import asyncio
import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.accounts.api_key import account_of, hash_of
from app.accounts.browser_token import TOKEN_PREFIX, TokenClaims, given_token
from app.accounts.rate_limits import RateLimits, Requester
from app.accounts.statements import SELECT_KEY_OWNER, SELECT_TOKEN_OWNER, KeyOwner
from app.database.pools import Database, current_account
from app.database.rows import first_row
from app.problems import Problem, TooManyRequests
from app.services import services_of
from app.vocabulary import Limit, Plan, Scope, TokenOperation
from app.wire.ids import public_id
from app.wire.instants import ServiceClock
from app.words import Sentence

KEY_REMEMBERED_SECONDS = 5.0
WRONG_KEY_SECONDS = 1.0
MOST_WRONG_AT_ONCE = 16
REMEMBERED_KEYS = 10_000


class KeyRequired(Problem):
    """Send a valid API key as `Authorization: Bearer llb_…`."""

    slug = "key-required"
    title = "A valid API key is needed"
    status = 401

    def __init__(self) -> None:
        """Add the `WWW-Authenticate` header that RFC 9110 requires."""
        super().__init__(headers={"WWW-Authenticate": 'Bearer realm="loyalty-leaderboard"'})


class InvalidToken(Problem):
    """This browser token opens nothing: it was altered, or the key that it was made with was revoked."""

    slug = "invalid-token"
    title = "The browser token is not valid"
    status = 401

    def __init__(self) -> None:
        """Add the `WWW-Authenticate` header of RFC 6750."""
        challenge = 'Bearer realm="loyalty-leaderboard", error="invalid_token"'
        super().__init__(headers={"WWW-Authenticate": challenge})


class TokenExpired(InvalidToken):
    """This browser token has expired; let your backend make another one with POST /account/tokens."""

    slug = "token-expired"
    title = "The browser token has expired"


class TokenRefused(Problem):
    """A browser token may do only what it names; take an API key, or a token that names this."""

    slug = "token-refused"
    title = "The browser token may not do this"
    status = 403


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


class AccountClosed(Problem):
    """This account is closed; its operator can open it again."""

    slug = "account-closed"
    title = "The account is closed"
    status = 403


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request: an account and its key, which was used itself or has made the `token` that was used."""

    account_id: int
    key_id: int
    scopes: frozenset[str]
    plan: str
    cursor_secret: bytes
    is_closed: bool
    token: TokenClaims | None = None

    def sees(self, source_id: int) -> bool:
        """Whether the caller may know anything of this source of the account."""
        return self.token is None or source_id in self.token.sources

    @property
    def named_sources(self) -> list[int] | None:
        """The only sources that the caller may know of; None for a key, which may know all of the account's."""
        return None if self.token is None else sorted(self.token.sources)

    @property
    def masks_emails(self) -> bool:
        """Whether the caller may not be shown e-mail addresses, and may not find customers by them."""
        return self.token is not None and not self.token.emails

    @property
    def by(self) -> str:
        """What the history and the audit log call this caller."""
        return public_id("key", self.key_id)


class OperatorKey:
    """The key that opens accounts; guesses at it are answered slowly, and a few at a time."""

    def __init__(self, key: bytes) -> None:
        """Nobody has guessed yet."""
        self._key = key
        self._wrong_under_way = 0

    @property
    def cursor_secret(self) -> bytes:
        """What seals the operator's cursors."""
        return hashlib.sha256(b"cursors of the operator\0" + self._key).digest()

    async def admit(self, given: bytes) -> None:
        """KeyRequired, after a while, for any other key; TooManyRequests while many wrong ones wait."""
        if self._wrong_under_way >= MOST_WRONG_AT_ONCE:
            raise TooManyRequests(Sentence("Too many wrong keys were sent; wait a few seconds."))
        if hmac.compare_digest(given, self._key):
            return
        self._wrong_under_way += 1
        try:
            await asyncio.sleep(WRONG_KEY_SECONDS)
        finally:
            self._wrong_under_way -= 1
        raise KeyRequired


class Callers:
    """The callers that were found in the last seconds, so that most requests need no look-up of their key."""

    def __init__(self) -> None:
        """Start without callers."""
        self._known: dict[bytes, tuple[float, Caller]] = {}
        self._seen: dict[bytes, int] = {}

    async def caller(self, request: Request) -> Caller:
        """The caller of this request; KeyRequired when the key is missing or unknown, InvalidToken for a bad token."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise KeyRequired
        credential = given.strip()
        key_hash = hash_of(credential)
        known = self._known.get(key_hash)
        if known is not None and known[0] > time.monotonic():
            caller = known[1]
        elif credential.startswith(TOKEN_PREFIX):
            caller = self._remembered(request, key_hash, await self._holder_of(request, credential, key_hash))
        else:
            caller = self._remembered(request, key_hash, await self._owner_of(request, credential, key_hash))
        if caller.token is not None:
            now = services_of(request).get(ServiceClock).now()
            if now.timestamp() >= caller.token.expires_at:
                raise TokenExpired
        return caller

    def seen_account(self, authorization: bytes) -> int | None:
        """The account of a header that was valid once; None for what may be anybody's invention."""
        return self._seen.get(authorization)

    def forget(self, account_id: int) -> None:
        """Look up the keys of an account afresh next time."""
        self._known = {key: known for key, known in self._known.items() if known[1].account_id != account_id}

    async def _owner_of(self, request: Request, key: str, key_hash: bytes) -> Caller:
        account_id = account_of(key)
        if account_id is None:
            raise KeyRequired
        async with services_of(request).get(Database).check() as conn:
            bound = {"account_id": account_id, "hash": key_hash}
            owner = await first_row(conn, SELECT_KEY_OWNER, bound, KeyOwner)
        if owner is None:
            self._known.pop(key_hash, None)
            raise KeyRequired
        return _caller_of(owner)

    async def _holder_of(self, request: Request, text: str, key_hash: bytes) -> Caller:
        """The holder of a token, who is nobody once the key is gone that the token was made with."""
        given = given_token(text)
        if given is None:
            raise InvalidToken
        async with services_of(request).get(Database).check() as conn:
            bound = {"account_id": given.account_id, "key_id": given.key_id}
            owner = await first_row(conn, SELECT_TOKEN_OWNER, bound, KeyOwner)
        claims = None if owner is None else given.claims_sealed_with(owner.cursor_secret)
        if owner is None or claims is None:
            self._known.pop(key_hash, None)
            raise InvalidToken
        return _caller_of(owner, claims)

    def _remembered(self, request: Request, key_hash: bytes, caller: Caller) -> Caller:
        if len(self._known) >= REMEMBERED_KEYS:
            self._known.clear()
            self._seen.clear()
        self._seen[request.headers["authorization"].encode("latin-1")] = caller.account_id
        self._known[key_hash] = (time.monotonic() + KEY_REMEMBERED_SECONDS, caller)
        return caller


def _caller_of(owner: KeyOwner, token: TokenClaims | None = None) -> Caller:
    scopes = frozenset(owner.scopes)
    return Caller(owner.account_id, owner.key_id, scopes, owner.plan, owner.cursor_secret, owner.is_closed, token)


class Permission:
    """A dependency that returns the caller, whom `admit` has checked before the body was read."""

    def __init__(
        self,
        *scopes: Scope,
        operator: bool = False,
        paid: bool = False,
        limit: Limit = Limit.REQUESTS,
        token: TokenOperation | None = None,
    ) -> None:
        """A key needs all of the scopes; without any, every valid key will do. `paid`: only of a paying account.

        `limit` is what a request counts for. `token` is the operation that admits a browser token which names it;
        without it no token is admitted.
        """
        self.scopes = scopes
        self.operator = operator
        self.paid = paid
        self.limit = limit
        self.token = token

    async def __call__(self, request: Request) -> Caller | None:
        """The caller that `admit` has found."""
        caller: Caller | None = request.state.caller
        return caller

    async def admit(self, request: Request) -> None:
        """Store the caller in the request and count it for the caller's key.

        Raises KeyRequired, AccountClosed, TokenRefused, PlanRequired, ScopeRequired or TooManyRequests, in this order.
        """
        request.state.caller = None
        if self.operator:
            await _admit_operator(request)
            return
        await count_request(request, await self.check(request), self.limit)

    async def check(self, request: Request) -> Caller:
        """The caller, who may do this now."""
        caller = await services_of(request).get(Callers).caller(request)
        if caller.is_closed:
            raise AccountClosed
        if caller.token is not None and self.token not in caller.token.operations:
            raise TokenRefused
        if self.paid and caller.plan != Plan.PAID:
            raise PlanRequired
        require_scopes(caller, *self.scopes)
        request.state.permission = self
        request.state.caller = caller
        current_account.set(caller.account_id)
        return caller


async def count_request(request: Request, caller: Caller, limit: Limit) -> None:
    """Count the request for its key, for the headers of the answer too; TooManyRequests when it is one too many."""
    token = caller.token
    requester = Requester(caller.account_id, caller.key_id)
    if token is not None:
        requester = Requester(caller.account_id, caller.key_id, token.id, token.requests_per_minute)
    counted = await services_of(request).get(RateLimits).count(requester, limit)
    if counted is None:
        return
    request.state.rate_headers = counted.headers
    if counted.is_excess:
        raise TooManyRequests(
            Sentence(
                "This key or token has used up its {quota} requests of this minute (`{limit}`).",
                quota=counted.quota,
                limit=limit,
            ),
            retry_after_seconds=counted.seconds,
        )


async def count_expensive_read(request: Request) -> None:
    """Count the request for the limit of expensive reads too, because it reads a whole list or a store's orders."""
    await count_request(request, request.state.caller, Limit.EXPENSIVE_READS)


def require_scopes(caller: Caller, *scopes: Scope) -> None:
    """Raise ScopeRequired unless the caller's key has all of these scopes."""
    for scope in scopes:
        if scope not in caller.scopes:
            raise ScopeRequired(Sentence("This operation needs a key with the scope `{scope}`.", scope=scope))


async def admit_again(request: Request) -> None:
    """Check key, scopes and plan once more, during a long request; raises what `Permission.check` raises."""
    permission: Permission = request.state.permission
    await permission.check(request)


async def _admit_operator(request: Request) -> None:
    operator = services_of(request).find(OperatorKey)
    scheme, _, _ = request.headers.get("authorization", "").partition(" ")
    if operator is None or scheme.lower() != "bearer":
        raise KeyRequired
    await operator.admit(credential_of(request).encode("utf-8", "surrogateescape"))


def credential_of(request: Request) -> str:
    """The key that the request was sent with."""
    return request.headers.get("authorization", "").partition(" ")[2].strip()


AnyKey = Annotated[Caller, Depends(Permission())]
Reader = Annotated[Caller, Depends(Permission(Scope.READ))]
BoardReader = Annotated[Caller, Depends(Permission(Scope.READ, token=TokenOperation.BOARD))]
VipReader = Annotated[Caller, Depends(Permission(Scope.READ, token=TokenOperation.VIPS))]
ProfileReader = Annotated[Caller, Depends(Permission(Scope.READ, token=TokenOperation.PROFILE))]
Exporter = Annotated[Caller, Depends(Permission(Scope.READ, Scope.SEND, limit=Limit.EXPENSIVE_READS))]
Writer = Annotated[Caller, Depends(Permission(Scope.WRITE))]
MessageSender = Annotated[Caller, Depends(Permission(Scope.SEND))]
MessageWriter = Annotated[Caller, Depends(Permission(Scope.SEND, token=TokenOperation.MESSAGE))]
PayingSender = Annotated[Caller, Depends(Permission(Scope.SEND, paid=True, limit=Limit.SENDS))]
PayingWriter = Annotated[
    Caller, Depends(Permission(Scope.SEND, paid=True, limit=Limit.SENDS, token=TokenOperation.MESSAGE))
]
Admin = Annotated[Caller, Depends(Permission(Scope.ADMIN))]
Operator = Annotated[None, Depends(Permission(operator=True))]
