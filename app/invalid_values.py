"""Invalid values: what a client is told about a value that a schema refuses, in our words instead of Pydantic's."""

import re
from collections.abc import Mapping
from typing import Any

from app.words import Sentence

QUOTED_VALUE = re.compile("'([^']*)'")


class InvalidValueError(ValueError):
    """A validator refuses a value; the sentence says what to give instead."""

    def __init__(self, sentence: Sentence) -> None:
        """Pydantic hands the error on, so the sentence reaches the client."""
        super().__init__(sentence)
        self.sentence = sentence


NOT_EMPTY = Sentence("Do not leave this empty.")
OTHERWISE = Sentence("This is not valid here; the documentation of the API says what is.")
A_WHOLE_NUMBER = Sentence("Give a whole number.")
TRUE_OR_FALSE = Sentence("Give true or false.")
A_TEXT = Sentence("Give a text.")
A_LIST = Sentence("Give a list.")
AN_OBJECT = Sentence("Give a JSON object.")

OF_ERROR_TYPE = {
    "missing": Sentence("Give this: it is required."),
    "extra_forbidden": Sentence("Leave this out: it is not known here."),
    "repeated": Sentence("Give this only once."),
    "string_type": A_TEXT,
    "string_unicode": Sentence("Leave out control characters and lone surrogates."),
    "string_too_short": Sentence("Write at least {min_length} characters."),
    "string_too_long": Sentence("Write at most {max_length} characters."),
    "string_pattern_mismatch": Sentence("Use only the characters that the documentation of the API allows here."),
    "too_short": Sentence("Give at least {min_length} entries."),
    "too_long": Sentence("Give at most {max_length} entries."),
    "int_type": A_WHOLE_NUMBER,
    "int_parsing": A_WHOLE_NUMBER,
    "int_parsing_size": A_WHOLE_NUMBER,
    "int_from_float": A_WHOLE_NUMBER,
    "greater_than_equal": Sentence("Give a number that is at least {ge}."),
    "less_than_equal": Sentence("Give a number that is at most {le}."),
    "bool_type": TRUE_OR_FALSE,
    "bool_parsing": TRUE_OR_FALSE,
    "list_type": A_LIST,
    "dict_type": AN_OBJECT,
    "model_type": AN_OBJECT,
    "model_attributes_type": AN_OBJECT,
}
"""Pydantic's types of errors, and `repeated`, which is ours."""


def sentence_of(error: Mapping[str, Any]) -> Sentence:
    """What to tell about an error of Pydantic; its own text never reaches a client."""
    context = error.get("ctx", {})
    if isinstance(refused := context.get("error"), InvalidValueError):
        return refused.sentence
    if "expected" in context:
        return Sentence("Choose one of: {values}.", values=", ".join(QUOTED_VALUE.findall(context["expected"])))
    if context.get("min_length") == 1:
        return NOT_EMPTY
    limits = {name: value for name, value in context.items() if isinstance(value, int)}
    return OF_ERROR_TYPE.get(error["type"], OTHERWISE).filled(**limits)
