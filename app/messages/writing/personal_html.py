"""Personal HTML: a sender's HTML is cleaned once, with its placeholders held out, and filled in for each recipient.

A placeholder may stand in text and in the value of an attribute. Conditions stand in text only, and all parts of one
lie in the same element, so that what is filled in is as well-formed as what was cleaned. Facts are escaped when they
are filled in, so the result needs no cleaning of its own.
"""

import re
import secrets
from collections.abc import Iterator

from app.invalid_values import InvalidValueError
from app.messages.writing.clean_html import clean_html
from app.words import Sentence

PLACEHOLDER = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
STORE_URL = re.compile(r"\{\{-?\s*store\.url\s*-?\}\}")
CLEAN_TAG = re.compile(r"""<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^">]|"[^"]*")*)>""")
KEYWORD = re.compile(r"\{%-?\s*(\w+)")
LITERAL = re.compile(r"'([^']*)'|\"([^\"]*)\"")
WRITES_HTML = re.compile(r"[<>&'\"]")
OPENING, CLOSING = {"if", "unless", "case"}, {"endif", "endunless", "endcase"}
VOID_TAGS = {"br", "col", "hr", "img"}


class MisplacedPlaceholderError(InvalidValueError):
    """A placeholder could change the HTML around it; the sentence says how."""


def clean_personal_html(source: str) -> str:
    """The clean HTML of a sender, with its placeholders where they were.

    Raises HtmlTooLarge, and MisplacedPlaceholderError for a placeholder that could change the HTML around it.
    """
    placeholders = PLACEHOLDER.findall(source)
    for each in placeholders:
        _refuse_html_in(each)
    name = f"x{secrets.token_hex(8)}x"
    held_out = iter([_held_out(name, number, each) for number, each in enumerate(placeholders)])
    cleaned = clean_html(PLACEHOLDER.sub(lambda _: next(held_out), source))
    mark = re.compile(rf"https://{name}(\d+)y\.invalid/|{name}(\d+)y")
    if {*_conditions(placeholders)} - {int(each[1] or each[2]) for each in mark.finditer(cleaned)}:
        raise MisplacedPlaceholderError(Sentence("A condition stands in HTML that is removed; put it elsewhere."))
    _refuse_misplaced_conditions(cleaned, mark, placeholders)
    return mark.sub(lambda each: placeholders[int(each[1] or each[2])], cleaned)


def _refuse_html_in(placeholder: str) -> None:
    """A literal in a placeholder is not escaped when it is filled in."""
    for single, double in LITERAL.findall(placeholder):
        if WRITES_HTML.search(single + double):
            raise MisplacedPlaceholderError(
                Sentence("A text in quotes inside a placeholder holds <, >, & or quotes; leave them out.")
            )


def _held_out(name: str, number: int, placeholder: str) -> str:
    """What stands for a placeholder while the HTML is cleaned; the store's address alone may begin a link."""
    mark = f"{name}{number}y"
    return f"https://{mark}.invalid/" if STORE_URL.fullmatch(placeholder) else mark


def _conditions(placeholders: list[str]) -> Iterator[int]:
    return (number for number, each in enumerate(placeholders) if each.startswith("{%"))


def _refuse_misplaced_conditions(html: str, mark: re.Pattern[str], placeholders: list[str]) -> None:
    """All parts of a condition lie in the text of one element."""
    elements = [0]
    conditions: list[int] = []
    place = 0
    for number, tag in enumerate([*CLEAN_TAG.finditer(html), None], 1):
        for each in mark.finditer(html, place, tag.start() if tag else len(html)):
            keyword = KEYWORD.match(placeholders[int(each[1] or each[2])])
            if keyword is not None:
                _follow_condition(keyword[1], elements[-1], conditions)
        if tag is None:
            return
        if any(KEYWORD.match(placeholders[int(each[1] or each[2])]) for each in mark.finditer(tag[3])):
            raise MisplacedPlaceholderError(Sentence("A condition stands inside a tag; put it in the text."))
        if tag[1]:
            elements.pop()
        elif tag[2].lower() not in VOID_TAGS:
            elements.append(number)
        place = tag.end()


def _follow_condition(keyword: str, element: int, conditions: list[int]) -> None:
    if keyword in OPENING:
        conditions.append(element)
    elif not conditions or conditions[-1] != element:
        raise MisplacedPlaceholderError(
            Sentence("A condition ends in another element than it begins in; put both into one.")
        )
    elif keyword in CLOSING:
        conditions.pop()
