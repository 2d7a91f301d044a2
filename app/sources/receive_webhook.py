"""Receiving webhooks: a shop's request is checked and committed to the inbox, and only then answered.

What it says is read later by the worker, so the answer waits for no board. The secrets of a source are remembered
for some seconds, so that webhooks which arrive together cost one statement.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from app.boards.source import UnknownSource
from app.database.pools import Database, current_account
from app.database.rows import first_row
from app.problems import Problem, ServiceUnavailable, log
from app.services import provided
from app.sources.commit_webhooks import NewDelivery, WebhookCommits
from app.sources.connections import Connections
from app.sources.connector import Connector, StoreWebhook, Verdict
from app.sources.inbox_statements import SELECT_RECEIVER, ReceiverRow
from app.sources.secrets import ConnectionSecrets, decrypted
from app.vault import CannotDecryptError

RECEIVER_REMEMBERED_SECONDS = 5.0
REMEMBERED_RECEIVERS = 10_000
KEPT_HEADERS = ("x-shopify-", "x-wc-")
SIGNATURES = frozenset({"x-shopify-hmac-sha256", "x-wc-webhook-signature"})
LONGEST_TOPIC = 100


class ForgedWebhook(Problem):
    """The webhook is not signed with a secret of this source; nothing was stored."""

    slug = "forged-webhook"
    title = "The webhook is not signed by the store"
    status = 401


@dataclass(frozen=True, slots=True)
class Receiver:
    """Whose webhooks arrive at an address, and what they are signed with."""

    account_id: int
    source_id: int
    connector: Connector
    secrets: ConnectionSecrets


class Receivers:
    """The receivers that were looked up in the last seconds."""

    def __init__(self, connections: Connections) -> None:
        """Nothing is remembered yet."""
        self._vault, self._connectors = connections.vault, connections.connectors
        self._known: dict[tuple[int, str], tuple[float, Receiver]] = {}
        self._commits = WebhookCommits()

    async def find(self, database: Database, source_id: int, platform: str) -> Receiver:
        """The receiver of this address; UnknownSource where no such shop is connected."""
        known = self._known.get((source_id, platform))
        if known is not None and known[0] > time.monotonic():
            return known[1]
        async with database.check() as conn:
            row = await first_row(conn, SELECT_RECEIVER, {"source_id": source_id}, ReceiverRow)
        connector = self._connectors.find(platform)
        if row is None or row.platform != platform or connector is None:
            raise UnknownSource
        try:
            secrets = decrypted(self._vault, row.account_id, source_id, row.secrets)
        except CannotDecryptError:
            log.error("no key decrypts the secrets of a source", source_id=source_id)
            raise ServiceUnavailable from None
        receiver = Receiver(row.account_id, source_id, connector, secrets)
        if len(self._known) >= REMEMBERED_RECEIVERS:
            self._known.clear()
        self._known[source_id, platform] = (time.monotonic() + RECEIVER_REMEMBERED_SECONDS, receiver)
        return receiver

    def forget(self, source_id: int) -> None:
        """Look the source up afresh next time."""
        for key in [key for key in self._known if key[0] == source_id]:
            del self._known[key]

    async def receive(self, database: Database, receiver: Receiver, webhook: StoreWebhook, now: datetime) -> None:
        """Commit a webhook to the inbox; ForgedWebhook, and nothing is stored, where its signature is wrong."""
        verdict = receiver.connector.verify(webhook, receiver.secrets.webhook_secrets)
        if verdict is Verdict.PING:
            return
        if verdict is not Verdict.SIGNED:
            raise ForgedWebhook
        topic = receiver.connector.topic(webhook)[:LONGEST_TOPIC]
        content = self._vault.encrypt(packed(webhook), about_delivery(receiver.account_id, receiver.source_id))
        delivery = NewDelivery(
            identity(receiver.connector, webhook),
            receiver.source_id,
            topic.encode("ascii", "replace").decode().replace("\0", "?"),
            content,
            now,
        )
        current_account.set(receiver.account_id)
        await self._commits.commit(database, receiver.account_id, delivery)


ReceiversOfService = Annotated[Receivers, provided(Receivers)]


def identity(connector: Connector, webhook: StoreWebhook) -> bytes:
    """What tells a repetition: the delivery's id *and* what it says. Neither is enough alone.

    WooCommerce gives one id to all deliveries of a second, and says the same each time that an order is deleted.
    """
    delivery = connector.delivery_id(webhook).encode("utf-8", "surrogatepass")
    topic = connector.topic(webhook).encode("utf-8", "surrogatepass")
    digest = hashlib.sha256()
    for part in (delivery, topic, webhook.body):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


def about_delivery(account_id: int, source_id: int) -> str:
    """What an encrypted webhook belongs to."""
    return f"webhook of {account_id}/{source_id}"


def packed(webhook: StoreWebhook) -> bytes:
    """The raw request as it is kept: the shop's own headers but for the signature, and the body."""
    headers = {
        name: value
        for name, value in webhook.headers.items()
        if name.startswith(KEPT_HEADERS) and name not in SIGNATURES
    }
    return json.dumps(headers).encode() + b"\n" + webhook.body


def unpacked(content: bytes) -> StoreWebhook:
    """The request that was packed."""
    headers, _, body = content.partition(b"\n")
    read: Mapping[str, str] = json.loads(headers)
    return StoreWebhook(read, body)
