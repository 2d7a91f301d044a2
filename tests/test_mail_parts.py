"""Parts of a mail: cleaned HTML, the footer, and the way out."""

import base64
import hashlib
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.messages.consent.unsubscribe_page import PAGE_POLICY, farewell, question, unknown_link
from app.messages.consent.unsubscribe_token import Recipient, named_in, recipient_in, token
from app.messages.writing.clean_html import MOST_HTML_CHARACTERS, MOST_NESTED_TAGS, MOST_TAGS, HtmlTooLarge, clean_html
from app.messages.writing.footer import Footer, Signature
from app.wire.ids import LARGEST_ID
from app.wire.pages import InvalidCursor, open_cursor, seal_cursor
from app.words import Language

IDS = st.integers(1, LARGEST_ID)
RECIPIENTS = st.builds(Recipient, IDS, IDS, IDS)
SECRET = b"s" * 32
URL = "https://api.example/unsubscribe/abc?x=1&y=2"
SENDER = Signature("Ada & <Söhne>", "Via Roma 1\n 00100 Roma\n\nItalia")


# ---------------------------------------------------------------- HTML


class Seen(HTMLParser):
    """Tags and attributes as a reader of the HTML finds them, and what is left open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"br", "hr", "img", "col", "meta"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


FORBIDDEN = ["script", "style", "form", "iframe", "object", "svg", "math", "base", "meta", "link", "input", "template"]
PIECES = st.sampled_from(
    [
        f"<{tag}>"
        for tag in (*FORBIDDEN, "p", "b", "a", "div", "table", "tr", "td", "title", "noscript", "!--", "/p", "/b")
    ]
    + [f"</{tag}>" for tag in (*FORBIDDEN, "p", "b", "a", "div", "table", "tr", "td", "title", "noscript", "body")]
    + ["<a href='javascript:alert(1)'>", '<a href="JaVa\tScript:x">', "<img src=x onerror=alert(1)>", "<p onclick=x>"]
    + [
        "<a href=' https://x.example/?a&b'>",
        "<img src=http://x/>",
        "<img src='https://x/'>",
        "<p style='color:red;",
        "'>",
    ]
    + ["<p style='background:url(javascript:x)'>", "<svg><style><img src=x onerror=1>", "<![CDATA[", "]]>", "-->", "<"]
    + [
        "<math><mtext><table><mglyph><style><img src onerror=x>",
        "&lt;script&gt;",
        "&#x6a;avascript:",
        "\x00",
        ">",
        "=",
        '"',
    ]
)


@given(st.lists(PIECES | st.text(max_size=5), max_size=25).map("".join))
def test_cleaned_html_never_holds_what_runs_or_loads_and_is_well_formed(html):
    cleaned = clean_html(html)
    seen = Seen(cleaned)

    assert seen.open == []
    for tag, attributes in seen.tags:
        assert tag not in FORBIDDEN
        assert not [name for name in attributes if name.startswith("on")]
        target = (attributes.get("href") or attributes.get("src") or "https:").strip().lower()
        assert target.startswith(("https:",) if tag == "img" else ("http:", "https:", "mailto:"))
        assert "url(" not in (attributes.get("style") or "")


@pytest.mark.parametrize(
    ("html", "cleaned"),
    [
        ("<p>Hi <b>Ada</b><br>&amp; Bea", "<p>Hi <b>Ada</b><br>&amp; Bea</p>"),
        ("<!doctype html><html><head><title>T</title></head><body><p>x</body></html>", "<p>x</p>"),
        ("<form action=x><button>Buy</button></form>", "Buy"),
        (
            "<p style='color: red; position: fixed; float: left; padding: 1px'>x",
            '<p style="color:red;padding:1px">x</p>',
        ),
        ("<p style='background-color:url(//x)'>x", "<p>x</p>"),
        (r"<p style='color:\75rl(x)'>x", "<p>x</p>"),
        ('<p class="a" id="b" name="c" lang="de">x', '<p lang="de">x</p>'),
        ('<a href="/shop">x</a>', '<a rel="noopener noreferrer">x</a>'),
        (
            '<a href="mailto:a@x.example" target=_blank>x</a>',
            '<a href="mailto:a@x.example" rel="noopener noreferrer">x</a>',
        ),
        (
            '<img src="https://x/a.png" srcset="http://y" alt=A width=9>',
            '<img src="https://x/a.png" alt="A" width="9">',
        ),
        ('<img src="data:image/png;base64,x" alt=A>', '<img alt="A">'),
        (
            "<td>loose</td><table bgcolor=red><td colspan=2>x",
            'loose<table bgcolor="red"><tbody><tr><td colspan="2">x</td></tr></tbody></table>',
        ),
        ("<p>a<!-- b --><!--[if mso]><p>c<![endif]-->", "<p>a</p>"),
        ("a<script>b</script><style>c</style><template>d</template><noscript>e</noscript>", "a"),
    ],
)
def test_what_mail_programs_show_stays_and_the_rest_goes(html, cleaned):
    assert clean_html(html) == cleaned


@pytest.mark.parametrize("html", ["x" * (MOST_HTML_CHARACTERS + 1), "<" * (MOST_TAGS + 1), "&" * MOST_HTML_CHARACTERS])
def test_html_that_would_be_cut_off_or_takes_long_is_refused(html):
    with pytest.raises(HtmlTooLarge):
        clean_html(html)


OVERLAPPING = "".join(f"<p><b title={number}>x" for number in range(MOST_TAGS // 2))


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * MOST_TAGS,
        OVERLAPPING,
        "<table><tr><td>" * (MOST_TAGS // 3),
        "<a>" * 600 + "<b>" * 600 + "</a>" * 600,
    ],
)
def test_the_worst_html_takes_no_longer_than_a_thread_may(html):
    began = time.process_time()
    with suppress(HtmlTooLarge):
        clean_html(html)
    assert time.process_time() - began < 3


def test_others_go_on_while_html_is_cleaned_in_a_thread():
    turns = 0
    worst = "<table><tr><td>" * MOST_NESTED_TAGS + "<p>x" * (MOST_TAGS - 3 * MOST_NESTED_TAGS - 1)
    with ThreadPoolExecutor(1) as pool:
        cleaning = [pool.submit(clean_html, worst) for _ in range(20)]
        while not all(each.done() for each in cleaning):
            time.sleep(0.0001)
            turns += 1

    assert all("<p>x</p>" in each.result() for each in cleaning)
    assert turns > 10


# ---------------------------------------------------------------- footer


@pytest.mark.parametrize("language", Language)
def test_the_footer_of_an_offer_says_who_why_and_how_to_stop(language):
    footer = Footer(SENDER, language, URL)
    text = footer.below_text("Hello\n\n")
    html = footer.below_html("<p>Hello</p>")
    shown = Seen(html)

    assert text.startswith("Hello\n\n—\nAda & <Söhne>\nVia Roma 1\n00100 Roma\nItalia\n\n")
    assert text.endswith(f": {URL}\n")
    assert "{" not in text + html
    assert [attributes["href"] for tag, attributes in shown.tags if tag == "a"] == [URL]
    assert ("div", language) in [(tag, attributes.get("lang")) for tag, attributes in shown.tags]
    assert shown.text.startswith("HelloAda & <Söhne>Via Roma 100100 RomaItalia")
    assert shown.text.count("Ada & <Söhne>") == text.count("Ada & <Söhne>") == 2


def test_the_footer_is_in_the_language_of_the_reader():
    last_lines = [Footer(SENDER, language, URL).below_text("").splitlines()[-2:] for language in Language]

    assert len({reason for reason, _ in last_lines}) == len({leave for _, leave in last_lines}) == len(Language)
    assert last_lines[1] == [
        "Du erhältst diese Nachricht, weil du dem Erhalt von Angeboten von Ada & <Söhne> zugestimmt hast.",
        f"Abmelden: {URL}",
    ]


def test_a_transactional_message_names_its_sender_and_nothing_else():
    footer = Footer(SENDER, Language.ITALIAN)

    assert footer.below_text("Ciao") == "Ciao\n\n—\nAda & <Söhne>\nVia Roma 1\n00100 Roma\nItalia\n"
    assert Seen(footer.below_html("")).text == "Ada & <Söhne>Via Roma 100100 RomaItalia"
    assert "<a" not in footer.below_html("<p>Ciao</p>")


@pytest.mark.parametrize("html", ["<p>x</p>", "", "<body><p>x</body></html>", "</body" * 9])
def test_the_footer_is_below_a_box_with_the_html(html):
    whole = Footer(SENDER, Language.ENGLISH, URL).below_html(html)
    assert whole.startswith(f'<div style="margin:0;overflow:hidden">{html}</div><div lang="en"')
    assert whole.endswith("</div>")


@pytest.mark.parametrize(
    "style",
    [
        *("margin-bottom:-500px", "margin: 0 0 -9em", "margin:- 5px", "margin-top:-.5em", "padding:calc(0px - 9px)"),
        *("height:min(1px, 2px)", "width:clamp(1px, 2px, 3px)", "margin:var(--x)", "margin-left:1px;margin-top:-1px"),
    ],
)
def test_no_style_moves_what_is_below_out_of_sight(style):
    assert clean_html(f'<p style="{style}">x</p>') == "<p>x</p>"


@pytest.mark.parametrize("style", ["color:#a-9", "font-family:x-1", "border-top:1px solid", "margin:5px"])
def test_styles_that_stay_in_their_box_are_kept(style):
    assert "style=" in clean_html(f'<p style="{style}">x</p>')


@given(
    st.lists(PIECES | st.text(max_size=5), max_size=20).map("".join), st.text(max_size=50), st.sampled_from(Language)
)
def test_whatever_is_written_the_link_is_there_to_be_followed(html, name, language):
    footer = Footer(Signature(name, f"{name}\n{name}"), language, URL)
    whole = footer.below_html(clean_html(html))
    seen = Seen(whole)

    assert seen.open == []
    assert seen.tags[-1] == ("a", {"href": URL})
    assert footer.below_text(html).endswith(f": {URL}\n")


# ---------------------------------------------------------------- pages

PAGES = {
    "question": lambda language: question("Ada & <Söhne> {x}", language),
    "farewell": lambda language: farewell("Ada & <Söhne> {x}", language),
    "unknown": unknown_link,
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("language", Language)
def test_a_page_is_small_whole_and_loads_nothing(page, language):
    html = PAGES[page](language)
    seen = Seen(html.removeprefix("<!doctype html>"))

    assert seen.open == []
    assert seen.tags[0] == ("html", {"lang": language})
    assert len(html) < 1500
    assert not {"script", "img", "link", "a", "iframe"} & {tag for tag, _ in seen.tags}
    (style,) = re.findall("<style>(.*)</style>", html)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; frame-ancestors 'none'; style-src 'sha256-{digest}'" == PAGE_POLICY
    assert not [
        name for _, attributes in seen.tags for name in attributes if name in {"style", "src"} or name[:2] == "on"
    ]
    assert ("Ada & <Söhne> {x}" in seen.text) is (page != "unknown")
    assert unescape(re.findall("<h1>(.*)</h1>", html)[0]) == unescape(re.findall("<title>(.*)</title>", html)[0])


@pytest.mark.parametrize("language", Language)
def test_only_the_question_has_a_button_and_it_posts_to_its_own_address(language):
    (form, button) = Seen(question("Ada", language)).tags[-2:]

    assert form == ("form", {"method": "post"})
    assert button == ("button", {"name": "List-Unsubscribe", "value": "One-Click"})
    assert "form-action" not in PAGE_POLICY, "default-src says nothing of forms"
    assert "<form" not in farewell("Ada", language) + unknown_link(language)


def test_the_pages_differ_by_language_and_from_each_other():
    assert len({PAGES[page](language) for page in PAGES for language in Language}) == len(PAGES) * len(Language)


# ---------------------------------------------------------------- tokens


@given(RECIPIENTS, st.binary(min_size=1, max_size=64))
def test_a_token_says_who_leaves_over_which_message(recipient, secret):
    text = token(secret, recipient)

    assert re.fullmatch("[A-Za-z0-9_-]{52}", text)
    assert (named_in(text), recipient_in(secret, text)) == (recipient, recipient)
    assert recipient_in(secret + b"x", text) is None


@given(RECIPIENTS, st.data())
def test_a_token_of_which_anything_is_changed_is_none(recipient, data):
    text = token(SECRET, recipient)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda character: character != text[place]))
    raw = bytearray(base64.urlsafe_b64decode(text))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))

    for forged in (
        text[:place] + other + text[place + 1 :],
        base64.urlsafe_b64encode(raw).decode(),
        *(text[:place], text + other, text + "=", " " + text, text + "\n", text.swapcase()),
    ):
        assert recipient_in(SECRET, forged) is None


@given(st.text(max_size=80))
def test_any_other_text_is_no_token(text):
    assert (named_in(text), recipient_in(SECRET, text)) == (None, None)


@pytest.mark.parametrize(
    "text", ["", "=" * 52, "é" * 52, "\ud800" * 52, "A" * 10**7, "A" * 52, "_" * 52, "+" * 52, "/" * 52]
)
def test_zero_and_numbers_beyond_the_database_are_no_ids(text):
    assert (named_in(text), recipient_in(SECRET, text)) == (None, None)


def test_tokens_and_cursors_do_not_vouch_for_each_other():
    text = token(SECRET, Recipient(1, 2, 3))
    with pytest.raises(InvalidCursor):
        open_cursor(SECRET, "unsubscribe", text)
    content = base64.urlsafe_b64decode(text)[:24]
    for query in ("", "unsubscribe"):
        sealed = base64.urlsafe_b64decode(seal_cursor(SECRET, query, [1, 2, 3]) + "===")[:15]
        assert recipient_in(SECRET, base64.urlsafe_b64encode(content + sealed).decode()) is None
