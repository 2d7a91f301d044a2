"""Renewing encryption: what an older key has encrypted is encrypted with the first one, so that the older may go."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from sqlalchemy import TextClause

from app.database.pools import Database
from app.database.rows import all_rows, change_rows, first_row
from app.problems import log
from app.sources import connection_statements, inbox_statements
from app.sources.connection_statements import AgedSecrets, SecretsRow
from app.sources.inbox_statements import AgedWebhook
from app.sources.receive_webhook import about_delivery
from app.sources.secrets import about_secrets
from app.vault import CannotDecryptError, Vault

RENEWED_AT_ONCE = 200


class Renewed(NamedTuple):
    """How much was encrypted anew, and how much no key can read."""

    secrets: int
    webhooks: int
    unreadable: int


Aged = TypeVar("Aged", AgedSecrets, AgedWebhook)


async def renew_encryption(database: Database, vault: Vault) -> Renewed:
    """Encrypt everything with the first key; where there is no older one, nothing is looked for."""
    if not vault.has_older_keys:
        return Renewed(0, 0, 0)
    renewing = _Renewing(database, vault)
    async for each in renewing.aged(connection_statements.SELECT_AGED_SECRETS, AgedSecrets):
        await renewing.renew_secrets(each)
    async for webhook in renewing.aged(inbox_statements.SELECT_AGED_WEBHOOKS, AgedWebhook):
        await renewing.renew_webhook(webhook)
    done = Renewed(renewing.secrets, renewing.webhooks, renewing.unreadable)
    if any(done):
        log.info("encryption renewed", **done._asdict())
    return done


@dataclass(slots=True)
class _Renewing:
    database: Database
    vault: Vault
    secrets: int = 0
    webhooks: int = 0
    unreadable: int = 0

    async def aged(self, select: TextClause, shape: Callable[..., Aged]) -> AsyncIterator[Aged]:
        """What other keys have encrypted, page by page: what cannot be read must not come again and again."""
        page: dict[str, int] = {"after_account": 0, "after": 0, "limit": RENEWED_AT_ONCE}
        while True:
            async with self.database.write() as conn:  # a replica may still show what was renewed
                rows = await all_rows(conn, select, page | {"prefix": self.vault.prefix}, shape)
            for row in rows:
                yield row
            if len(rows) < RENEWED_AT_ONCE:
                return
            page |= {"after_account": rows[-1][0], "after": rows[-1][1]}

    async def renew_secrets(self, each: AgedSecrets) -> None:
        """The row is locked meanwhile: new secrets must not be replaced by older ones."""
        key, about = each._asdict(), about_secrets(*each)
        async with self.database.write() as conn:
            stored = await first_row(conn, connection_statements.SELECT_SECRETS, key, SecretsRow)
            renewed = self._renewed(stored.secrets, about) if stored else None
            if renewed is not None:
                await change_rows(conn, connection_statements.SET_SECRETS, key | {"secrets": renewed})
                self.secrets += 1

    async def renew_webhook(self, webhook: AgedWebhook) -> None:
        """Only its encryption changes, so another worker may do the same."""
        renewed = self._renewed(webhook.content, about_delivery(webhook.account_id, webhook.source_id))
        if renewed is not None:
            key = {"account_id": webhook.account_id, "id": webhook.id, "content": renewed}
            async with self.database.write() as conn:
                self.webhooks += (await conn.execute(inbox_statements.SET_CONTENT, key)).rowcount

    def _renewed(self, stored: bytes, about: str) -> bytes | None:
        try:
            return self.vault.encrypt(self.vault.decrypt(stored, about), about)
        except CannotDecryptError:
            self.unreadable += 1
            return None
