"""Backup commands: everything that is stored, into a file and out of it again."""

import os
import subprocess
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from sqlalchemy.engine import make_url

from app.commands.running import CommandError, run_until_done
from app.connecting import Urls, postgres, upgrade
from app.local_postgres import postgres_programs
from app.settings import read_settings

SELECT_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"


def backup(file: Annotated[Path, typer.Argument(help="the file to write; it must not exist")]) -> None:
    """Write everything that is stored to a file, as it is at one moment; the service may run meanwhile."""
    if file.exists():
        raise CommandError(f"{file} exists already")
    draft = file.with_name(f"{file.name}.part")
    with postgres(read_settings(), share=True) as urls:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        try:
            _run("pg_dump", urls, "--format=custom", "--no-owner", "--no-privileges", f"--file={draft}")
            draft.rename(file)
        finally:
            draft.unlink(missing_ok=True)
    print(f"{file}: {file.stat().st_size:,} bytes")


def restore(file: Annotated[Path, typer.Argument(help="a file that `backup` wrote")]) -> None:
    """Fill an empty database from a file, and bring it to the newest schema; `verify` tells that all is right."""
    if not file.is_file():
        raise CommandError(f"there is no file {file}")
    with postgres(read_settings(), share=False) as urls:
        run_until_done(_require_empty(urls))
        options = ("--no-owner", "--no-privileges", "--no-comments", "--exit-on-error", "--single-transaction")
        _run("pg_restore", urls, *options, str(file.absolute()))
        upgrade(urls)
    print(f"{file}: restored")


async def _require_empty(urls: Urls) -> None:
    conn = await asyncpg.connect(urls.write.replace("+asyncpg", ""))
    try:
        if await conn.fetchval(SELECT_TABLES):
            raise CommandError("the database is not empty: restore into a new DATA_DIR or database")
    finally:
        await conn.close()


def _run(program: str, urls: Urls, *arguments: str) -> None:
    """Run one of PostgreSQL's programs; its password goes by the environment, where no other user reads it."""
    url = make_url(urls.write).set(drivername="postgresql")
    environment = {**os.environ, "PGPASSWORD": url.password or ""}
    address = url.set(password=None).render_as_string(hide_password=False)
    done = subprocess.run(  # noqa: S603 - our own program and arguments
        [postgres_programs() / program, f"--dbname={address}", *arguments],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandError(f"{program} failed: {(done.stderr.splitlines() or ['it said nothing'])[0]}")
