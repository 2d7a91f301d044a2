"""Text filling: a sender's text with `{{ customer.name }}` and the like filled in.

The language is a small part of Liquid in which nothing can run long: no loop, no variable of one's own, no range, no
filter that multiplies. Each placeholder runs once at most, and their number and length are bounded before the parser
sees them. Unknown names are found in the text alone, not by recipient, so that a batch does not fail half
way.
"""

import re
from functools import lru_cache
from typing import Any, ClassVar, Never

from liquid import BoundTemplate, Environment
from liquid.builtin import content, illegal, output
from liquid.builtin.filters import misc, string
from liquid.builtin.tags import case_tag, if_tag, unless_tag
from liquid.exceptions import LiquidError, ResourceLimitError

from app.messages.writing.clean_html import refuse_large_html
from app.messages.writing.facts import DESCRIPTIONS, Facts
from app.messages.writing.personal_html import MisplacedPlaceholderError, clean_personal_html
from app.problems import FieldError, Problem
from app.wire.text import is_fit_for_header
from app.words import Sentence

MOST_FILLED_CHARACTERS = 100_000
MOST_PLACEHOLDERS = 200
LONGEST_PLACEHOLDER = 300
LONGEST_SUBJECT = 250

DELIMITER = re.compile(r"\{\{|\{%|\}\}|%\}")
CLOSER = {"{{": "}}", "{%": "%}"}
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
TAG = re.compile(r"-?\s*(\w*)")
LIQUID_TAGS = {"if", "elsif", "else", "endif", "unless", "endunless", "case", "when", "endcase"}
LIQUID_FILTERS = {
    "capitalize": string.capitalize,
    "default": misc.default,
    "downcase": string.downcase,
    "strip": string.strip,
    "upcase": string.upcase,
}
"""The filters; none makes text longer."""

NOT_CLOSED = Sentence("Line {line} opens a placeholder that is not closed within {most} characters.")
HAS_A_RANGE = Sentence("Line {line} has a range, which is not known here.")
UNKNOWN_TAG = Sentence("Line {line} has an unknown tag; the tags are {tags}.")

FAILURES = (LiquidError, ArithmeticError, TypeError, ValueError, RecursionError)


class InvalidPlaceholder(Problem):
    """A placeholder cannot be filled in: it is not closed, or asks for something that is not there."""

    slug = "invalid-placeholder"
    title = "A placeholder in the text is not valid"
    status = 422


class SmallLiquid(Environment):
    """Liquid without whatever repeats, remembers or reads files."""

    block_nesting_limit: ClassVar[int] = 10
    context_depth_limit: ClassVar[int] = 10
    output_stream_limit: ClassVar[int | None] = 4 * MOST_FILLED_CHARACTERS

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Only what is listed above; `extra` is the library's and adds nothing."""
        del extra
        for tag in (content.Literal, output.Output, illegal.Illegal, if_tag.IfTag, unless_tag.UnlessTag):
            self.add_tag(tag)
        self.add_tag(case_tag.CaseTag)
        self.filters.update(LIQUID_FILTERS)


OWN_TEXT, OWN_HTML = SmallLiquid(), SmallLiquid(autoescape=True)


def filled_text(source: str, facts: Facts) -> str:
    """The text for this recipient."""
    return _filled("text", source, facts)


def filled_subject(source: str, facts: Facts) -> str:
    """The subject for this recipient; what a placeholder makes of it has to fit a header too."""
    subject = _filled("subject", source, facts).strip()
    if not subject or len(subject) > LONGEST_SUBJECT or not is_fit_for_header(subject):
        _refuse(
            "subject",
            Sentence(
                "Filled in, the subject must be one line of 1 to {most} characters, without =?.", most=LONGEST_SUBJECT
            ),
        )
    return subject


def personal_html(source: str) -> str:
    """The sender's HTML, cleaned, with placeholders that `filled_html` fills in; call it in a thread."""
    refuse_large_html(source)
    if _has_placeholder(source):
        _template("html", source)
    try:
        return clean_personal_html(source)
    except MisplacedPlaceholderError as misplaced:
        _refuse("html", misplaced.sentence)


