"""Unsubscribe token: the part of a link that says who wants no more offers, and that we wrote it.

It never expires: whoever finds an old message may still leave. It tells the message too, so
that the history of consent can say which one somebody left over. A token has one spelling:
39 bytes are 52 characters of base64 with no bit to spare.
"""

import base64
import hmac
import re
import struct
from dataclasses import dataclass

from app.wire.ids import LARGEST_ID
from app.wire.seals import seal

TOKEN = re.compile(r"[A-Za-z0-9_-]{52}", re.ASCII)
IDS = struct.Struct(">QQQ")
TOKEN_SEAL_BYTES = 15
PURPOSE = "unsubscribe"
"""Keeps these seals apart from those of cursors, which the same secret signs."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """A customer of an account, and the message that went to them."""

    account_id: int
    customer_id: int
    message_id: int


def token(secret: bytes, recipient: Recipient) -> str:
    """The token for a link in this message; `secret` is the account's."""
    content = IDS.pack(recipient.account_id, recipient.customer_id, recipient.message_id)
    return base64.urlsafe_b64encode(content + seal(secret, PURPOSE, content, size=TOKEN_SEAL_BYTES)).decode()


def account_in(text: str) -> int | None:
    """The account that a token claims to be of, to find its secret; nothing when it is no token."""
    recipient = _recipient_in(text)
    return recipient.account_id if recipient else None


def recipient_in(secret: bytes, text: str) -> Recipient | None:
    """Who leaves, when the token was made with this secret; never raises, whatever the text is."""
    recipient = _recipient_in(text)
    genuine = recipient is not None and hmac.compare_digest(token(secret, recipient).encode(), text.encode())
    return recipient if genuine else None


def _recipient_in(text: str) -> Recipient | None:
    if not TOKEN.fullmatch(text):
        return None
    ids = IDS.unpack_from(base64.urlsafe_b64decode(text))
    return Recipient(*ids) if all(0 < each <= LARGEST_ID for each in ids) else None
