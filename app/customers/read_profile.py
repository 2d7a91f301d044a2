"""Reading a profile: one customer whole, in four statements, or five where boards cannot answer."""

from datetime import datetime
from typing import Any

from app.boards.buckets import MEASURES
from app.boards.source import Source
from app.boards.standings import intervals_parameters
from app.customers import dossier
from app.customers.schemas import Criterion, Figures, FrameFigures, Gaps, Profile, Ranks, ShownMessage, ShownOrder, Vip
from app.database.driver import all_rows, first_row
from app.database.pools import Connection
from app.periods import Frame, TimeFrame, named_frame
from app.problems import NotFound
from app.wire.ids import public_id
from app.wire.instants import local_rfc3339, rfc3339
from app.wire.money import CURRENCIES, decimal_string

SHOWN_ORDERS = 10
SHOWN_MESSAGES = 10
SEVEN = (
    TimeFrame.LAST_WEEK,
    TimeFrame.LAST_MONTH,
    TimeFrame.MONTH_TO_DATE,
    TimeFrame.LAST_QUARTER,
    TimeFrame.QUARTER_TO_DATE,
    TimeFrame.LAST_YEAR,
    TimeFrame.YEAR_TO_DATE,
)
"""Shown with ranks."""
READ = (*SEVEN, TimeFrame.ALL_TIME, TimeFrame.LAST_365_DAYS)


class UnknownCustomer(NotFound):
    """There is no such customer in this account."""

    slug = "unknown-customer"
    title = "No such customer"


async def read_profile(conn: Connection, account_id: int, customer_id: int, now: datetime) -> Profile:
    """The profile; UnknownCustomer where there is none."""
    bound = {"account_id": account_id, "customer_id": customer_id}
    known = await first_row(conn, dossier.KNOWN, bound)
    if known is None:
        raise UnknownCustomer
    source = Source(account_id, known.source_id, known.audience_id, known.currency, known.time_zone, known.week_start)
    frames = {time_frame: named_frame(time_frame, now, source.calendar) for time_frame in READ}
    standings = await _standings(conn, source, frames, bound)
    last = bound | {"source_id": source.id, "limit": SHOWN_ORDERS}
    orders = await all_rows(conn, dossier.LAST_ORDERS, last)
    messages = await all_rows(conn, dossier.LAST_MESSAGES, bound | {"limit": SHOWN_MESSAGES})
    return Profile(
        **contact(known),
        audience=public_id("aud", source.audience_id),
        currency=source.currency,
        time_zone=source.time_zone,
        as_of=rfc3339(now),
        first_order_at=rfc3339(known.first_order_at) if known.first_order_at else None,
        last_order_at=rfc3339(known.last_order_at) if known.last_order_at else None,
        all_time=Figures(**figures(standings[TimeFrame.ALL_TIME], source)),
        time_frames=[framed(source, each, frames[each], standings[each]) for each in SEVEN],
        vip=vip(standings[TimeFrame.LAST_365_DAYS], source),
        orders=[ShownOrder(**shown_order(order, source)) for order in orders],
        messages=[ShownMessage(**shown_message(message)) for message in messages],
    )


def standings_parameters(frames: dict[TimeFrame, Frame]) -> dict[str, Any]:
    """What the boards of these frames are asked by; those of the seven for ranks too."""
    periods = [frame.period for frame in frames.values() if frame.period is not None]
    return {
        "kinds": [period.kind.value for period in periods],
        "board_starts": [period.start for period in periods],
        "starts": [period.counted_from for period in periods],
        "untils": [period.counted_until for period in periods],
        "befores": [frame.before for frame in frames.values()],
        "ranked": len(SEVEN),
    }


async def _standings(
    conn: Connection, source: Source, frames: dict[TimeFrame, Frame], bound: dict[str, Any]
) -> dict[TimeFrame, Any]:
    """The customer's standing in each frame: from the boards, and of those that none can tell of from the orders."""
    bound = bound | source.key
    rows = await all_rows(conn, dossier.STANDINGS, bound | standings_parameters(frames))
    standings: dict[TimeFrame, Any] = dict(zip(frames, rows, strict=True))
    missing = {place: each for place, each in enumerate(frames) if not standings[each].is_live}
    if missing:
        counted = [(place, frames[each].start, frames[each].before) for place, each in missing.items()]
        asked = {"places": [*missing]} | intervals_parameters(counted)
        for row in await all_rows(conn, dossier.STANDINGS_FROM_ORDERS, bound | asked):
            standings[missing[row.place]] = row
    return standings