def filled_html(personal: str, facts: Facts) -> str:
    """The HTML for this recipient, facts escaped; `personal` is what `personal_html` has returned."""
    return _filled("html", personal, facts)


def _filled(field: str, source: str, facts: Facts) -> str:
    if not _has_placeholder(source):
        return source
    template = _template(field, source)
    try:
        return template.render(**facts.by_name())
    except FAILURES as failure:
        _refuse(field, _failure_reason(failure, source))


def _has_placeholder(source: str) -> bool:
    return "{{" in source or "{%" in source


@lru_cache(32)
def _template(field: str, source: str) -> BoundTemplate:
    """The text parsed and checked; a batch is many recipients of few texts."""
    _measure(field, source)
    try:
        template = (OWN_HTML if field == "html" else OWN_TEXT).from_string(source)
        asked = [(name, found[0].span.index) for name, found in _names(template).items()]
    except FAILURES as failure:
        _refuse(field, _failure_reason(failure, source))
    for name, place in asked:
        if name not in DESCRIPTIONS:
            line, names = _line_number(source, place), ", ".join(DESCRIPTIONS)
            unknown = Sentence("Line {line} asks for an unknown name; the names are {names}.", line=line, names=names)
            _refuse(field, unknown, "unknown_variable")
    return template


def _names(template: BoundTemplate) -> dict[str, list[Any]]:
    """The paths that a template asks for, dotted, with where it does."""
    return {
        ".".join(str(segment) for segment in variable.segments): [variable]
        for variables in template.analyze(include_partials=False).variables.values()
        for variable in variables
    }


def _measure(field: str, source: str) -> None:
    """Refuse what would keep the parser busy; linear in the text."""
    if len(source) > MOST_FILLED_CHARACTERS:
        _refuse(field, Sentence("Write at most {max_length} characters.", max_length=MOST_FILLED_CHARACTERS))
    opened, placeholders = None, 0
    for delimiter in DELIMITER.finditer(source):
        if opened is None:
            opened = delimiter if delimiter[0] in CLOSER else None
            continue
        wrong = _wrong_with(source[opened.end() : delimiter.start()], opened[0], delimiter[0])
        if wrong is not None:
            _refuse(field, _about_line(wrong, source, opened.start()))
        opened, placeholders = None, placeholders + 1
        if placeholders > MOST_PLACEHOLDERS:
            _refuse(field, Sentence("Use at most {most} placeholders.", most=MOST_PLACEHOLDERS))
    if opened is not None:
        _refuse(field, _about_line(NOT_CLOSED, source, opened.start()))


def _wrong_with(inside: str, opener: str, closer: str) -> Sentence | None:
    if closer != CLOSER[opener] or len(inside) > LONGEST_PLACEHOLDER:
        return NOT_CLOSED
    if "(" in QUOTED.sub("", inside):
        return HAS_A_RANGE
    tag = TAG.match(inside)
    if opener == "{%" and (tag is None or tag[1] not in LIQUID_TAGS):
        return UNKNOWN_TAG
    return None


def _failure_reason(failure: Exception, source: str) -> Sentence:
    """What is wrong and where, in our words: the library's quote the text."""
    if isinstance(failure, ResourceLimitError):
        return Sentence("The text nests conditions too deep or becomes too long: simplify it.")
    token = getattr(failure, "token", None)
    place = token.start_index if token is not None else -1
    filters = ", ".join(LIQUID_FILTERS)
    if place < 0:
        return Sentence("A placeholder cannot be read; the filters are {filters}.", filters=filters)
    line = _line_number(source, place)
    return Sentence("Line {line} cannot be read; the filters are {filters}.", line=line, filters=filters)


def _about_line(sentence: Sentence, source: str, place: int) -> Sentence:
    tags = ", ".join(sorted(LIQUID_TAGS))
    return sentence.filled(line=_line_number(source, place), most=LONGEST_PLACEHOLDER, tags=tags)


def _line_number(source: str, place: int) -> int:
    return source.count("\n", 0, place) + 1


def _refuse(field: str, detail: Sentence, code: str = "invalid_placeholder") -> Never:
    error: FieldError = {"in": "body", "pointer": f"#/{field}", "code": code, "detail": detail}
    raise InvalidPlaceholder(errors=[error]) from None
