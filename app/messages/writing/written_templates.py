"""Written templates: the files that hold what is sent, as a translator writes them, made into Liquid.

A file begins with its subject; blank lines separate its paragraphs. A line that begins with `- ` is
a point of a list, `[label]({{ link }})` on a line of its own is a button, and a line that holds
nothing but a tag opens or closes a part that can be left out. Text and HTML come from the same words
and cannot disagree. German, Italian and Spanish use the informal du, tu and tú, and no word that
gives the reader a gender.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from liquid import BoundTemplate, Environment

from app.messages.writing.catalogue import TemplateName
from app.messages.writing.local_forms import with_article
from app.words import Language

FOLDER = Path(__file__).parent / "templates"
SUBJECT = "Subject: "

Form = Literal["text", "html"]

TAG_LINE = re.compile(r"\{%[^%]*%\}")
BUTTON_LINE = re.compile(r"\[(?P<label>[^\]]+)\]\((?P<link>\{\{ \w+ \}\})\)")

PAGE_STYLE = "color:#1a1a1a;font-family:sans-serif;font-size:16px;line-height:1.5;margin:0 auto;max-width:36em"
BUTTON_STYLE = (
    "background-color:#1a1a1a;border-radius:4px;color:#ffffff;display:inline-block;padding:10px 20px;"
    "text-decoration:none"
)


class OurLiquid(Environment):
    """The language of our own files, with limits: a store's variables may be long."""

    block_nesting_limit: ClassVar[int] = 5
    context_depth_limit: ClassVar[int] = 10
    loop_iteration_limit: ClassVar[int | None] = 100
    local_namespace_limit: ClassVar[int | None] = 1
    output_stream_limit: ClassVar[int | None] = 100_000

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """All of Liquid, and a filter for numbers that need an article in front."""
        super().setup_tags_and_filters(extra=extra)
        self.add_filter("with_article", with_article)


TEMPLATE_TEXT, TEMPLATE_HTML = OurLiquid(), OurLiquid(autoescape=True)


@dataclass(frozen=True, slots=True)
class WrittenTemplate:
    """One template in one language, ready to be filled in."""

    subject: BoundTemplate
    text: BoundTemplate
    html: BoundTemplate


def sheet_of(source: str, language: Language) -> WrittenTemplate:
    """The template in a file."""
    subject, _, body = source.partition("\n\n")
    paragraphs = [paragraph.splitlines() for paragraph in body.strip().split("\n\n")]
    html = "\n".join(_paragraph(lines, "html") for lines in paragraphs)
    return WrittenTemplate(
        subject=TEMPLATE_TEXT.from_string(subject.removeprefix(SUBJECT)),
        text=TEMPLATE_TEXT.from_string("".join(_paragraph(lines, "text") for lines in paragraphs)),
        html=TEMPLATE_HTML.from_string(f'<div lang="{language}" style="{PAGE_STYLE}">\n{html}\n</div>'),
    )


def _paragraph(lines: list[str], form: Form) -> str:
    """Lines as Liquid; the tags around a paragraph are around its element, those around the points of a list inside."""
    tags = [line for line in lines if TAG_LINE.fullmatch(line)]
    opened, closed = "".join(tags[:1]), "".join(tags[1:])
    shown = [line for line in lines if line not in tags]
    if shown[0].startswith("- "):
        points = [f"<li>{line.removeprefix('- ')}</li>" if form == "html" else f"{line}\n" for line in shown]
        inside = f"{opened}{''.join(points)}{closed}"
        return f"<ul>{inside}</ul>" if form == "html" else f"{inside}\n"
    between = "<br>" if form == "html" else "\n"
    words = between.join(_button_line(line, form) for line in shown)
    element = f"<p>{words}</p>" if form == "html" else f"{words}\n\n"
    return f"{opened}{element}{closed}"


def _button_line(line: str, form: Form) -> str:
    as_html = rf'<a href="\g<link>" style="{BUTTON_STYLE}">\g<label></a>'
    return BUTTON_LINE.sub(as_html if form == "html" else r"\g<label>: \g<link>", line)


WRITTEN_TEMPLATES = {
    (name, language): sheet_of((FOLDER / f"{name}.{language}.liquid").read_text("utf-8"), language)
    for name in TemplateName
    for language in Language
}
"""Read at the start: a missing file stops the process, not a message."""
