"""Template rendering: a template filled in with the store's variables and the recipient's facts.

All variables are checked before anything is rendered. Each is short, of one line, and harmless in a header, because
any variable may reach the subject.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from app.invalid_values import A_TEXT, InvalidValueError
from app.messages.writing.catalogue import TEMPLATES, TemplateName, Variable
from app.messages.writing.facts import Facts
from app.messages.writing.local_forms import day_in, percent_in
from app.messages.writing.written_templates import WRITTEN_TEMPLATES
from app.problems import FieldError, Problem
from app.wire.instants import LOCAL_DATE
from app.wire.text import is_fit_for_header
from app.words import Language, Sentence

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
        except InvalidValueError as error:
            wrong.append(_variable_error(each, "invalid_variable", error.sentence))
    if wrong:
        raise InvalidVariables(errors=wrong[:100])
    return written


def _missing_or_unknown(variables: Mapping[str, Variable], said: Said) -> Iterator[FieldError]:
    for name, variable in variables.items():
        if variable.required and name not in said:
            yield _variable_error(name, "missing", Sentence("Give this variable: the template needs it."))
    for name in said:
        if name not in variables:
            unknown = Sentence("Leave this out: the template takes only {variables}.", variables=", ".join(variables))
            yield _variable_error(name, "unknown_variable", unknown)


def _variable_error(name: str, code: str, detail: Sentence) -> FieldError:
    shown = name[:80].encode("utf-8", "replace").decode().replace("~", "~0").replace("/", "~1")
    return {"in": "body", "pointer": f"#/variables/{shown}", "code": code, "detail": detail}


def _written(variable: Variable, value: str | Sequence[str], language: Language) -> str | list[str]:
    """A value as it is filled in; InvalidValueError says what to give."""
    if variable.kind == "texts":
        if isinstance(value, str) or not FEWEST_TEXTS <= len(value) <= MOST_TEXTS:
            raise InvalidValueError(
                Sentence("Give a list of {fewest} to {most} texts.", fewest=FEWEST_TEXTS, most=MOST_TEXTS)
            )
        return [_text_variable(each) for each in value]
    if not isinstance(value, str):
        raise InvalidValueError(A_TEXT)
    if variable.kind == "date":
        return _day(value, language)
    if variable.kind == "link":
        return _link_variable(value)
    text = _text_variable(value)
    return percent_in(text, language) if variable.is_discount else text


def _text_variable(text: object) -> str:
    if not isinstance(text, str) or not 1 <= len(text.strip()) <= LONGEST_TEXT or not is_fit_for_header(text):
        raise InvalidValueError(
            Sentence(
                "Write one line of 1 to {most} characters, without control characters and without =?.",
                most=LONGEST_TEXT,
            )
        )
    return text.strip()


def _link_variable(text: str) -> str:
    if len(text) > LONGEST_LINK or not LINK_ADDRESS.fullmatch(text):
        raise InvalidValueError(
            Sentence("Give an http or https address of at most {most} characters.", most=LONGEST_LINK)
        )
    return text


def _day(text: str, language: Language) -> str:
    try:
        day = date.fromisoformat(text if LOCAL_DATE.fullmatch(text) else "")
    except ValueError:
        raise InvalidValueError(Sentence("Give a date such as 2026-12-31.")) from None
    return day_in(day, language)
