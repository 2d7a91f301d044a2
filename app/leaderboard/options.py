"""Options: the choices in the drop-downs of a leaderboard, with their labels."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from app.boards.metrics import METRIC_LABELS
from app.leaderboard.schemas import Choice, OfferedAudience, OfferedSource, Options
from app.periods import TimeFrame
from app.wire.ids import public_id
from app.words import Language, in_language

MOST_STORES = 1000
"""The most sources that one answer lists; an audience without sources counts as one."""

FILTER_LABELS = {
    "audience": "Current audience",
    "source": "Source",
    "rank_by": "Rank Based On",
    "time_frame": "Time Frame",
}
"""The drop-downs, by the parameter of the board that each one sets."""

TIME_FRAME_LABELS = {
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


class OfferedRow(NamedTuple):
    """An audience with one of its sources; the source's fields are None when it has no source."""

    audience_id: int
    audience: str
    id: int | None
    name: str | None
    platform: str | None
    currency: str | None
    time_zone: str | None
    week_start: str | None


def offered(rows: Sequence[OfferedRow], language: Language) -> Options:
    """Read the options; one row more than fits shows that the list is not complete."""
    stores = groupby(rows[:MOST_STORES], key=lambda row: (row.audience_id, row.audience))
    return Options(
        filters=labelled(FILTER_LABELS, language),
        audiences=[
            OfferedAudience(
                id=public_id("aud", audience_id),
                name=name,
                sources=[
                    OfferedSource.model_validate(row._asdict() | {"id": public_id("src", row.id)})
                    for row in members
                    if row.id is not None
                ],
            )
            for (audience_id, name), members in stores
        ],
        metrics=labelled(METRIC_LABELS, language),
        time_frames=labelled(TIME_FRAME_LABELS, language),
        complete=len(rows) <= MOST_STORES,
    )


def labelled(labels: Mapping[Any, str], language: Language) -> list[Choice]:
    """Choices with their labels in a language."""
    return [Choice(value=value, label=in_language(english, language)) for value, english in labels.items()]
