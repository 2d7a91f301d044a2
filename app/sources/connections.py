"""Connections: tying a source to its shop, and showing how that is going."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from app.boards.source import Source
from app.database.pools import Connection
from app.database.rows import first_row
from app.problems import InvalidRequest, Problem
from app.services import provided
from app.sources import connection_statements as statements
from app.sources.connection_schemas import Backfill, Setup, Sync, WaitingWebhooks
from app.sources.connection_statements import SecretsRow, SyncRow
from app.sources.connector import Connector, LoginRefusedError, ShopAccess, ShopFacts, TryLaterError
from app.sources.connectors import CONNECTORS, Connectors
from app.sources.schemas import NewSource, iana_zone, iso_currency, web_address
from app.sources.secrets import ConnectionSecrets, decrypted, encrypted
from app.vault import Vault
from app.vocabulary import Platform
from app.web.calls import CallFailedError, WebCalls
from app.web.guard import Guard
from app.wire.ids import public_id
from app.wire.instants import Clock, rfc3339
from app.wire.text import on_one_line
from app.words import Sentence

NOTHING_CAME_YET = "no_delivery_yet"
WITHHELD = "withheld"
SUPPORTED = timedelta(days=365)
OWN_SECRET_BYTES = 32
LONGEST_STORE_NAME = 200
ORDERS_PATH = "POST /sources/{id}/orders or /imports"


class StoreNotReached(Problem):
    """The store's API was asked and did not answer as expected; `reason` says how. Nothing was stored."""

    slug = "store-not-reached"
    title = "The store cannot be reached"
    status = 422


ANOTHER_SHOP = Sentence(
    "Connect another store as a source of its own; if this one has moved, give its new address as url too."
)


class StoreLoginRefused(Problem):
    """The store does not accept these credentials, or they may not read orders. Nothing was stored."""

    slug = "store-login-refused"
    title = "The store refuses the credentials"
    status = 422


def invalid_field(name: str, code: str, detail: Sentence) -> InvalidRequest:
    """The answer to a field of a body that does not fit the store."""
    return InvalidRequest(errors=[{"in": "body", "pointer": f"#/{name}", "code": code, "detail": detail}])


@dataclass(frozen=True, slots=True)
class Connections:
    """What connects sources to their shops."""

    vault: Vault
    connectors: Connectors
    web: WebCalls

    @classmethod
    def of_this_process(cls) -> "Connections":
        """For an application that keeps nothing and may call public hosts only."""
        return cls(Vault.of_this_process(), CONNECTORS, WebCalls(Guard()))

    async def aclose(self) -> None:
        """Give the connections to shops back."""
        await self.web.close()

    def connector(self, platform: str, field: str) -> Connector:
        """The connector of a platform; InvalidRequest about the field where its shops do not connect themselves."""
        found = self.connectors.find(platform)
        if found is None:
            raise invalid_field(
                field, "no_connector", Sentence("Leave this out: stores of this platform do not connect themselves.")
            )
        return found

    async def check(self, platform: str, credentials: Mapping[str, str], clock: Clock) -> ShopFacts:
        """Ask the shop who it is, with the credentials that somebody has given."""
        connector = self.connector(platform, "credentials")
        if not any({*form} == {*credentials} for form in connector.credential_forms):
            forms = " or ".join(", ".join(form) for form in connector.credential_forms)
            raise invalid_field("credentials", "wrong_credentials", Sentence("Give {forms}.", forms=forms))
        try:
            facts = await connector.check(ShopAccess(self.web, credentials, clock))
            iso_currency(facts.currency)
            iana_zone(facts.time_zone)
        except LoginRefusedError:
            raise StoreLoginRefused from None
        except TryLaterError:
            raise StoreNotReached(members={"reason": "busy"}) from None
        except CallFailedError as failed:
            raise StoreNotReached(members={"reason": failed.code}) from None
        except ValueError:
            raise StoreNotReached(members={"reason": "unexpected_answer"}) from None
        return facts

    async def set_credentials(
        self,
        conn: Connection,
        source: Source,
        platform: str,
        credentials: Mapping[str, str],
        facts: ShopFacts,
        now: datetime,
        moved_to: str | None = None,
    ) -> None:
        """Connect a source, or connect it again; the worker does the rest.

        InvalidRequest where the credentials are of another shop, whose orders would replace those of this one.
        """
        known = await self._secrets(conn, source)
        same_shop = {shop_address(known.credentials), shop_address({"url": moved_to or ""})}
        if known.credentials and shop_address(credentials) not in same_shop:
            raise invalid_field("credentials", "another_shop", ANOTHER_SHOP)
        own = self.connector(platform, "credentials").signing_secret(credentials)
        signing = (own,) if own else known.webhook_secrets or (secrets.token_urlsafe(OWN_SECRET_BYTES),)
        history_from = now - timedelta(days=facts.history_days) if facts.history_days else None
        new = {
            "secrets": self._encrypted(source, ConnectionSecrets(signing, credentials)),
            "api_version": facts.api_version,
            "customer_data": WITHHELD if facts.is_customer_data_withheld else None,
            "history_from": history_from,
            "now": now,
        }
        await conn.execute(statements.UPSERT_CREDENTIALS, source.key | new)

    async def set_webhook_secrets(
        self, conn: Connection, source: Source, webhook_secrets: Sequence[str], now: datetime
    ) -> None:
        """Store the secrets that the shop signs with: one or, during a rotation, two."""
        known = await self._secrets(conn, source)
        changed = ConnectionSecrets(tuple(webhook_secrets), known.credentials)
        new = {"secrets": self._encrypted(source, changed), "reason": NOTHING_CAME_YET, "now": now}
        await conn.execute(statements.UPSERT_CONNECTION, source.key | new)

    async def _secrets(self, conn: Connection, source: Source) -> ConnectionSecrets:
        row = await first_row(conn, statements.SELECT_SECRETS, source.key, SecretsRow)
        return decrypted(self.vault, source.account_id, source.id, row.secrets) if row else ConnectionSecrets()

    def _encrypted(self, source: Source, kept: ConnectionSecrets) -> bytes:
        return encrypted(self.vault, source.account_id, source.id, kept)


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """Where stores reach this service; None where nobody has said."""

    url: str | None


