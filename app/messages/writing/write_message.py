"""Writing a message: subject, text and HTML for one recipient, in their language."""

from functools import lru_cache
from typing import Any

from app.messages.rank_recipients import Place
from app.messages.schemas import Wording
from app.messages.writing.clean_html import clean_html
from app.messages.writing.facts import Facts, ranked
from app.messages.writing.fill_text import filled_html, filled_subject, filled_text
from app.messages.writing.render_template import Written, render
from app.words import Language

cleaned_once = lru_cache(16)(clean_html)
"""A batch is one HTML for many."""


def language_for(wording: Wording, own: str | None) -> Language:
    """The language that is asked for, else the customer's own, else English."""
    return wording.language or Language(own or Language.ENGLISH)


def written(wording: Wording, person: Any, place: Place | None) -> Written:  # noqa: ANN401 - a row of RECIPIENTS
    """What the person will read, but for the footer; raises the problems of what cannot be filled in.

    HTML of which nothing is left is none: whoever reads HTML would see an empty mail instead of the text.
    """
    language = language_for(wording, person.language)
    rank = None if place is None else ranked(place.rank, place.board.metric, place.board.time_frame, language)
    facts = Facts(store_name=person.store, customer_name=person.name, rank=rank)
    if wording.template is not None:
        return render(wording.template, language, wording.variables, facts)
    subject, text, html = wording.subject or "", wording.text or "", wording.html
    if wording.personalise:
        html = None if html is None else filled_html(html, facts)
        subject, text = filled_subject(subject, facts), filled_text(text, facts)
    elif html is not None:
        html = cleaned_once(html)
    return Written(subject, text, html if html and html.strip() else None)
