"""Personal HTML: placeholders survive the cleaning, and nothing that is filled in changes the HTML around it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.messages.writing.clean_html import HtmlTooLarge, clean_html
from app.messages.writing.facts import Facts
from app.messages.writing.fill_text import InvalidPlaceholder, filled_html, personal_html

NASTY_NAME = '"><script>alert(1)</script><b onclick="x">\'&'


def filled(html: str, name: str | None = "Ada", url: str | None = "https://shop.example/?a=1&b=2") -> str:
    return filled_html(personal_html(html), Facts("Aurora", store_url=url, customer_name=name))


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>Hello {{ customer.name }}", "<p>Hello Ada</p>"),
        ('<p title="For {{ customer.name }}">x</p>', '<p title="For Ada">x</p>'),
        ("<p title='{{ customer.name }}'>x</p>", '<p title="Ada">x</p>'),
        (
            '<a href="{{ store.url }}">x</a>',
            '<a href="https://shop.example/?a=1&amp;b=2" rel="noopener noreferrer">x</a>',
        ),
        ('<a href="{{ customer.name }}">x</a>', '<a rel="noopener noreferrer">x</a>'),
        (
            '<a href="https://shop.example/?n={{ customer.name }}">x</a>',
            '<a href="https://shop.example/?n=Ada" rel="noopener noreferrer">x</a>',
        ),
        ("{% if customer.name %}<p>Hello {{ customer.name }}</p>{% else %}<p>Hello</p>{% endif %}", "<p>Hello Ada</p>"),
        ("<p>{% if rank.place < 3 %}gold{% else %}silver{% endif %}</p>", "<p>silver</p>"),
        ("<p>{{ customer.name | default: 'friend' }}</p>", "<p>Ada</p>"),
        ("<script>{{ customer.name }}</script>", ""),
    ],
)
def test_placeholders_are_filled_in_where_they_stood(html, expected):
    assert filled(html) == expected


@pytest.mark.parametrize(
    "html",
    [
        '<p {{ customer.name }}="x">y</p>',
        "<p title={{ customer.name }}>y</p>",
        '<p title="{{ customer.name }}">{{ customer.name }}</p>',
        '<a href="{{ customer.name }}" title="{{ customer.name }}">y</a>',
        "<{{ customer.name }}>y</{{ customer.name }}>",
        "<!-- {{ customer.name }} --><p style='color:{{ customer.name }}'>y</p>",
    ],
)
def test_a_name_never_becomes_a_tag_or_an_attribute(html):
    nasty, plain = filled(html, NASTY_NAME), filled(html, "Ada")
    assert nasty.count("<") == plain.count("<")
    assert "onclick=&" in nasty or "onclick" not in nasty
    assert clean_html(nasty).count("<") == nasty.count("<")


@pytest.mark.parametrize(
    "html",
    [
        "<p>{{ customer.name | default: '<b>' }}</p>",
        "<p title=\"{{ customer.name | default: 'a' }}\">{{ customer.name | default: '\" onclick=x' }}</p>",
        "{% if customer.name %}<div>{% endif %}x</div>",
        "<p>{% if customer.name %}</p><p>{% endif %}</p>",
        '<p title="{% if customer.name %}a{% endif %}">x</p>',
        "<div>{% if customer.name %}</div><div>{% else %}</div>{% endif %}",
        "<script>{% if customer.name %}</script>x{% endif %}",
        "<b>{% if customer.name %}<i></b></i>{% endif %}",
    ],
)
def test_a_placeholder_that_could_change_the_html_around_it_is_refused(html):
    with pytest.raises(InvalidPlaceholder) as refused:
        personal_html(html)
    assert refused.value.errors[0]["pointer"] == "#/html"


PIECES = st.sampled_from(
    [
        *("<p>", "</p>", "<b>", "</b>", "<div title='", "'>", '"', ">", "<", "<br>", "<a href='", "x", " "),
        *("{{ customer.name }}", "{{ store.url }}", "{% if customer.name %}", "{% else %}", "{% endif %}", "<!--"),
        *("{{ customer.name | default: 'x' }}", "{% unless rank.place %}", "{% endunless %}", "<table><tr><td>", "-->"),
    ]
)


@given(st.lists(PIECES, max_size=20).map("".join), st.sampled_from([None, "Ada", NASTY_NAME]))
def test_whatever_is_filled_in_is_as_clean_as_what_was_cleaned(html, name):
    try:
        whole = filled(html, name)
    except (InvalidPlaceholder, HtmlTooLarge):
        return
    again = clean_html(whole)
    assert again.count("<") == whole.count("<")
    assert "<script" not in whole


@pytest.mark.parametrize(
    "html",
    [
        "<p " + "a " * 49_000 + ">x</p>",
        "<p x' a=\"'>\" " + "d " * 49_000 + ">x</p>",
        '<!-- <p title=" --><p ' + "d " * 49_000 + '">x',
        "<p " + " ".join(f"a{n}=b" for n in range(10_000)) + ">x",
        '<p title="' * 1_900 + "x" * 70_000,
        "<p/" * 1_900 + "/a" * 40_000,
    ],
)
def test_very_many_attributes_are_refused_before_they_cost_anything(html):
    began = time.process_time()
    with pytest.raises(HtmlTooLarge):
        clean_html(html)
    assert time.process_time() - began < 0.5


def test_an_ordinary_tag_has_room_for_its_attributes():
    attributes = " ".join(f'{name}="1"' for name in ("align", "bgcolor", "border", "height", "role", "valign", "width"))
    assert clean_html(f"<table {attributes}><tr><td {attributes} style='color:red'>x</td></tr></table>")
