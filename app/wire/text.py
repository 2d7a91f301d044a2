"""Text: what a line may hold, and what is fit for the header of a mail.

Whatever reads headers may take a control character for the end of a line, and some mail libraries
decode `=?` into further headers; so there is one rule for both.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from app.invalid_values import InvalidValueError
from app.words import Sentence

UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
"""Control characters, and everything else that some reader of headers takes for the end of a line."""
ENCODED_WORD = "=?"
"""The characters that begin an encoded word (RFC 2047). They are refused in headers: Python 3.11 decodes such a word
and writes the result into the header, line breaks included."""


def plain(text: str) -> str:
    """Text of one line: no control character, no lone surrogate."""
    if UNPRINTABLE.search(text):
        raise InvalidValueError(Sentence("Leave out control characters and lone surrogates."))
    return text


def is_fit_for_header(text: str) -> bool:
    """Whether text can stand in a header as it is."""
    return not (BREAKS.search(text) or UNPRINTABLE.search(text) or ENCODED_WORD in text)


def header_text(text: str) -> str:
    """Text that can stand in the header of a mail."""
    if not is_fit_for_header(text):
        raise InvalidValueError(Sentence("Write one line, without control characters and without =?."))
    return text


def on_one_line(text: str) -> str:
    """Text that ends no header and that UTF-8 can hold."""
    return BREAKS.sub(" ", text).encode("utf-8", "replace").decode()


def fit_for_header(text: str) -> str:
    """Text made fit for a header: on one line, and nothing that a reader would decode."""
    return on_one_line(text).replace(ENCODED_WORD, "= ?")


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(plain)]
HeaderText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(header_text)
]
