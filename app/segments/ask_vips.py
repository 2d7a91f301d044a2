"""Asking for VIPs: a query as a question about a store, and the cursor of its next page, wherever it is asked."""

from datetime import datetime

from app.accounts.access import Caller
from app.boards.questions import invalid_parameter, resolved_as_of
from app.boards.source import Source
from app.invalid_values import InvalidValueError
from app.problems import InvalidRequest
from app.segments.read_vips import Limits, VipPage, VipQuestion, VipStart, resolve_vips
from app.segments.schemas import SegmentQuery, VipQuery
from app.wire.money import minor_units
from app.wire.pages import open_cursor, seal_cursor


def given_limits(source: Source, query: SegmentQuery) -> Limits:
    """The thresholds of the query in the source's currency."""
    if query.min_spend is None:
        return Limits(None, query.min_orders)
    try:
        return Limits(minor_units(query.min_spend, source.digits), query.min_orders)
    except InvalidValueError as error:
        raise InvalidRequest(errors=[invalid_parameter("min_spend", error.sentence)]) from None


def ask_vips(
    source: Source, query: VipQuery, caller: Caller, binding: str, now: datetime
) -> tuple[VipQuestion, VipStart | None]:
    """The question and where its page begins; a cursor keeps the instant and the thresholds of the first page."""
    given = given_limits(source, query)
    if query.cursor is None:
        return resolve_vips(source, resolved_as_of(query.as_of, now), query.days, given), None
    as_of, spend, customer, *kept = open_cursor(caller.cursor_secret, binding, query.cursor)
    question = resolve_vips(source, datetime.fromisoformat(as_of), query.days, given, Limits(*kept))
    return question, VipStart(spend, customer)


def next_vip_cursor(caller: Caller, binding: str, question: VipQuestion, page: VipPage) -> str | None:
    """The cursor of the next page."""
    if page.next_start is None:
        return None
    position = [question.as_of.isoformat(), *page.next_start, *page.totals.limits]
    return seal_cursor(caller.cursor_secret, binding, position)
