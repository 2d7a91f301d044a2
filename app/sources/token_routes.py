"""Token routes: a backend makes a browser token for its web page."""

import secrets
from datetime import datetime, timedelta

from fastapi import APIRouter, Request

from app.accounts.access import AnyKey, ScopeRequired, require_scopes
from app.accounts.browser_token import TokenClaims, signed_token
from app.accounts.guarded_route import GuardedRoute
from app.accounts.rate_limits import RateLimits
from app.accounts.schemas import NewToken, OpenedToken
from app.boards.source import UnknownSource
from app.database.pools import Connection, ReadConn
from app.problems import documented
from app.services import services_of
from app.sources.statements import SELECT_KNOWN_SOURCES
from app.vocabulary import Scope, TokenOperation
from app.wire.ids import public_id, row_id
from app.wire.instants import Now, rfc3339

router = APIRouter(route_class=GuardedRoute, tags=["accounts"])

SCOPE_OF_OPERATION = dict.fromkeys(TokenOperation, Scope.READ) | {TokenOperation.MESSAGE: Scope.SEND}
LARGEST_TOKEN_ID = 2**62


@router.post(
    "/account/tokens",
    status_code=201,
    operation_id="createToken",
    responses=documented(UnknownSource, ScopeRequired),
)
async def create_token(new: NewToken, caller: AnyKey, conn: ReadConn, request: Request, now: Now) -> OpenedToken:
    """Make a token for a web page, which may then call the service without your API key.

    It admits what it names and nothing else, for as long as it says. It stops working within 5 seconds when the key
    of this call is revoked. It needs a key that may do itself what the token names. Nothing is stored, so a repeat
    makes another token.
    """
    require_scopes(caller, *(SCOPE_OF_OPERATION[each] for each in new.operations))
    sources = await _known_sources(conn, caller.account_id, new.sources)
    expires_at = _whole_seconds(now + timedelta(seconds=new.lifetime_seconds))
    claims = TokenClaims(
        id=secrets.randbelow(LARGEST_TOKEN_ID) + 1,
        expires_at=int(expires_at.timestamp()),
        sources=frozenset(sources),
        operations=frozenset(new.operations),
        emails=new.emails,
        requests_per_minute=_quota(new.requests_per_minute, services_of(request).get(RateLimits).quotas.tokens),
    )
    return OpenedToken(
        token=signed_token(caller.account_id, caller.key_id, claims, caller.cursor_secret),
        expires_at=rfc3339(expires_at),
        sources=[public_id("src", each) for each in sorted(claims.sources)],
        operations=sorted(claims.operations),
        emails=claims.emails,
        requests_per_minute=claims.requests_per_minute or None,
    )


async def _known_sources(conn: Connection, account_id: int, named: list[str]) -> set[int]:
    """The sources, all of which must be the account's."""
    wanted = {row_id("src", each) or 0 for each in named}
    bound = {"account_id": account_id, "sources": sorted(wanted)}
    known = set((await conn.execute(SELECT_KNOWN_SOURCES, bound)).scalars())
    if wanted - known:
        raise UnknownSource
    return wanted


def _whole_seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _quota(wanted: int | None, most: int) -> int:
    """The requests in a minute: what was asked for, but no more than the operator grants; 0 is no limit."""
    return min(filter(None, (wanted, most)), default=0)
