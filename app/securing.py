"""Securing: the vault, and the way to stores, that the settings describe."""

import os
from contextlib import suppress
from pathlib import Path

from app.settings import Settings, SettingsError
from app.sources.connections import Connections
from app.sources.connectors import CONNECTORS
from app.vault import BadVaultKeysError, Vault, fresh_vault_key, vault_keys
from app.web.calls import WebCalls
from app.web.guard import Guard

KEY_FILE = "encryption.key"


def vault(settings: Settings) -> Vault:
    """The vault with the keys of ENCRYPTION_KEYS, else with the key that is kept in DATA_DIR."""
    if settings.encryption_keys is not None:
        return Vault(vault_keys(settings.encryption_keys.get_secret_value()))
    file = settings.data_dir / KEY_FILE
    try:
        if not file.exists():
            _make_key(file)
        return Vault(vault_keys(file.read_text().strip()))
    except (OSError, UnicodeDecodeError, BadVaultKeysError):
        raise SettingsError(f"ENCRYPTION_KEYS: is not set, and {file} cannot be read or made") from None


def connections(settings: Settings) -> Connections:
    """What connects stores in this process."""
    return Connections(vault(settings), CONNECTORS, WebCalls(Guard(settings.allow_private_hosts)))


def _make_key(file: Path) -> None:
    """Write a new key; of processes that start together, one writes it and all read the same."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as written:  # noqa: PTH123 - with its mode
        written.write(fresh_vault_key() + "\n")
    with suppress(FileExistsError):
        os.link(draft, file)
    draft.unlink()
