"""Asking for VIPs: what a query means in a store, and the cursor that goes on with it, wherever it is asked."""

from datetime import datetime

from app.accounts.access import Caller
from app.boards.ask_store import invalid, past
from app.boards.source import Source
from app.problems import InvalidRequest
from app.segments.read_vips import Page, Place, Question, Thresholds, resolve
from app.segments.schemas import SegmentQuery, VipQuery
from app.wire.money import minor_units
from app.wire.pages import seal, unseal


def given(source: Source, query: SegmentQuery) -> Thresholds:
    """The thresholds of the query in the source's currency."""
    if query.min_spend is None:
        return Thresholds(None, query.min_orders)
    try:
        return Thresholds(minor_units(query.min_spend, source.digits), query.min_orders)
    except ValueError as error:
        raise InvalidRequest(errors=[invalid("min_spend", str(error))]) from None


def located(
    source: Source, query: VipQuery, caller: Caller, binding: str, now: datetime
) -> tuple[Question, Place | None]:
    """The question and where its page begins; a cursor carries instant and thresholds of the first page."""
    thresholds = given(source, query)
    if query.cursor is None:
        return resolve(source, past(query.as_of, now), query.days, thresholds), None
    as_of, spend, customer, *kept = unseal(caller.cursor_secret, binding, query.cursor)
    question = resolve(source, datetime.fromisoformat(as_of), query.days, thresholds, Thresholds(*kept))
    return question, Place(spend, customer)


def sealed(caller: Caller, binding: str, question: Question, page: Page) -> str | None:
    """The cursor of the next page."""
    if page.following is None:
        return None
    position = [question.as_of.isoformat(), *page.following, *page.totals.thresholds]
    return seal(caller.cursor_secret, binding, position)
