"""Vault: secrets and raw webhooks at rest, encrypted with the first of a list of keys and readable with any of them.

What is stored begins with a version and the id of its key, so that keys can be changed one after the other. The
`about` of a content (such as its account and source) is not stored and must be the same when it is read: a row that
was copied to another place cannot be decrypted there.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VAULT_KEY_BYTES = 32
NONCE_BYTES = 12
KEY_ID_BYTES = 4
VERSION_BYTE = b"\x01"
PREFIX_BYTES = len(VERSION_BYTE) + KEY_ID_BYTES


class CannotDecryptError(Exception):
    """None of the keys fits, or the content is not what was stored."""


class BadVaultKeysError(Exception):
    """There is no key, or one does not have 32 bytes."""


class Vault:
    """The keys of a process."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """The first key encrypts; BadVaultKeysError unless there is one and each has 32 bytes."""
        if not keys or any(len(key) != VAULT_KEY_BYTES for key in keys):
            raise BadVaultKeysError
        self._keys = {_key_id(key): AESGCM(key) for key in keys}
        self._first = _key_id(keys[0])

    @classmethod
    def of_this_process(cls) -> "Vault":
        """A vault that nothing else can read, for an application that stores nothing."""
        return cls([secrets.token_bytes(VAULT_KEY_BYTES)])

    @property
    def prefix(self) -> bytes:
        """How everything begins that was encrypted with the first key."""
        return VERSION_BYTE + self._first

    @property
    def has_older_keys(self) -> bool:
        """Whether something may be encrypted with another key than the first."""
        return len(self._keys) > 1

    def encrypt(self, content: bytes, about: str) -> bytes:
        """The content, readable only with the key and the same `about`."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return self.prefix + nonce + self._keys[self._first].encrypt(nonce, content, about.encode())

    def decrypt(self, stored: bytes, about: str) -> bytes:
        """What was encrypted; CannotDecryptError where no key fits."""
        key = self._keys.get(stored[len(VERSION_BYTE) : PREFIX_BYTES])
        if key is None or not stored.startswith(VERSION_BYTE):
            raise CannotDecryptError
        begin = PREFIX_BYTES + NONCE_BYTES
        try:
            return key.decrypt(stored[PREFIX_BYTES:begin], stored[begin:], about.encode())
        except InvalidTag:
            raise CannotDecryptError from None


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"id of a key" + key).digest()[:KEY_ID_BYTES]


def fresh_vault_key() -> str:
    """A new key, as settings and files write it."""
    return base64.b64encode(secrets.token_bytes(VAULT_KEY_BYTES)).decode()


def vault_keys(text: str) -> list[bytes]:
    """Keys separated by commas, each the base64 of 32 bytes; BadVaultKeysError for anything else."""
    try:
        keys = [base64.b64decode(each.strip(), altchars=b"-_" if {*"-_"} & {*each} else None, validate=True)
                for each in text.split(",")]  # fmt: skip
    except binascii.Error:
        keys = []
    if not keys or any(len(key) != VAULT_KEY_BYTES for key in keys):
        raise BadVaultKeysError
    return keys
