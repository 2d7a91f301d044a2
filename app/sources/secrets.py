"""Connection secrets: what a shop signs with and what opens its API, encrypted in one piece."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.vault import Vault


@dataclass(frozen=True, slots=True)
class ConnectionSecrets:
    """The secrets of one connection."""

    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)


def about_secrets(account_id: int, source_id: int) -> str:
    """What the encrypted secrets belong to."""
    return f"secrets of {account_id}/{source_id}"


def encrypted(vault: Vault, account_id: int, source_id: int, secrets: ConnectionSecrets) -> bytes:
    """The secrets as they are stored."""
    written = json.dumps({"webhook_secrets": secrets.webhook_secrets, "credentials": dict(secrets.credentials)})
    return vault.encrypt(written.encode(), about_secrets(account_id, source_id))


def decrypted(vault: Vault, account_id: int, source_id: int, stored: bytes) -> ConnectionSecrets:
    """The secrets that are stored; CannotDecryptError where no key fits."""
    read = json.loads(vault.decrypt(stored, about_secrets(account_id, source_id)))
    return ConnectionSecrets(tuple(read["webhook_secrets"]), read["credentials"])
