"""Deletion routes: a store is deleted with everything in it."""

from fastapi import APIRouter, Response

from app.accounts.access import Reader, Writer
from app.accounts.deletions import find_deletion, shown_deletion
from app.accounts.guarded_route import GuardedRoute
from app.accounts.schemas import Deletion
from app.boards.source import RememberedSources, SourceId, UnknownSource
from app.database.pools import Pools, ReadConn
from app.forms import documented_headers
from app.sources.delete_store import begin_store_deletion
from app.sources.receive_webhook import ReceiversOfService
from app.vocabulary import DeletedNoun
from app.wire.instants import Now

router = APIRouter(route_class=GuardedRoute, tags=["sources"])


@router.delete(
    "/sources/{id}", status_code=202, operation_id="deleteSource", responses=documented_headers(202, "Location")
)
async def delete_source(
    source_id: SourceId,
    caller: Writer,
    database: Pools,
    sources: RememberedSources,
    receivers: ReceiversOfService,
    response: Response,
    now: Now,
) -> Deletion:
    """Delete a store for good, with its orders, customers, messages, boards and imports.

    From now on it is unknown: nothing comes in any more, and what was queued is not sent. Its rows are removed in the
    background; the `Location` says when the last one is gone.
    """
    await sources.read(database, caller.account_id, source_id)  # nobody takes a turn at a source of others
    async with database.write_in_turn(source_id) as conn:
        begun = await begin_store_deletion(conn, caller.account_id, source_id, caller.by, now)
    sources.forget(caller.account_id, source_id)
    receivers.forget(source_id)
    response.headers["Location"] = f"/sources/{begun.id}/deletion"
    return begun


@router.get("/sources/{id}/deletion", operation_id="readSourceDeletion")
async def read_source_deletion(source_id: SourceId, caller: Reader, conn: ReadConn) -> Deletion:
    """Show when a deleted store was asked to go, and when its last row was gone."""
    row = await find_deletion(conn, caller.account_id, DeletedNoun.SOURCE, source_id)
    if row is None:
        raise UnknownSource
    return shown_deletion(row, DeletedNoun.SOURCE)
