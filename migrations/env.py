"""Migration environment: one transaction a migration, each with its own lock and statement timeout."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.settings import asyncpg_url
from app.tables import metadata

MY_TURN = text("SELECT pg_try_advisory_lock(5071845)")
WAIT_SECONDS = 0.2


def run(connection: Connection | None = None) -> None:
    """Run the migrations on a connection, or print them."""
    context.configure(
        connection=connection,
        dialect_name="postgresql",
        target_metadata=metadata,
        transaction_per_migration=True,
        literal_binds=connection is None,
    )
    with context.begin_transaction():
        context.run_migrations()


async def online(url: str) -> None:
    """Run the migrations on a database."""
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        # Processes that start together take turns; the lock ends with the connection. Who waits inside a statement
        # would be waited for by an index that is built concurrently, so it is tried again and again.
        while not (await connection.execute(MY_TURN)).scalar_one():
            await connection.rollback()
            await asyncio.sleep(WAIT_SECONDS)
        await connection.commit()
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


if context.is_offline_mode():
    run()
elif given := context.config.attributes.get("connection"):
    run(given)
else:
    asyncio.run(online(asyncpg_url(context.config.attributes.get("url") or os.environ["DATABASE_URL"])))
