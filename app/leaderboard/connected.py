"""Connected: the audiences of an account with the stores in them."""

from sqlalchemy import Select, select

from app.tables import audiences, sources

Connected = Select[int, str, int | None, str | None, str | None, str | None, str | None, str | None]


def connected(account_id: int, limit: int) -> Connected:
    """A row per source, and one per audience that has none; oldest audiences first, in them oldest sources."""
    return (
        select(
            audiences.c.id.label("audience_id"),
            audiences.c.name.label("audience"),
            sources.c.id,
            sources.c.name,
            sources.c.platform,
            sources.c.currency,
            sources.c.time_zone,
            sources.c.week_start,
        )
        .select_from(audiences)
        .outerjoin(
            sources, (sources.c.account_id == audiences.c.account_id) & (sources.c.audience_id == audiences.c.id)
        )
        .where(audiences.c.account_id == account_id)
        .order_by(audiences.c.id, sources.c.id)
        .limit(limit)
    )
