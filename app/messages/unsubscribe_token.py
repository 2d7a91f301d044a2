"""Unsubscribe token: the part of a link that says who wants no more offers, and that we wrote it.

It never expires: whoever finds an old message may still leave. It tells the message too, so
that the history of consent can say which one somebody left over. A token has one spelling:
39 bytes are 52 characters of base64 with no bit to spare.
"""

import base64
import hashlib
import hmac
import re
import struct
from dataclasses import dataclass

from app.wire import LARGEST_ID

TOKEN = re.compile(r"[A-Za-z0-9_-]{52}", re.ASCII)
IDS = struct.Struct(">QQQ")
SEAL_BYTES = 15
PURPOSE = b"unsubscribe"
"""Keeps these seals apart from those of cursors, which the same secret signs."""


@dataclass(frozen=True, slots=True)
class Leaver:
    """A customer of an account, and the message whose link was followed."""

    account_id: int
    customer_id: int
    message_id: int


def token(secret: bytes, leaver: Leaver) -> str:
    """The token for a link in this message; `secret` is the account's."""
    content = IDS.pack(leaver.account_id, leaver.customer_id, leaver.message_id)
    return base64.urlsafe_b64encode(content + _seal_of(secret, content)).decode()


def account_in(text: str) -> int | None:
    """The account that a token claims to be of, to find its secret; nothing when it is no token."""
    leaver = _leaver_in(text)
    return leaver.account_id if leaver else None


def leaver_in(secret: bytes, text: str) -> Leaver | None:
    """Who leaves, when the token was made with this secret; never raises, whatever the text is."""
    leaver = _leaver_in(text)
    genuine = leaver is not None and hmac.compare_digest(token(secret, leaver).encode(), text.encode())
    return leaver if genuine else None


def _leaver_in(text: str) -> Leaver | None:
    if not TOKEN.fullmatch(text):
        return None
    ids = IDS.unpack_from(base64.urlsafe_b64decode(text))
    return Leaver(*ids) if all(0 < each <= LARGEST_ID for each in ids) else None


def _seal_of(secret: bytes, content: bytes) -> bytes:
    key = hmac.digest(secret, PURPOSE, hashlib.sha256)
    return hmac.digest(key, content, hashlib.sha256)[:SEAL_BYTES]