def shop_address(credentials: Mapping[str, str]) -> str:
    """The host of the shop that the credentials name, with its port if it has one."""
    named = credentials.get("shop") or credentials.get("url", "")
    return urlsplit(named if "//" in named else f"//{named}").netloc.lower()


def require_currency(currency: str, facts: ShopFacts) -> None:
    """InvalidRequest unless it is the currency of the shop."""
    if currency != facts.currency:
        reason = Sentence("Give {currency}: it is the currency of the store.", currency=facts.currency)
        raise invalid_field("currency", "another_currency", reason)


def settings_with(new: NewSource, facts: ShopFacts | None) -> dict[str, Any]:
    """The settings of a new source; what is not given comes from the shop."""
    settings = new.settings()
    if facts is None:
        return settings
    require_currency(new.currency or facts.currency, facts)
    try:
        url = web_address(facts.url) if facts.url else None
    except ValueError:
        url = None
    name = on_one_line(facts.name).strip()[:LONGEST_STORE_NAME] or "Store"
    own = {"name": name, "time_zone": facts.time_zone, "currency": facts.currency, "url": url}
    return settings | {each: settings[each] or own[each] for each in own}


def hook_address(site_url: str, source_id: int, platform: str) -> str:
    """Where a shop sends the webhooks of a source."""
    return f"{site_url}/webhooks/{public_id('src', source_id)}/{platform}"


SETUP_STEPS = {
    Platform.SHOPIFY: (
        "In the Shopify admin open Settings, Notifications, Webhooks.",
        "Create a webhook for each topic, with the address and the format given here.",
        "Copy the secret that is shown below the list of webhooks into webhook_secrets of this source.",
    ),
    Platform.WOOCOMMERCE: (
        "In WordPress open WooCommerce, Settings, Advanced, Webhooks.",
        "Add a webhook for each topic, active, with the address given here, and with the same secret each time.",
        "Enter that secret in webhook_secrets of this source.",
    ),
}


def setup_of(source_id: int, platform: str, connections: "Connections", public: PublicUrl) -> Setup:
    """What to enter in a shop by hand."""
    connector = connections.connectors.find(platform)
    if connector is None:
        return Setup(
            webhook_address=None, topics=[], format=None, credentials=[], steps=[f"Send orders to {ORDERS_PATH}."]
        )
    return Setup(
        webhook_address=hook_address(public.url or "", source_id, platform),
        topics=list(connector.hook_topics),
        format="json",
        credentials=[list(form) for form in connector.credential_forms],
        steps=list(SETUP_STEPS.get(Platform(platform), ())),
    )


ConnectionsOfService = Annotated[Connections, provided(Connections)]


def sync_fields(row: SyncRow) -> Sync:
    """A connection as it is shown."""
    return Sync(
        state=row.state,
        reason=row.reason,
        since=rfc3339(row.since),
        inbox=WaitingWebhooks(waiting=row.waiting, oldest_at=_shown_moment(row.oldest_waiting_at)),
        last_delivery_at=_shown_moment(row.last_delivery_at),
        backfill=None
        if row.pull_due_at is None and row.pulled_until is None
        else Backfill(orders=row.pulled_orders, expected=row.expected_orders, is_complete=row.pulled_until is not None),
        history_from=_shown_moment(row.history_from),
        reconciled_at=_shown_moment(row.reconciled_at),
        api_version=row.api_version,
        api_version_ends=end_of_support(row.api_version),
        customer_data=row.customer_data,
    )


def _shown_moment(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None


def end_of_support(api_version: str | None) -> str | None:
    """When a version that is named after its month is a year old; None for other versions."""
    try:
        begins = datetime.strptime(f"{api_version}-01+0000", "%Y-%m-%d%z")
    except ValueError:
        return None
    return begins.replace(year=begins.year + 1).date().isoformat()
