"""Reading a profile: one customer whole, in four statements, or five where boards cannot answer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.accounts.access import Caller
from app.boards.address_word import is_subscribed, stricter_marketing
from app.boards.metrics import AMOUNTS, COLUMNS
from app.boards.source import Source
from app.boards.standings import interval_parameters
from app.customers import profile_statements as statements
from app.customers.profile_statements import (
    CustomerOfStore,
    ExportedMessageRow,
    FrameStanding,
    ShownMessageRow,
)
from app.customers.schemas import (
    Criterion,
    Figures,
    FrameFigures,
    Gaps,
    Profile,
    Ranks,
    ShownMessage,
    ShownOrder,
    ShownOrderRow,
    VipMembership,
)
from app.customers.statements import Contact, FoundCustomer
from app.database.driver import first_hot_row, hot_rows
from app.database.pools import Connection
from app.periods import Frame, TimeFrame, named_frame
from app.problems import NotFound
from app.vocabulary import Metric
from app.wire.addresses import masked_address, masked_addresses
from app.wire.ids import public_id
from app.wire.instants import local_rfc3339, rfc3339
from app.wire.money import CURRENCIES, decimal_string

SHOWN_ORDERS = 10
SHOWN_MESSAGES = 10
RANKED_FRAMES = (
    TimeFrame.LAST_WEEK,
    TimeFrame.LAST_MONTH,
    TimeFrame.MONTH_TO_DATE,
    TimeFrame.LAST_QUARTER,
    TimeFrame.QUARTER_TO_DATE,
    TimeFrame.LAST_YEAR,
    TimeFrame.YEAR_TO_DATE,
)
"""The frames of the drop-down; a profile shows the ranks in each."""
PROFILE_FRAMES = (*RANKED_FRAMES, TimeFrame.ALL_TIME, TimeFrame.LAST_365_DAYS)


class UnknownCustomer(NotFound):
    """There is no such customer in this account."""

    slug = "unknown-customer"
    title = "No such customer"


async def read_profile(conn: Connection, caller: Caller, customer_id: int, now: datetime) -> Profile:
    """The profile as this caller may see it; UnknownCustomer where there is none."""
    key = {"account_id": caller.account_id, "customer_id": customer_id}
    row = await first_hot_row(conn, statements.SELECT_CUSTOMER_WITH_SOURCE, key, CustomerOfStore)
    if row is None or not caller.sees(row.source_id):
        raise UnknownCustomer
    source = Source(caller.account_id, row.source_id, row.audience_id, row.currency, row.time_zone, row.week_start)
    frames = {time_frame: named_frame(time_frame, now, source.calendar) for time_frame in PROFILE_FRAMES}
    standings = await _standings(conn, frames, key | source.key)
    last_orders = key | source.key | {"limit": SHOWN_ORDERS}
    orders = await hot_rows(conn, statements.SELECT_LAST_ORDERS, last_orders, ShownOrderRow)
    last_messages = key | {"limit": SHOWN_MESSAGES}
    messages = await hot_rows(conn, statements.SELECT_LAST_MESSAGES, last_messages, ShownMessageRow)
    return Profile(
        **contact(row, masked=caller.masks_emails),
        audience=public_id("aud", source.audience_id),
        currency=source.currency,
        time_zone=source.time_zone,
        as_of=rfc3339(now),
        first_order_at=rfc3339(row.first_order_at) if row.first_order_at else None,
        last_order_at=rfc3339(row.last_order_at) if row.last_order_at else None,
        all_time=Figures(**shown_figures(standings[TimeFrame.ALL_TIME], source)),
        time_frames=[shown_frame(source, each, frames[each], standings[each]) for each in RANKED_FRAMES],
        vip=shown_vip(standings[TimeFrame.LAST_365_DAYS], source),
        orders=[ShownOrder(**shown_order(order, source)) for order in orders],
        messages=[ShownMessage(**shown_message(message, masked=caller.masks_emails)) for message in messages],
    )


# ---------------------------------------------------------------- standings


def standings_parameters(frames: dict[TimeFrame, Frame]) -> dict[str, Any]:
    """The parameters by which the boards of these frames are asked; the ranked frames come first."""
    periods = [frame.period for frame in frames.values() if frame.period is not None]
    return {
        "kinds": [period.kind.value for period in periods],
        "board_starts": [period.start for period in periods],
        "starts": [period.counted_from for period in periods],
        "untils": [period.counted_until for period in periods],
        "befores": [frame.before for frame in frames.values()],
        "ranked": len(RANKED_FRAMES),
    }


async def _standings(
    conn: Connection, frames: dict[TimeFrame, Frame], key: dict[str, int]
) -> dict[TimeFrame, FrameStanding]:
    """The customer's standing in each frame: from the boards, and from the orders where no board can answer."""
    rows = await hot_rows(conn, statements.SELECT_STANDINGS, key | standings_parameters(frames), FrameStanding)
    standings = dict(zip(frames, rows, strict=True))
    missing = {position: each for position, each in enumerate(frames) if not standings[each].has_answer}
    if missing:
        intervals = [(position, frames[each].start, frames[each].before) for position, each in missing.items()]
        bound = key | {"positions": [*missing]} | interval_parameters(intervals)
        for row in await hot_rows(conn, statements.SELECT_STANDINGS_FROM_ORDERS, bound, FrameStanding):
            standings[missing[row.position]] = row
    return standings


