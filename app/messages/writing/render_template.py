"""Template rendering: a template filled in with the store's variables and the recipient's facts.

All variables are checked before anything is rendered. Each is short, of one line, and harmless in a header, because
any variable may reach the subject.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from babel.dates import format_date

from app.messages.writing.catalogue import TEMPLATES, TemplateName, Variable
from app.messages.writing.facts import Facts
from app.messages.writing.written_templates import WRITTEN_TEMPLATES
from app.problems import FieldError, Problem
from app.wire.instants import LOCAL_DATE
from app.wire.text import is_fit_for_header
from app.words import Language

LONGEST_TEXT = 200
LONGEST_LINK = 2_000
FEWEST_TEXTS, MOST_TEXTS = 2, 20

LINK_ADDRESS = re.compile(r"""https?://[^\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff<>"\\^`{|}]+""", re.IGNORECASE)

Said = Mapping[str, str | Sequence[str]]
"""The values that a store gives, by the names of the template's variables."""


class InvalidVariables(Problem):
    """The template does not take these variables, or needs others; `errors` names each."""

    slug = "invalid-variables"
    title = "The variables do not fit the template"
    status = 422


@dataclass(frozen=True, slots=True)
class Written:
    """A message as it will be read, without its footer."""

    subject: str
    text: str
    html: str | None


def render(name: TemplateName, language: Language, said: Said, facts: Facts) -> Written:
    """The message for one recipient; InvalidVariables names everything that is missing, unknown or not valid."""
    template = WRITTEN_TEMPLATES[name, language]
    words = {**facts.by_name(), **checked(name, language, said)}
    return Written(
        subject=template.subject.render(words).strip(),
        text=template.text.render(words).strip() + "\n",
        html=template.html.render(words),
    )


def checked(name: TemplateName, language: Language, said: Said) -> dict[str, str | list[str]]:
    """The store's variables, checked, with dates written out; a batch checks them before it looks for recipients."""
    variables = {variable.name: variable for variable in TEMPLATES[name].variables}
    wrong = [*_missing_or_unknown(variables, said)]
    written: dict[str, str | list[str]] = {}
    for each in sorted(variables.keys() & said.keys()):
        try:
            written[each] = _written(variables[each], said[each], language)
        except ValueError as error:
            wrong.append(_variable_error(each, "invalid_variable", str(error)))
    if wrong:
        raise InvalidVariables(errors=wrong[:100])
    return written


def _missing_or_unknown(variables: Mapping[str, Variable], said: Said) -> Iterator[FieldError]:
    for name, variable in variables.items():
        if variable.required and name not in said:
            yield _variable_error(name, "missing", "This template needs it")
    for name in said:
        if name not in variables:
            yield _variable_error(name, "unknown_variable", f"This template knows {', '.join(variables)}")


def _variable_error(name: str, code: str, detail: str) -> FieldError:
    shown = name[:80].encode("utf-8", "replace").decode().replace("~", "~0").replace("/", "~1")
    return {"in": "body", "pointer": f"#/variables/{shown}", "code": code, "detail": detail}


def _written(variable: Variable, value: str | Sequence[str], language: Language) -> str | list[str]:
    """A value as it is filled in; ValueError says what it must be."""
    if variable.kind == "texts":
        if isinstance(value, str) or not FEWEST_TEXTS <= len(value) <= MOST_TEXTS:
            raise ValueError(f"must be a list of {FEWEST_TEXTS} to {MOST_TEXTS} texts")
        return [_text_variable(each) for each in value]
    if not isinstance(value, str):
        raise ValueError("must be a text")  # noqa: TRY004 - every refusal of a value is one kind
    if variable.kind == "date":
        return _day(value, language)
    return _link_variable(value) if variable.kind == "link" else _text_variable(value)


def _text_variable(text: object) -> str:
    if not isinstance(text, str) or not 1 <= len(text.strip()) <= LONGEST_TEXT or not is_fit_for_header(text):
        raise ValueError(f"must be one line of 1 to {LONGEST_TEXT} characters, without control characters and =?")
    return text.strip()


def _link_variable(text: str) -> str:
    if len(text) > LONGEST_LINK or not LINK_ADDRESS.fullmatch(text):
        raise ValueError(f"must be an http or https address of at most {LONGEST_LINK} characters")
    return text


def _day(text: str, language: Language) -> str:
    try:
        day = date.fromisoformat(text if LOCAL_DATE.fullmatch(text) else "")
    except ValueError:
        raise ValueError("must be a date such as 2026-12-31") from None
    return format_date(day, format="long", locale=language.value)
