"""Seals: a few bytes that only the holder of a secret can make, for one purpose."""

import hashlib
import hmac


def seal(secret: bytes, purpose: str, content: bytes, *, size: int) -> bytes:
    """The seal of this content for this purpose: the key is derived from both, so no purpose's seal fits another."""
    key = hmac.digest(secret, purpose.encode(), hashlib.sha256)
    return hmac.digest(key, content, hashlib.sha256)[:size]


def mention(secret: bytes, text: str) -> int:
    """64 bits by which an encrypted document that names an id or an address is found again."""
    return int.from_bytes(seal(secret, "mention", text.encode("utf-8", "surrogatepass"), size=8), "big", signed=True)
