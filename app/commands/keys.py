"""Key commands: the keys of an account, for who runs the machine."""

from typing import Annotated

import typer

from app.accounts.api_key import fresh_key
from app.accounts.audit import COMMAND
from app.accounts.keys import live_keys, locked_account, revoke_key, store_key
from app.commands.running import CommandError, command_now, with_database
from app.database.pools import Database
from app.settings import read_settings
from app.vocabulary import Scope
from app.wire.ids import public_id, row_id


def print_keys(account: Annotated[str, typer.Argument(help="acc_…")]) -> None:
    """List the keys of an account that are not revoked."""

    async def run_list(database: Database) -> None:
        async with database.read() as conn:
            for row in await live_keys(conn, _account(account)):
                print(public_id("key", row.id), ",".join(row.scopes), row.name, sep="\t")

    with_database(read_settings(), run_list)


def make_key(
    account: Annotated[str, typer.Argument(help="acc_…")],
    scopes: Annotated[list[Scope], typer.Argument(help="what the key may do")],
    name: Annotated[str, typer.Option(help="what the key is for")] = "made on the machine",
) -> None:
    """Make a key for an account, and print it; it is not shown again."""

    async def run_create(database: Database) -> None:
        account_id, now = _account(account), command_now()
        async with database.write() as conn:
            await locked_account(conn, account_id)
            key = fresh_key(account_id)
            await store_key(conn, account_id, key, name, scopes, COMMAND, now)
        print(key)

    with_database(read_settings(), run_create)


def revoke(
    account: Annotated[str, typer.Argument(help="acc_…")], key: Annotated[str, typer.Argument(help="key_…")]
) -> None:
    """Revoke a key; it stops working within 5 seconds."""

    async def run_revoke(database: Database) -> None:
        async with database.write() as conn:
            await revoke_key(conn, _account(account), row_id("key", key) or 0, COMMAND, command_now())
        print(f"{key}: revoked")

    with_database(read_settings(), run_revoke)


def _account(public: str) -> int:
    account_id = row_id("acc", public)
    if account_id is None:
        raise CommandError(f"there is no account {public}")
    return account_id