def by_metric(values: Sequence[int | None] | None) -> dict[Metric, int | None]:
    """The elements of an array, by the metric of each; all None where there is no array."""
    return dict(zip(COLUMNS, values or [None] * len(COLUMNS), strict=True))


def shown_value(metric: Metric, value: int | None, source: Source) -> int | str | None:
    """A metric's value as it is shown: an amount or a count."""
    return _money(value, source) if metric in AMOUNTS else value


def shown_figures(standing: FrameStanding, source: Source) -> dict[str, Any]:
    """The figures as they are shown; without a purchase they are zero and the average is null."""
    figures = by_metric(standing.figures)
    if figures[Metric.PURCHASES] is None:
        figures |= dict.fromkeys([metric for metric in COLUMNS if metric is not Metric.AVERAGE], 0)
    return {metric.value: shown_value(metric, value, source) for metric, value in figures.items()}


def shown_frame(source: Source, time_frame: TimeFrame, frame: Frame, standing: FrameStanding) -> FrameFigures:
    """One time frame of a profile."""
    figures, better = by_metric(standing.figures), by_metric(standing.better)
    gaps = {metric: _difference(better[metric], figures[metric]) for metric in COLUMNS}
    return FrameFigures(
        **shown_figures(standing, source),
        time_frame=time_frame,
        start=local_rfc3339(frame.start, source.calendar.zone),
        end=local_rfc3339(frame.end, source.calendar.zone),
        ranks=Ranks.model_validate(by_metric(standing.ranks)),
        gaps=Gaps.model_validate({metric: shown_value(metric, gap, source) for metric, gap in gaps.items()}),
        ranked_customers=standing.customers,
    )


def _difference(greater: int | None, less: int | None) -> int | None:
    return None if greater is None or less is None else greater - less


def shown_vip(standing: FrameStanding, source: Source) -> VipMembership:
    """Membership among the VIPs of the last 365 days, by the suggested thresholds."""
    figures = by_metric(standing.figures)
    matched: list[Criterion] = []
    if standing.big_spender:
        matched.append("big_spender")
    if standing.frequent_buyer:
        matched.append("frequent_buyer")
    missing_spend = None if standing.min_spend is None else standing.min_spend + 1 - (figures[Metric.SPEND] or 0)
    missing_orders = None if standing.min_orders is None else standing.min_orders + 1 - (figures[Metric.PURCHASES] or 0)
    return VipMembership(
        member=bool(matched),
        matched=matched,
        min_spend=_money(standing.min_spend, source),
        min_orders=standing.min_orders,
        missing_spend=None if standing.big_spender else _money(missing_spend, source),
        missing_orders=None if standing.frequent_buyer else missing_orders,
    )


def _money(minor: int | None, source: Source) -> str | None:
    return None if minor is None else decimal_string(minor, source.digits)


# ---------------------------------------------------------------- the customer, their orders and messages


def contact(row: CustomerOfStore | Contact | FoundCustomer, *, masked: bool) -> dict[str, Any]:
    """A customer's own fields as they are shown; `masked`, without e-mail addresses."""
    names = {each: getattr(row, each) for each in ("external_id", "name", "first_name", "last_name")}
    if masked:
        names = {each: masked_addresses(text) for each, text in names.items()}
    return {
        "id": public_id("cus", row.id),
        "source": public_id("src", row.source_id),
        **names,
        "email": masked_address(row.email) if masked else row.email,
        "marketing": stricter_marketing(row.marketing, row.suppressed),
        "suppressed": row.suppressed,
        "language": row.language,
        "messageable": is_subscribed(row.marketing, row.suppressed) and row.email is not None,
        "created_at": rfc3339(row.created_at),
    }


PLAIN_ORDER_FIELDS = [name for name in ShownOrderRow._fields if name in ShownOrder.model_fields]


def shown_order(row: ShownOrderRow, source: Source) -> dict[str, Any]:
    """An order's fields as they are shown."""
    currency = row.foreign_currency or source.currency
    digits = CURRENCIES[currency]
    shown = {name: getattr(row, name) for name in PLAIN_ORDER_FIELDS}
    amounts = {name: decimal_string(getattr(row, name), digits) for name in ("total", "refunded")}
    instants = {name: rfc3339(getattr(row, name)) for name in ("ordered_at", "updated_at")}
    codes = {"discount_codes": codes_of_order(row.discount_codes)}
    return shown | amounts | instants | codes | {"currency": currency}


def codes_of_order(stored: str | None) -> list[str]:
    """The discount codes of an order, which are stored a code a line."""
    return stored.split("\n") if stored else []


def shown_message(row: ShownMessageRow | ExportedMessageRow, *, masked: bool) -> dict[str, Any]:
    """A message's fields as they are shown beside a customer; `masked`, without e-mail addresses."""
    return {
        "id": public_id("msg", row.id),
        "kind": row.kind,
        "status": row.status,
        "reason": row.reason,
        "template": row.template,
        "subject": masked_addresses(row.subject) if masked else row.subject,
        "created_at": rfc3339(row.created_at),
        "sent_at": rfc3339(row.sent_at) if row.sent_at else None,
    }
