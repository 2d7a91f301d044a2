"""Facts: what a text may say about its recipient, by the names of the placeholders.

A name may be missing and most customers have no rank worth mentioning, so every template has to read well without
them: an absent fact is empty, and `{% if rank.place %}` tests for it.
"""

from dataclasses import asdict, dataclass

from app.boards.metrics import METRIC_LABELS
from app.leaderboard.options import TIME_FRAME_LABELS
from app.periods import TimeFrame
from app.vocabulary import Metric
from app.wire.text import fit_for_header
from app.words import Language, in_language

DESCRIPTIONS = {
    "customer.name": "Name of the customer; may be empty",
    "rank.place": "Place on the leaderboard; empty where the customer has none",
    "rank.metric": "What customers are ranked by",
    "rank.time_frame": "Time frame of the ranking",
    "store.name": "Name of the store",
    "store.url": "Web address of the store; may be empty",
}
"""Every name that a template may ask for."""


@dataclass(frozen=True, slots=True)
class Rank:
    """A rank on a board, with the board's labels in the language of the recipient."""

    place: int
    metric: str
    time_frame: str


@dataclass(frozen=True, slots=True)
class Facts:
    """A recipient, their rank, and the store that writes."""

    store_name: str
    store_url: str | None = None
    customer_name: str | None = None
    rank: Rank | None = None

    def by_name(self) -> dict[str, dict[str, str | int | None]]:
        """The facts as templates see them. Names come from stores unchecked and are made harmless for a header."""
        return {
            "customer": {"name": made_fit(self.customer_name)},
            "rank": asdict(self.rank) if self.rank else dict.fromkeys(("place", "metric", "time_frame")),
            "store": {
                "name": made_fit(self.store_name),
                "url": self.store_url if (self.store_url or "").startswith(("https://", "http://")) else None,
            },
        }


def ranked(place: int, metric: Metric, time_frame: TimeFrame, language: Language) -> Rank:
    """A rank, with its board named in a language."""
    return Rank(
        place, in_language(METRIC_LABELS[metric], language), in_language(TIME_FRAME_LABELS[time_frame], language)
    )


def made_fit(text: str | None) -> str | None:
    """Text that is fit for a subject; None for what is blank."""
    return fit_for_header(text or "").strip() or None


def placeholders(language: Language) -> list[dict[str, str]]:
    """The placeholders of a text that a store writes itself, described in a language."""
    return [{"name": name, "description": in_language(text, language)} for name, text in DESCRIPTIONS.items()]
