"""Options: what the drop-downs of a leaderboard offer, in the words that its users know."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from app.leaderboard.ranking import Metric
from app.leaderboard.schemas import Choice, OfferedAudience, OfferedSource, Options
from app.periods import TimeFrame
from app.wire.ids import public_id
from app.words import Language, in_language

MOST_STORES = 1000
"""Sources, and audiences without any, that one answer lists."""

FILTERS = {
    "audience": "Current audience",
    "source": "Source",
    "rank_by": "Rank Based On",
    "time_frame": "Time Frame",
}
"""The drop-downs, by the parameter of the board that each one sets."""

METRICS = {
    Metric.PURCHASES: "Number of purchases",
    Metric.AVERAGE: "Average order amount",
    Metric.SPEND: "Total spend",
}

TIME_FRAMES = {
    TimeFrame.LAST_WEEK: "Last week",
    TimeFrame.LAST_MONTH: "Last month",
    TimeFrame.MONTH_TO_DATE: "Month-to-date",
    TimeFrame.LAST_QUARTER: "Last quarter",
    TimeFrame.QUARTER_TO_DATE: "Quarter-to-date",
    TimeFrame.LAST_YEAR: "Last year",
    TimeFrame.YEAR_TO_DATE: "Year-to-date",
    TimeFrame.LAST_365_DAYS: "Last 365 days",
    TimeFrame.ALL_TIME: "All time",
    TimeFrame.CUSTOM: "Custom",
}


def offered(rows: Sequence[Any], language: Language) -> Options:
    """The options for rows of `connected`, of which one more than fits is asked for."""
    stores = groupby(rows[:MOST_STORES], key=lambda row: (row.audience_id, row.audience))
    return Options(
        filters=labelled(FILTERS, language),
        audiences=[
            OfferedAudience(
                id=public_id("aud", audience_id),
                name=name,
                sources=[
                    OfferedSource(
                        id=public_id("src", row.id),
                        name=row.name,
                        platform=row.platform,
                        currency=row.currency,
                        time_zone=row.time_zone,
                        week_start=row.week_start,
                    )
                    for row in members
                    if row.id is not None
                ],
            )
            for (audience_id, name), members in stores
        ],
        metrics=labelled(METRICS, language),
        time_frames=labelled(TIME_FRAMES, language),
        complete=len(rows) <= MOST_STORES,
    )


def labelled(labels: Mapping[Any, str], language: Language) -> list[Choice]:
    """Choices with their labels in a language."""
    return [Choice(value=value, label=in_language(english, language)) for value, english in labels.items()]
