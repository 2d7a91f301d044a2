"""Command line: `python -m app`, its commands and how they end."""

import sys
from collections.abc import Callable

import click
import typer

from app.commands import backup, first_start, keys, messages, orders, serve, stores
from app.commands.running import CommandError
from app.database.errors import ERRORS, operator_line
from app.local_postgres import LocalPostgresError
from app.logs import log_as_json
from app.problems import Problem
from app.settings import SettingsError

WRONG_SETTINGS = 2
INTERRUPTED_BY_KEYS = 130

COMMANDS: dict[str, Callable[..., None]] = {
    "serve": serve.serve,
    "worker": serve.worker,
    "migrate": serve.migrate,
    "demo": first_start.reset_demo,
    "import": orders.import_file,
    "connect": stores.connect_store,
    "sync": stores.sync_store,
    "rebuild": orders.rebuild_all,
    "verify": orders.verify_all,
    "work": messages.work_now,
    "held": messages.list_held,
    "release": messages.release_held,
    "rekey": stores.renew_keys,
    "backup": backup.backup,
    "restore": backup.restore,
    "openapi": serve.print_openapi,
}
KEY_COMMANDS: dict[str, Callable[..., None]] = {
    "list": keys.print_keys,
    "create": keys.make_key,
    "revoke": keys.revoke,
}

commands = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
for name, command in COMMANDS.items():
    commands.command(name)(command)

key_commands = typer.Typer(no_args_is_help=True, help="List, make and revoke the keys of an account.")
for name, command in KEY_COMMANDS.items():
    key_commands.command(name)(command)
commands.add_typer(key_commands, name="keys")


def run() -> None:
    """Run the command; an operator's mistake is reported in one line, never by a traceback."""
    log_as_json()
    try:
        exit_code = commands(standalone_mode=False) or 0
    except click.ClickException as misused:
        misused.show()
        sys.exit(misused.exit_code)
    except (SettingsError, LocalPostgresError) as error:
        print(f"loyalty-leaderboard: {error}", file=sys.stderr)
        sys.exit(WRONG_SETTINGS)
    except Problem as problem:
        print(f"loyalty-leaderboard: {problem.detail}", file=sys.stderr)
        sys.exit(1)
    except ERRORS as error:
        print(f"loyalty-leaderboard: {operator_line(error)}", file=sys.stderr)
        sys.exit(1)
    except CommandError as error:
        print(f"loyalty-leaderboard: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        exit_code = INTERRUPTED_BY_KEYS
    if exit_code == INTERRUPTED_BY_KEYS:
        print("loyalty-leaderboard: stopped", file=sys.stderr)
    sys.exit(exit_code)
