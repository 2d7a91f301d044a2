"""Clean HTML: the parts of a sender's HTML that may stay in an e-mail.

Text, lists, tables, links and images stay, with inline styles that keep inside their own box. Scripts, style sheets,
forms, frames, comments and whatever would load from anywhere but https are removed. The result is well-formed: no
open tag can swallow the footer.
"""

import nh3

from app.problems import Problem

MOST_HTML_CHARACTERS = 100_000
"""Mail programs clip longer messages, which would cut off the footer and its unsubscribe link."""

MOST_TAGS = 2_000
"""Cleaning is quadratic in the depth of nesting: a second for the worst 2,000 tags, minutes beyond that."""

HTML_TAGS = {
    *("a", "b", "blockquote", "br", "center", "code", "dd", "div", "dl", "dt", "em", "font", "h1", "h2", "h3", "h4"),
    *("hr", "i", "img", "li", "ol", "p", "pre", "s", "small", "span", "strong", "sub", "sup", "u", "ul"),
    *("caption", "col", "colgroup", "table", "tbody", "td", "tfoot", "th", "thead", "tr"),
}

BOXES = {"align", "bgcolor", "border", "cellpadding", "cellspacing", "height", "role", "valign", "width"}
ATTRIBUTES = {
    "*": {"dir", "lang", "style", "title"},
    "a": {"href"},
    "font": {"color", "face", "size"},
    "img": {"align", "alt", "border", "height", "src", "width"},
    **{tag: {"align"} for tag in ("div", "h1", "h2", "h3", "h4", "p")},
    **dict.fromkeys(("table", "tbody", "tfoot", "thead", "tr"), BOXES),
    **{tag: BOXES | {"colspan", "rowspan", "scope"} for tag in ("td", "th")},
    **{tag: {"span", "width"} for tag in ("col", "colgroup")},
}

SIDES = ("top", "right", "bottom", "left")
STYLES = {
    *("background-color", "color", "direction", "display", "font-family", "font-size", "font-style", "font-weight"),
    *("letter-spacing", "line-height", "list-style-type", "text-align", "text-decoration", "text-transform"),
    *("vertical-align", "white-space", "word-break"),
    *("border", "border-collapse", "border-color", "border-radius", "border-spacing", "border-style", "border-width"),
    *("height", "max-height", "max-width", "min-width", "width", "margin", "padding"),
    *(f"{edge}-{side}" for edge in ("border", "margin", "padding") for side in SIDES),
}
"""No `position`, `float` or `background-image`: nothing may cover other content or load from elsewhere."""


class HtmlTooLarge(Problem):
    """The HTML has more than 100,000 characters or 2,000 tags: mail programs would not show all of it."""

    slug = "html-too-large"
    title = "The HTML is too large for a message"
    status = 422


def clean_html(html: str) -> str:
    """The HTML without what an e-mail may not hold; call it in a thread, because the worst takes a second."""
    if len(html) > MOST_HTML_CHARACTERS or html.count("<") > MOST_TAGS:
        raise HtmlTooLarge
    cleaned = CLEANER.clean(html)
    if len(cleaned) > 2 * MOST_HTML_CHARACTERS:  # tags that overlap are repeated until they nest
        raise HtmlTooLarge
    return cleaned


def _allowed(tag: str, attribute: str, value: str) -> str | None:
    """The value, or nothing where it would load what mail should not: an image over http, an address in a style."""
    if (tag, attribute) == ("img", "src") and not value.lower().startswith("https://"):
        return None
    return None if attribute == "style" and ("url(" in value.lower() or "\\" in value) else value


CLEANER = nh3.Cleaner(
    tags=HTML_TAGS,
    clean_content_tags={"script", "style", "title", "noscript", "template"},
    attributes=ATTRIBUTES,
    attribute_filter=_allowed,
    filter_style_properties=STYLES,
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer",
)
