"""Store commands: connecting a store by its credentials, and reading it at once."""

import sys
from collections.abc import Sequence
from contextlib import aclosing
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app import securing
from app.commands.running import CommandError, chosen_source, command_now, console, with_database
from app.database.pools import Database
from app.database.rows import first_row
from app.settings import read_settings
from app.sources.connect_source import connect_source
from app.sources.connection_statements import SELECT_SYNC, SyncRow
from app.sources.connections import settings_with
from app.sources.connector import Connector
from app.sources.pull_statements import SET_PULL_DUE_AT, DuePull
from app.sources.renew_encryption import renew_encryption
from app.sources.schemas import NewSource
from app.sources.statements import SELECT_ACCOUNT_OF_AUDIENCE
from app.sources.store_work import StoreWork
from app.vocabulary import ConnectionState, Platform
from app.wire.ids import public_id, row_id


def connect_store(
    audience: Annotated[str, typer.Argument(help="the audience's id, aud_…")],
    platform: Annotated[Platform, typer.Argument(help="the platform of the store")],
) -> None:
    """Connect a store; its credentials are asked for, or read from standard input as lines of `name=value`."""
    settings = read_settings()
    connections = securing.connections(settings)

    async def connect(database: Database) -> None:
        async with aclosing(connections):
            audience_id = row_id("aud", audience) or 0
            async with database.read() as conn:
                account = await conn.execute(SELECT_ACCOUNT_OF_AUDIENCE, {"audience_id": audience_id})
                account_id = account.scalar_one_or_none()
            if account_id is None:
                raise CommandError(f"there is no audience {audience}")
            credentials = _asked_credentials(connections.connector(platform, "credentials"))
            facts = await connections.check(platform, credentials, command_now)
            new = NewSource(audience=audience, platform=platform, credentials=credentials)
            now = command_now()
            async with database.write() as conn:
                source = await connect_source(conn, account_id, audience_id, settings_with(new, facts), now)
                await connections.set_credentials(conn, source, platform, credentials, facts, now)
        print(f"{public_id('src', source.id)}: {facts.name}, {facts.currency}, {facts.time_zone}")

    with_database(settings, connect)


def _asked_credentials(connector: Connector) -> dict[str, str]:
    """The credentials, which are never arguments: those are seen by everybody on the machine."""
    if sys.stdin.isatty():
        names: Sequence[str] = connector.credential_forms[0]
        return {name: typer.prompt(name, hide_input="secret" in name or "token" in name, err=True) for name in names}
    pairs = [line.strip().partition("=") for line in sys.stdin if line.strip()]
    return {name.strip(): value.strip() for name, _, value in pairs}


def sync_store(source: Annotated[str, typer.Argument(help="the source's id, src_…")]) -> None:
    """Read from a store what has changed, or everything if that was never done, and turn its webhooks into orders."""
    settings = read_settings()
    connections = securing.connections(settings)

    async def sync(database: Database) -> None:
        store = await chosen_source(database, source)
        async with database.write() as conn:
            before = await first_row(conn, SELECT_SYNC, store.key, SyncRow)
            if before is None or before.state == ConnectionState.DISCONNECTED:
                raise CommandError(f"{source} is not connected to a store")
            if before.pull_due_at is not None:
                await conn.execute(SET_PULL_DUE_AT, store.key | {"due_at": command_now()})
        async with aclosing(connections):
            work = StoreWork.on(database, connections, command_now, settings.public_url)
            with _store_progress(source) as progress:
                task = progress.add_task(source, total=before.expected_orders)

                def advance(orders: int, expected: int | None) -> None:
                    progress.update(task, advance=orders, total=expected or before.expected_orders)

                await work.pulls.pull(DuePull(store.account_id, store.id), advance)
            await work.inbox.settle_all()
        async with database.write() as conn:
            after = await first_row(conn, SELECT_SYNC, store.key, SyncRow)
        _report(source, before, after)

    with_database(settings, sync)


def _store_progress(name: str) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal or not name)


def _report(source: str, before: SyncRow, after: SyncRow | None) -> None:
    if after is None:
        raise CommandError(f"{source} is gone")
    print(f"{source}: {after.state}, {after.pulled_orders - before.pulled_orders} orders read")
    if before.pull_due_at is not None and after.reconciled_at == before.reconciled_at:
        raise CommandError(f"the store could not be read: {after.reason or 'busy'}")


def renew_keys() -> None:
    """Encrypt with the first of ENCRYPTION_KEYS what the others have encrypted, so that those may be taken away."""
    settings = read_settings()
    vault = securing.vault(settings)
    if not vault.has_older_keys:
        raise CommandError("ENCRYPTION_KEYS has no older keys; put the new key before the old one")

    async def renew(database: Database) -> None:
        done = await renew_encryption(database, vault)
        print(f"{done.secrets} secrets and {done.webhooks} webhooks have the first key now")
        if done.unreadable:
            raise CommandError(f"{done.unreadable} cannot be read with any of the keys")

    with_database(settings, renew)
