"""Unsubscribe token: the signed part of an unsubscribe link, which names the customer and the message.

It never expires: the link of an old message must still work. It names the message so that the history of consent can
show which one made somebody unsubscribe. A token has one spelling: 39 bytes are 52 characters of base64 with no bit
to spare.
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
"""The purpose of these seals: the same secret also signs cursors."""


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


def named_in(text: str) -> Recipient | None:
    """The recipient that a token names, to find the secret of the account; None when the text is not a token.

    Only `recipient_in` tells whether the token is genuine.
    """
    if not TOKEN.fullmatch(text):
        return None
    ids = IDS.unpack_from(base64.urlsafe_b64decode(text))
    return Recipient(*ids) if all(0 < each <= LARGEST_ID for each in ids) else None


def recipient_in(secret: bytes, text: str) -> Recipient | None:
    """The recipient in a token that was made with this secret; None for any other text."""
    recipient = named_in(text)
    genuine = recipient is not None and hmac.compare_digest(token(secret, recipient).encode(), text.encode())
    return recipient if genuine else None
