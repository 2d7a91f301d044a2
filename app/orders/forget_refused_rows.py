"""Forgetting refused rows: those of an import are deleted after 30 days, some thousands in a transaction."""

from datetime import timedelta

from app.database.pools import Database
from app.database.rows import change_rows
from app.orders.statements import DELETE_REFUSED_ROWS, SET_REFUSED_FORGOTTEN, ImportToForget

REFUSALS_KEPT = timedelta(days=30)
FORGOTTEN_AT_ONCE = 5_000


async def forget_refused_rows(database: Database, old: ImportToForget) -> None:
    """Delete the refused rows of an import; what it counted stays."""
    key = {"account_id": old.account_id, "import_id": old.import_id}
    for last in range(FORGOTTEN_AT_ONCE, old.refused_kept + FORGOTTEN_AT_ONCE, FORGOTTEN_AT_ONCE):
        async with database.write() as conn:
            await conn.execute(DELETE_REFUSED_ROWS, key | {"last": last})
    async with database.write() as conn:
        await change_rows(conn, SET_REFUSED_FORGOTTEN, key)
