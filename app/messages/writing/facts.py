"""Facts: what a text may say about its recipient, by the names of the placeholders.

A name may be missing and most customers have no rank worth mentioning, so every template has to read well without
them: an absent fact is empty, and `{% if rank.place %}` tests for it.
"""

from dataclasses import asdict, dataclass, fields
from decimal import Decimal

from app.boards.metrics import METRIC_LABELS
from app.leaderboard.options import TIME_FRAME_LABELS
from app.messages.writing.local_forms import amount_in
from app.periods import TimeFrame
from app.vocabulary import Metric
from app.wire.text import fit_for_header
from app.words import Language, in_language

DESCRIPTIONS = {
    "customer.name": "Name of the customer; may be empty",
    "customer.greeting_name": "First name of the customer, or the name where it is not known; may be empty",
    "rank.place": "Place on the leaderboard; empty where the customer has none",
    "rank.metric": "What customers are ranked by",
    "rank.time_frame": "Time frame of the ranking",
    "rank.number_of_purchases": "How often the customer bought in that time frame",
    "rank.total_spend": "How much the customer spent in that time frame, with the currency",
    "store.name": "Name of the store",
    "store.url": "Web address of the store; may be empty",
}
"""Every name that a template may ask for."""


@dataclass(frozen=True, slots=True)
class Bought:
    """What a customer bought in the time frame of a board."""

    purchases: int
    spend: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Rank:
    """A rank on a board, with the board's labels and the spend in the language of the recipient."""

    place: int
    metric: str
    time_frame: str
    number_of_purchases: int | None = None
    total_spend: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """A recipient, their rank, and the store that writes."""

    store_name: str
    store_url: str | None = None
    customer_name: str | None = None
    rank: Rank | None = None
    customer_first_name: str | None = None

    def by_name(self) -> dict[str, dict[str, str | int | None]]:
        """The facts as templates see them. Names come from stores unchecked and are made harmless for a header."""
        return {
            "customer": {
                "name": made_fit(self.customer_name),
                "greeting_name": greeting_name(self.customer_first_name, self.customer_name),
            },
            "rank": asdict(self.rank) if self.rank else dict.fromkeys(field.name for field in fields(Rank)),
            "store": {
                "name": made_fit(self.store_name),
                "url": self.store_url if (self.store_url or "").startswith(("https://", "http://")) else None,
            },
        }


def ranked(place: int, metric: Metric, time_frame: TimeFrame, language: Language, bought: Bought | None = None) -> Rank:
    """A rank, with its board named and the spend written in a language."""
    return Rank(
        place,
        in_language(METRIC_LABELS[metric], language),
        in_language(TIME_FRAME_LABELS[time_frame], language),
        None if bought is None else bought.purchases,
        None if bought is None else amount_in(bought.spend, bought.currency, language),
    )


def greeting_name(first_name: str | None, name: str | None) -> str | None:
    """What a customer is greeted by: the first name, else the name; None when neither is known."""
    return made_fit(first_name) or made_fit(name)


def made_fit(text: str | None) -> str | None:
    """Text that is fit for a subject; None for what is blank."""
    return fit_for_header(text or "").strip() or None


def placeholders(language: Language) -> list[dict[str, str]]:
    """The placeholders of a text that a store writes itself, described in a language."""
    return [{"name": name, "description": in_language(text, language)} for name, text in DESCRIPTIONS.items()]
