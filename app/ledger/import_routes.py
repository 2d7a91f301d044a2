"""Import routes: the imports of a source, and every row that they refused."""

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from app.accounts.access import Reader
from app.accounts.guarded_route import GuardedRoute
from app.boards.source import RememberedSources, SourceId, read_source
from app.database.pools import Pools, ReadConn
from app.database.rows import all_rows, first_row
from app.ledger.import_statements import (
    SELECT_IMPORT,
    SELECT_IMPORTS,
    SELECT_REFUSED_ROWS,
    ImportRow,
    RefusedLine,
)
from app.ledger.schemas import StoredImport, StoredImportPage, StoredImportWithRefusals
from app.orders.forget_refused_rows import REFUSALS_KEPT
from app.orders.import_orders import INTERRUPTED_IMPORT, SILENT_IMPORT
from app.orders.normal_form import Refusal
from app.orders.schemas import RejectedLine
from app.problems import NotFound, documented
from app.vocabulary import ImportStatus
from app.wire.ids import LARGEST_ID, PublicId, public_id
from app.wire.instants import Now, rfc3339
from app.wire.pages import Listing, PageQuery
from app.words import Language, Sentence, language_of

router = APIRouter(route_class=GuardedRoute, tags=["orders"])


class UnknownImport(NotFound):
    """There is no such import of this source."""

    slug = "unknown-import"
    title = "No such import"


ImportId = Annotated[int, Path(alias="import_id"), PublicId("imp", UnknownImport)]


@router.get("/sources/{id}/imports", operation_id="listImports")
async def list_imports(
    source_id: SourceId,
    page: Annotated[PageQuery, Query()],
    caller: Reader,
    database: Pools,
    sources: RememberedSources,
    request: Request,
    response: Response,
    now: Now,
) -> StoredImportPage:
    """List a source's imports, newest first."""
    source = await sources.read(database, caller.account_id, source_id)
    listing = Listing(request, response, caller.cursor_secret, f"imports {source_id}", page)
    bound = source.key | {"before": listing.start([LARGEST_ID])[0], "limit": page.limit + 1}
    async with database.read() as conn:
        rows = await all_rows(conn, SELECT_IMPORTS, bound, ImportRow)
    found, next_cursor = listing.cut(rows, lambda row: [row.id])
    return StoredImportPage(items=[StoredImport(**import_fields(row, now)) for row in found], next_cursor=next_cursor)


@router.get("/sources/{id}/imports/{import_id}", operation_id="readImport", responses=documented(UnknownImport))
async def read_import(
    source_id: SourceId,
    import_id: ImportId,
    page: Annotated[PageQuery, Query()],
    caller: Reader,
    conn: ReadConn,
    request: Request,
    response: Response,
    now: Now,
) -> StoredImportWithRefusals:
    """Show an import and a page of the rows that it refused, in the order in which they were refused.

    The first 100,000 are kept for 30 days; the count stays.
    """
    source = await read_source(conn, caller.account_id, source_id)
    listing = Listing(request, response, caller.cursor_secret, f"import {source_id} {import_id}", page)
    of_import = {"account_id": caller.account_id, "import_id": import_id}
    bound = of_import | {"after": listing.start([0])[0], "limit": page.limit + 1}
    row = await first_row(conn, SELECT_IMPORT, source.key | of_import, ImportRow)
    if row is None:
        raise UnknownImport
    refused = await all_rows(conn, SELECT_REFUSED_ROWS, bound, RefusedLine)
    shown, next_cursor = listing.cut(refused, lambda each: [each.number])
    return StoredImportWithRefusals(
        **import_fields(row, now),
        rejected_kept=row.refused_kept,
        rejected_until=rfc3339(row.started_at + REFUSALS_KEPT) if row.refused_kept else None,
        rejected=[rejected_line(each, language_of(request.headers)) for each in shown],
        next_cursor=next_cursor,
    )


def rejected_line(row: RefusedLine, language: Language) -> RejectedLine:
    """A refused row, its sentences in the language of the request."""
    detail, others = json.loads(row.detail)
    wrong = tuple((code, Sentence.unpacked(packed)) for code, packed in others)
    refusal = Refusal(row.order_id, row.code, Sentence.unpacked(detail), wrong)
    return RejectedLine(line=row.line, last_line=row.last_line, **refusal.told(language))


def import_fields(row: ImportRow, now: datetime) -> dict[str, Any]:
    """An import's fields as they are read back."""
    status = status_of(row, now)
    return {
        "id": public_id("imp", row.id),
        "status": status,
        "problem": row.ended_because if status is ImportStatus.FAILED else None,
        **{name: getattr(row, name) for name in ("received", "created", "updated", "unchanged")},
        "rejected_count": row.rejected,
        "started_at": rfc3339(row.started_at),
        "progressed_at": rfc3339(row.progressed_at),
        "finished_at": rfc3339(row.finished_at) if row.finished_at else None,
    }


def status_of(row: ImportRow, now: datetime) -> ImportStatus:
    """How far an import is; one that has stored nothing for minutes has died with its process."""
    if row.ended_because is not None:
        return ImportStatus.INTERRUPTED if row.ended_because == INTERRUPTED_IMPORT else ImportStatus.FAILED
    if row.finished_at is not None:
        return ImportStatus.COMPLETE
    return ImportStatus.RUNNING if now - row.progressed_at <= SILENT_IMPORT else ImportStatus.INTERRUPTED
