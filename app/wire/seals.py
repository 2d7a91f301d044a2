"""Seals: a few bytes that only the holder of a secret can make, for one purpose."""

import hashlib
import hmac


def seal(secret: bytes, purpose: str, content: bytes, *, size: int) -> bytes:
    """The seal of this content for this purpose: the key is derived from both, so no purpose's seal fits another."""
    key = hmac.digest(secret, purpose.encode(), hashlib.sha256)
    return hmac.digest(key, content, hashlib.sha256)[:size]
