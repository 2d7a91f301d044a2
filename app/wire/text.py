"""Text: one line without control characters, fit for the header of an e-mail where that is asked."""

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
LINE_ENDS = re.compile("[\x80-\x9f\u2028\u2029]")
"""What some readers of headers take for control characters or the end of a line, beside what is unprintable."""


def plain(text: str) -> str:
    """Text of one line: no control character, no lone surrogate."""
    if UNPRINTABLE.search(text):
        raise ValueError("must not hold control characters or lone surrogates")
    return text


def header_text(text: str) -> str:
    """Text that can stand in the header of an e-mail: some mail libraries unfold `=?` into further headers."""
    if "=?" in text or LINE_ENDS.search(text):
        raise ValueError("must be one line without control characters and =?")
    return plain(text)


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(plain)]

HeaderText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(header_text)
]
