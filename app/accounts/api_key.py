"""API key: a secret that opens an account; its checksum finds typing errors without asking the database."""

import hashlib
import hmac
import secrets
import string
import zlib

MOST_ID_DIGITS = 18
ALPHABET = string.digits + string.ascii_letters
KEY_PREFIX = "llb"
RANDOM_DIGITS = 43
"""256 random bits in base 62."""
CHECK_DIGITS = 6


def _base62(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, 62)
        text = ALPHABET[digit] + text
    return text


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), CHECK_DIGITS)


def fresh_key(account_id: int) -> str:
    """A new key: fixed prefix, the account, 256 random bits, a checksum.

    The key names its account, so that it is looked up on the machine that holds the account.
    """
    return _key_of(account_id, secrets.randbits(256))


def derived_key(account_id: int, credential: str, request: str) -> str:
    """The key that a request makes which may be repeated: the same each time, and known to none but its sender.

    It follows from the `credential` that the sender has and from what names the `request`; so it need not be stored.
    """
    digest = hmac.new(credential.encode("utf-8", "surrogateescape"), request.encode(), hashlib.sha256).digest()
    return _key_of(account_id, int.from_bytes(digest, "big"))


def _key_of(account_id: int, bits: int) -> str:
    text = f"{KEY_PREFIX}_{account_id}_{_base62(bits, RANDOM_DIGITS)}"
    return text + _checksum(text)


def hash_of(key: str) -> bytes:
    """The hash that is stored in place of a key; 256 random bits need no slow hash."""
    return hashlib.sha256(key.encode()).digest()


def account_of(key: str) -> int | None:
    """The account that a key names, read from its text; None when its form or checksum is wrong."""
    prefix, _, rest = key.partition("_")
    account, _, tail = rest.partition("_")
    if prefix != KEY_PREFIX or len(tail) != RANDOM_DIGITS + CHECK_DIGITS or not key.isascii():
        return None
    if not account.isdigit() or len(account) > MOST_ID_DIGITS or key[-CHECK_DIGITS:] != _checksum(key[:-CHECK_DIGITS]):
        return None
    return int(account)
