"""Message commands: background work on demand, and messages that wait for an operator."""

import asyncio
from contextlib import aclosing
from typing import Annotated

import typer

from app import mailing, securing
from app.commands.running import CommandError, command_now, with_database
from app.database.pools import Database
from app.mail.contract import referenced
from app.messages.queue_statements import RELEASE_MESSAGE, SELECT_HELD_MESSAGES
from app.messages.sending.compose_mail import reference
from app.process_metrics import Metrics
from app.settings import read_settings
from app.sources.store_work import StoreWork
from app.worker import work_once


def work_now() -> None:
    """Do the background work that is due, once: stores, figures, then messages."""
    settings = read_settings()
    mailing.check(settings)
    connections = securing.connections(settings)

    async def once(database: Database) -> None:
        async with aclosing(connections), mailing.delivery(settings, database, Metrics(), command_now) as delivery:
            mailbox = mailing.operator_mailbox(settings, delivery)
            stores = StoreWork.on(database, connections, command_now, settings.public_url, mailbox)
            await stores.run_once()
            await work_once(database, command_now, stores)
            await delivery.run(asyncio.Event(), until_idle=True)

    with_database(settings, once)


def list_held() -> None:
    """List the held messages: each was being sent in several crashes and now waits for an operator."""

    async def run_list(database: Database) -> None:
        async with database.read() as conn:
            for account_id, message in await conn.execute(SELECT_HELD_MESSAGES):
                print(reference(account_id, message))

    with_database(read_settings(), run_list)


def release_held(message: Annotated[str, typer.Argument(help="a held message, acc_….msg_…")]) -> None:
    """Queue a held message again; DELETE /messages/{id} cancels one."""

    async def run_release(database: Database) -> None:
        account_id, row = referenced(message) or (0, 0)
        known = {"account_id": account_id, "id": row, "now": command_now()}
        async with database.write() as conn:
            if (await conn.execute(RELEASE_MESSAGE, known)).one_or_none() is None:
                raise CommandError(f"there is no held message {message}")
        print(f"{message}: queued")

    with_database(read_settings(), run_release)
