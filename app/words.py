"""Words: what people read, in the language that they ask for.

The code is written in English; an English text is the key to its translations, which lie in
`translations/*.po` and are read once, at the start. Codes and ids are never translated, and
what is stored is English.
"""

import re
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

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


PackedSentence = tuple[str, dict[str, str | int], str]


class Sentence:
    """What a client is told: an English text, the key to its translations, and what fills its {named} gaps.

    Without values braces stand for themselves.
    """

    __slots__ = ("english", "field", "values")

    def __init__(self, english: str, /, **values: str | int) -> None:
        """`values` are the same in every language: numbers, names of fields, codes."""
        self.english = english
        self.values = values
        self.field = ""

    def filled(self, **values: str | int) -> "Sentence":
        """The sentence with its gaps filled; values without a gap are ignored."""
        return Sentence(self.english, **values)

    def about(self, field: str) -> "Sentence":
        """The sentence with the name of a field in front."""
        sentence = self.filled(**self.values)
        sentence.field = field
        return sentence

    def packed(self) -> PackedSentence:
        """The sentence as another process can read it: it knows plain texts and no enums."""
        plain = {name: f"{value}" if isinstance(value, str) else value for name, value in self.values.items()}
        return self.english, plain, self.field

    @classmethod
    def unpacked(cls, packed: PackedSentence) -> "Sentence":
        """The sentence that was packed."""
        english, values, field = packed
        return cls(english, **values).about(field)

    def in_language(self, language: Language) -> str:
        """The sentence in a language."""
        text = in_language(self.english, language)
        filled = text.format(**self.values) if self.values else text
        return f"{self.field}: {filled}" if self.field else filled

    def __str__(self) -> str:
        """The sentence in English, for operators and for what is stored."""
        return self.in_language(Language.ENGLISH)


def said(value: Any, language: Language) -> Any:  # noqa: ANN401 - JSON with sentences in it
    """The value as JSON, each sentence in it in the language."""
    if isinstance(value, Sentence):
        return value.in_language(language)
    if isinstance(value, dict):
        return {name: said(each, language) for name, each in value.items()}
    return [said(each, language) for each in value] if isinstance(value, list) else value


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
