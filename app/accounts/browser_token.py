"""Browser token: what a web page may ask for, signed, so that the page needs no API key.

A backend gets one for its page with its own key. A token names the sources and the operations that it admits; what it
does not name is refused. It is sealed with the account's secret, so none is stored, and it dies with the key.
"""

import base64
import hmac
import json
import re
from dataclasses import asdict, dataclass, fields

from app.vocabulary import TokenOperation
from app.wire.seals import seal

TOKEN_PREFIX = "llt_"  # noqa: S105 - how tokens begin, not one of them
TOKEN_FORM = re.compile(
    r"(?P<signed>llt_(?P<account>[1-9][0-9]{0,17})_(?P<key>[1-9][0-9]{0,17})\.(?P<claims>[A-Za-z0-9_-]{1,4096}))"
    r"\.(?P<seal>[A-Za-z0-9_-]{43})",
    re.ASCII,
)
TOKEN_PURPOSE = "browser token"  # noqa: S105 - what the seal is for
SEAL_BYTES = 32


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a token admits, and until when; each claim must be there, and there is no other."""

    id: int
    expires_at: int
    sources: frozenset[int]
    operations: frozenset[TokenOperation]
    emails: bool
    requests_per_minute: int


@dataclass(frozen=True, slots=True)
class GivenToken:
    """A token as a client has sent it: anybody may have written it."""

    account_id: int
    key_id: int
    signed: str
    claims: str
    seal: str

    def claims_sealed_with(self, secret: bytes) -> TokenClaims | None:
        """What it admits, if it was sealed with this secret of the account; None for any other."""
        if not hmac.compare_digest(self.seal, _seal_of(self.signed, secret)):
            return None
        found = json.loads(_decoded(self.claims))
        if set(found) != {each.name for each in fields(TokenClaims)}:
            return None  # another version of this service may have added a claim that forbids something
        known = {*TokenOperation}
        operations = frozenset(TokenOperation(each) for each in found.pop("operations") if each in known)
        return TokenClaims(**found | {"sources": frozenset(found["sources"]), "operations": operations})


def signed_token(account_id: int, key_id: int, claims: TokenClaims, secret: bytes) -> str:
    """A token of the account that lives as long as this key."""
    content = asdict(claims) | {"sources": sorted(claims.sources), "operations": sorted(claims.operations)}
    signed = f"{TOKEN_PREFIX}{account_id}_{key_id}.{_encoded(json.dumps(content, separators=(',', ':')).encode())}"
    return f"{signed}.{_seal_of(signed, secret)}"


def given_token(text: str) -> GivenToken | None:
    """The token that a text may be; None for a text of another form."""
    form = TOKEN_FORM.fullmatch(text)
    if form is None:
        return None
    return GivenToken(int(form["account"]), int(form["key"]), form["signed"], form["claims"], form["seal"])


def _seal_of(signed: str, secret: bytes) -> str:
    """Covers the account and the key too, so that a token cannot be moved to another one."""
    return _encoded(seal(secret, TOKEN_PURPOSE, signed.encode(), size=SEAL_BYTES))


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
