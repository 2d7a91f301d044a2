"""Clean HTML: the parts of a sender's HTML that may stay in an e-mail.

Text, lists, tables, links and images stay, with inline styles that keep inside their own box. Scripts, style sheets,
forms, frames, comments and whatever would load from anywhere but https are removed. The result is well-formed: no
open tag can swallow the footer.
"""

import re

import nh3

from app.problems import Problem

MOST_HTML_CHARACTERS = 100_000
"""Mail programs clip longer messages, which would cut off the footer and its unsubscribe link."""

MOST_TAGS = 2_000
MOST_NESTED_TAGS = 100
"""Cleaning is quadratic in the depth of nesting: minutes for HTML that nests some thousand tags."""

UNNESTED_TAGS = {
    *("br", "col", "colgroup", "dd", "dt", "hr", "img", "li", "p", "tbody", "td", "tfoot", "th", "thead", "tr"),
}
"""What browsers close by themselves, so that it may stay open in what people write."""

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


MOST_ATTRIBUTES = 40
MOST_SCANNED_CHARACTERS = 10 * MOST_HTML_CHARACTERS
"""The cleaner compares each attribute of a tag with all others, so their number is checked before."""

TAG_START = re.compile(r"<[a-zA-Z/][^\s/>]*")
ATTRIBUTE = re.compile(r"""[\s/]*(?!>)=?[^\s/>=]*(?:\s*=\s*(?:"[^"]*"?|'[^']*'?|[^\s>]*))?""")
"""One attribute as browsers read it: a quote counts only at the start of a value."""


FORBIDDEN_IN_STYLE = re.compile(r"url\(|calc|var\(|clamp|m(?:in|ax)\(|\\|(?<![\w#])-\s*\.?\d", re.IGNORECASE)
"""What loads, hides what it is, or moves out of its box: addresses, computed and negative lengths, escapes."""


class HtmlTooLarge(Problem):
    """The HTML has more than 100,000 characters, 2,000 tags, 100 nested tags or 40 attributes in a tag: simplify it."""

    slug = "html-too-large"
    title = "The HTML is too large for a message"
    status = 422


def clean_html(html: str) -> str:
    """The HTML without what an e-mail may not hold; call it in a thread, because the worst takes a second."""
    refuse_large_html(html)
    cleaned = CLEANER.clean(html)
    if len(cleaned) > 2 * MOST_HTML_CHARACTERS:  # tags that overlap are repeated until they nest
        raise HtmlTooLarge
    return cleaned


def refuse_large_html(html: str) -> None:
    """Raise HtmlTooLarge for what would take long to clean; this itself takes a moment, whatever the HTML is."""
    is_large = len(html) > MOST_HTML_CHARACTERS or html.count("<") > MOST_TAGS
    if is_large or _nests_too_deep(html) or _has_too_many_attributes(html):
        raise HtmlTooLarge


def _nests_too_deep(html: str) -> bool:
    depth = 0
    for start in TAG_START.finditer(html):
        name = start[0][1:].lower()
        if name.startswith("/"):
            depth = max(0, depth - 1) if name[1:] not in UNNESTED_TAGS else depth
        elif name not in UNNESTED_TAGS:
            depth += 1
            if depth > MOST_NESTED_TAGS:
                return True
    return False


def _has_too_many_attributes(html: str) -> bool:
    """Whether any tag has; each `<` counts as a tag wherever it stands, so that no quote or comment hides one."""
    scanned = 0
    for start in TAG_START.finditer(html):
        place = start.end()
        for _ in range(MOST_ATTRIBUTES + 1):
            attribute = ATTRIBUTE.match(html, place)
            if attribute is None or attribute.end() == place:
                break
            scanned += attribute.end() - place
            place = attribute.end()
        else:
            return True
        if scanned > MOST_SCANNED_CHARACTERS:
            return True
    return False


def _allowed(tag: str, attribute: str, value: str) -> str | None:
    """The value, or None where it would load what mail should not, or move what is not its own."""
    if (tag, attribute) == ("img", "src") and not value.lower().startswith("https://"):
        return None
    return None if attribute == "style" and FORBIDDEN_IN_STYLE.search(value) else value


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
