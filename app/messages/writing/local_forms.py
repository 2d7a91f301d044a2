"""Local forms: amounts, days and percentages as people write them in each language, with the articles they need.

In Italian the article before a number depends on how the number sounds: it loses its vowel before 8 and 11.
"""

import copy
import re
from datetime import date
from decimal import Decimal

from babel import Locale
from babel.dates import format_date

from app.words import Language

PERCENT = re.compile(r"(?<=\d)\s*%")
PERCENT_SIGNS = {Language.GERMAN: "\u00a0%", Language.SPANISH: "\u00a0%"}
"""How a percentage ends, where it has a space before the sign."""

CODE_BEFORE_NUMBER = re.compile(r"(?<=[A-Z])(?=\d)")
STARTS_WITH_NUMBER = re.compile(r"\d+")
SHARE = re.compile(r"\d+(?:[.,]\d+)?\s*%")
APOSTROPHE = "\u2019"
ELIDED = {"il": "l", "al": "all", "dal": "dall"}
ONE, ELEVEN = "1", "11"


def amount_in(amount: Decimal, currency: str, language: Language) -> str:
    """An amount with its currency; it keeps all of its digits."""
    locale = Locale.parse(language.value)
    pattern = copy.copy(locale.currency_formats["standard"])
    digits = max(0, -int(amount.as_tuple().exponent))
    pattern.frac_prec = (digits, digits)
    return CODE_BEFORE_NUMBER.sub(
        "\u00a0", str(pattern.apply(amount, locale, currency=currency, currency_digits=False))
    )


def day_in(day: date, language: Language) -> str:
    """A day written out."""
    written = str(format_date(day, format="long", locale=language.value))
    return re.sub(r"^1 ", "1° ", written) if language is Language.ITALIAN else written


def percent_in(text: str, language: Language) -> str:
    """A text with its percentages as the language spaces them."""
    return PERCENT.sub(PERCENT_SIGNS.get(language, "%"), text)


def with_article(text: str, article: str) -> str:
    """A day or a percentage with its article; a discount that is no percentage, such as `5 €`, stands without one."""
    if article in {"il", "un"} and not SHARE.match(text):
        return text
    return f"{ELIDED[article]}{APOSTROPHE}{text}" if article in ELIDED and _is_elided(text) else f"{article} {text}"


def _is_elided(text: str) -> bool:
    """Whether an Italian says the number with a vowel first: uno, otto, undici, ottanta, ottocento."""
    number = STARTS_WITH_NUMBER.match(text)
    if number is None or text.startswith("1°"):
        return False
    return number[0] in {ONE, ELEVEN} or number[0].startswith("8")
