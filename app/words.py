"""Words: what people read, in the language that they ask for.

The code is written in English; an English text is the key to its translations, which lie in
`translations/*.po` and are read once, at the start. Codes, ids and sentences for programmers
are never translated.
"""

import re
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from babel.messages.pofile import read_po
from starlette.datastructures import Headers

TRANSLATIONS = Path(__file__).parent / "translations"

LONGEST_WISH = 500
"""The longest Accept-Language that is read; a longer one is ignored."""

REMEMBERED_WISHES = 1024

LANGUAGE_RANGE = re.compile(
    r"\s*(?P<primary>[a-z]{1,8}|\*)(?:-[a-z0-9]{1,8})*\s*(?:;\s*q\s*=\s*(?P<quality>0(?:\.\d*)?|1(?:\.0*)?)\s*)?",
    re.ASCII | re.IGNORECASE,
)


class Language(StrEnum):
    """The languages of answers; the first is the default."""

    ENGLISH = "en"
    GERMAN = "de"
    ITALIAN = "it"
    SPANISH = "es"


def translations(language: Language) -> dict[str, str]:
    """The texts of a language by their English ones."""
    with (TRANSLATIONS / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language.value, charset="utf-8", abort_invalid=True)
    return {
        message.id: message.string
        for message in catalogue
        if isinstance(message.id, str) and message.id and isinstance(message.string, str) and message.string
    }


CATALOGUES = {language: translations(language) for language in Language if language is not Language.ENGLISH}


def in_language(english: str, language: Language) -> str:
    """A text in a language; in English where that has no translation."""
    return CATALOGUES[language].get(english, english) if language in CATALOGUES else english


def language_of(headers: Headers) -> Language:
    """The language to answer a request in."""
    return negotiated(",".join(headers.getlist("accept-language")))


def negotiated(accept_language: str) -> Language:
    """The language that an Accept-Language likes best: a region counts as its language, `*` as any not named."""
    return _negotiated(accept_language) if len(accept_language) <= LONGEST_WISH else Language.ENGLISH


@lru_cache(REMEMBERED_WISHES)
def _negotiated(accept_language: str) -> Language:
    matches = [LANGUAGE_RANGE.fullmatch(part) for part in accept_language.split(",")]
    wishes = [(match["primary"].lower(), float(match["quality"] or 1)) for match in matches if match]
    named = {primary for primary, _ in wishes}
    for primary, quality in sorted(wishes, key=lambda wish: -wish[1]):
        for language in Language:
            if quality > 0 and (primary == language or (primary == "*" and language not in named)):
                return language
    return Language.ENGLISH
