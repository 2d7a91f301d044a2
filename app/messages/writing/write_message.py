"""Writing a message: subject, text and HTML for one recipient, in their language."""

from dataclasses import dataclass
from typing import Protocol

from app.messages.rank_recipients import BoardRank
from app.messages.schemas import Wording
from app.messages.writing.clean_html import clean_html, refuse_large_html
from app.messages.writing.facts import Facts, ranked
from app.messages.writing.fill_text import filled_html, filled_subject, filled_text, personal_html
from app.messages.writing.render_template import Written, checked, render
from app.messages.writing.writing_thread import in_writing_thread
from app.words import Language

QUICK_CHARACTERS = 5_000
"""HTML up to this length is cleaned at once: that takes less time than handing it to a thread."""


class TextRecipient(Protocol):
    """What a text may show about its recipient."""

    @property
    def name(self) -> str | None:
        """How they are called."""

    @property
    def first_name(self) -> str | None:
        """Their first name, where it is known by itself."""

    @property
    def store(self) -> str:
        """The name of the store."""

    @property
    def store_url(self) -> str | None:
        """The address of the store on the web."""

    @property
    def language(self) -> str | None:
        """The language they read."""

    @property
    def store_language(self) -> str | None:
        """The language that the store writes in."""


def language_for(wording: Wording, reader: TextRecipient) -> Language:
    """The language that the request names, else the recipient's own, else the store's, else English."""
    return wording.language or Language(reader.language or reader.store_language or Language.ENGLISH)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a request says, checked and cleaned, before anything is known of its recipients."""

    wording: Wording
    html: str | None

    @property
    def for_everybody(self) -> Written | None:
        """The text, where it is the same for every recipient; None where it is written for each."""
        if self.wording.template is not None or self.wording.personalise:
            return None
        html = self.html if self.html and self.html.strip() else None
        return Written(self.wording.subject or "", self.wording.text or "", html)

    def written_for(self, reader: TextRecipient, board_rank: BoardRank | None) -> Written:
        """Subject, text and HTML for one recipient, without the footer."""
        if self.for_everybody is not None:
            return self.for_everybody
        wording, language = self.wording, language_for(self.wording, reader)
        rank = None
        if board_rank is not None:
            board = board_rank.board
            rank = ranked(board_rank.rank, board.metric, board.time_frame, language, board_rank.bought)
        facts = Facts(
            store_name=reader.store,
            store_url=reader.store_url,
            customer_name=reader.name,
            customer_first_name=reader.first_name,
            rank=rank,
        )
        if wording.template is not None:
            return render(wording.template, language, wording.variables, facts)
        html = filled_html(self.html, facts) if self.html is not None else None
        subject, text = filled_subject(wording.subject or "", facts), filled_text(wording.text or "", facts)
        return Written(subject, text, html if html and html.strip() else None)


async def drafted(wording: Wording) -> Draft:
    """Check and clean what a request says, in a thread where that takes long; raises the problems of the wording.

    HTML that is empty after cleaning is dropped; otherwise HTML readers would see a blank mail instead of the text.
    """
    if wording.template is not None:
        checked(wording.template, wording.language or Language.ENGLISH, wording.variables)
    html = wording.html
    if html is not None:
        refuse_large_html(html)
        clean = personal_html if wording.personalise else clean_html
        html = clean(html) if len(html) <= QUICK_CHARACTERS else await in_writing_thread(clean, html)
    return Draft(wording, html)