def contact(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of the directory
    """A customer's own fields as they are shown."""
    return {
        "id": public_id("cus", row.id),
        "source": public_id("src", row.source_id),
        "external_id": row.external_id,
        "name": row.name,
        "email": row.email,
        "marketing": row.marketing,
        "language": row.language,
        "messageable": row.marketing == "subscribed" and row.email is not None,
        "created_at": rfc3339(row.created_at),
    }


def figures(row: Any, source: Source) -> dict[str, Any]:  # noqa: ANN401 - a standing
    """Values as they are shown; without a purchase they are zero and the average is nothing."""
    bought = row.purchases is not None
    return {
        "number_of_purchases": row.purchases or 0,
        "total_spend": decimal_string(row.spend or 0, source.digits),
        "average_order_amount": decimal_string(row.average, source.digits) if bought else None,
    }


def framed(source: Source, time_frame: TimeFrame, frame: Frame, row: Any) -> FrameFigures:  # noqa: ANN401
    """One time frame of a profile."""
    zone = source.calendar.zone
    ranks = {metric: getattr(row, f"{measure}_rank") for metric, measure in MEASURES.items()}
    better = {metric: getattr(row, f"{measure}_better") for metric, measure in MEASURES.items()}
    gaps = {
        metric: better[metric] - getattr(row, measure)
        for metric, measure in MEASURES.items()
        if better[metric] is not None
    }
    return FrameFigures(
        **figures(row, source),
        time_frame=time_frame,
        start=local_rfc3339(frame.start, zone),
        end=local_rfc3339(frame.end, zone),
        ranks=Ranks(**ranks),
        gaps=Gaps(
            number_of_purchases=gaps.get("number_of_purchases"),
            total_spend=_money(gaps.get("total_spend"), source),
            average_order_amount=_money(gaps.get("average_order_amount"), source),
        ),
        ranked_customers=row.customers,
    )


def vip(row: Any, source: Source) -> Vip:  # noqa: ANN401 - a standing
    """Membership among the VIPs of the last 365 days, by the thresholds that set themselves."""
    missing = {}
    for measure, threshold in (("spend", row.min_spend), ("purchases", row.min_orders)):
        if threshold is not None:
            missing[measure] = threshold + 1 - (getattr(row, measure) or 0)
    matched: list[Criterion] = []
    if row.big_spender:
        matched.append("big_spender")
    if row.frequent_buyer:
        matched.append("frequent_buyer")
    return Vip(
        member=bool(matched),
        matched=matched,
        min_spend=_money(row.min_spend, source),
        min_orders=row.min_orders,
        missing_spend=None if row.big_spender else _money(missing.get("spend"), source),
        missing_orders=None if row.frequent_buyer else missing.get("purchases"),
    )


def _money(minor: int | None, source: Source) -> str | None:
    return None if minor is None else decimal_string(minor, source.digits)


def shown_order(row: Any, source: Source) -> dict[str, Any]:  # noqa: ANN401 - a row of the dossier
    """An order's fields as they are shown."""
    currency = row.foreign_currency or source.currency
    digits = CURRENCIES[currency]
    return {
        "order_id": row.order_id,
        "ordered_at": rfc3339(row.ordered_at),
        "total": decimal_string(row.total, digits),
        "refunded": decimal_string(row.refunded, digits),
        "currency": currency,
        "items": row.items,
        "status": row.status,
        "is_purchase": row.is_purchase,
        "test": row.test,
        "updated_at": rfc3339(row.updated_at),
    }


def shown_message(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of the dossier
    """A message's fields as they are shown beside a customer."""
    return {
        "id": public_id("msg", row.id),
        "kind": row.kind,
        "status": row.status,
        "reason": row.reason,
        "template": row.template,
        "subject": row.subject,
        "created_at": rfc3339(row.created_at),
        "sent_at": rfc3339(row.sent_at) if row.sent_at else None,
    }
