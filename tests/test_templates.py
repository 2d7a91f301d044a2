"""Templates: what is written to loyal customers, by us in four languages and by stores with placeholders."""

import html
import re
from decimal import Decimal
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.messages.writing.catalogue import TEMPLATES, TemplateName, described
from app.messages.writing.clean_html import clean_html
from app.messages.writing.facts import DESCRIPTIONS, Bought, Facts, placeholders, ranked
from app.messages.writing.fill_text import InvalidPlaceholder, filled_html, filled_subject, filled_text, personal_html
from app.messages.writing.local_forms import percent_in
from app.messages.writing.render_template import InvalidVariables, Written, checked, render
from app.messages.writing.written_templates import BUTTON_LINE, FOLDER, TAG_LINE, WRITTEN_TEMPLATES
from app.periods import TimeFrame
from app.vocabulary import Metric
from app.words import Language

EVERY_SHEET = pytest.mark.parametrize(("name", "language"), WRITTEN_TEMPLATES)
LONGEST_SECONDS = 20
"""Of a test; each takes milliseconds, and what is refused here ran for minutes or for ever."""

NOBODY = Facts(store_name="Aurora")


def ada(language: Language = Language.ENGLISH) -> Facts:
    rank = ranked(7, Metric.SPEND, TimeFrame.LAST_MONTH, language)
    return Facts(store_name="Aurora", store_url="https://aurora.example", customer_name="Ada", rank=rank)


def examples(name: TemplateName) -> dict[str, str | tuple[str, ...]]:
    return {variable.name: variable.example for variable in TEMPLATES[name].variables}


def needed(name: TemplateName) -> dict[str, str | tuple[str, ...]]:
    return {variable.name: variable.example for variable in TEMPLATES[name].variables if variable.required}


def source(name: TemplateName, language: Language) -> str:
    return (FOLDER / f"{name}.{language}.liquid").read_text("utf-8")


def errors(name: TemplateName, said: dict) -> list[tuple[str, str]]:
    with pytest.raises(InvalidVariables) as problem:
        render(name, Language.GERMAN, said, NOBODY)
    return [(error["pointer"], error["code"]) for error in problem.value.errors]


# ---------------------------------------------------------------- ours


def test_there_is_a_file_per_template_and_language_and_no_other():
    assert {path.name for path in FOLDER.iterdir()} == {
        f"{name}.{language}.liquid" for name in TemplateName for language in Language
    }
    assert [*TEMPLATES] == [*TemplateName]


@EVERY_SHEET
def test_every_file_names_every_variable_in_text_and_html_and_asks_for_nothing_else(name, language):
    sheet = WRITTEN_TEMPLATES[name, language]
    declared = {variable.name for variable in TEMPLATES[name].variables}

    for body in (sheet.text, sheet.html):
        asked = body.analyze(include_partials=False).globals
        assert declared <= {*asked}
        paths = {".".join(map(str, each.segments)) for uses in asked.values() for each in uses}
        assert paths - declared <= {*DESCRIPTIONS}
        assert {"customer.greeting_name", "store.name", "store.url"} <= paths
    assert {*sheet.subject.analyze(include_partials=False).globals} <= declared | {"store"}


@EVERY_SHEET
def test_every_file_is_made_of_the_few_forms_that_translators_know(name, language):
    subject, blank, *lines = source(name, language).splitlines()

    assert subject.startswith("Subject: ")
    assert blank == ""
    for line in lines:
        words = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", line)
        assert TAG_LINE.fullmatch(line) or not set("<>&") & set(words), "markup is ours, not the translator's"
        assert BUTTON_LINE.fullmatch(line) or not set("[]()") & set(words)
    assert len([line for line in lines if BUTTON_LINE.fullmatch(line)]) == 1
    paragraphs = [part.splitlines() for part in "\n".join(lines).strip().split("\n\n")]
    for paragraph in paragraphs:
        tags = [line for line in paragraph if TAG_LINE.fullmatch(line)]
        assert tags in ([], [paragraph[0], paragraph[-1]]), "tags stand around a paragraph, not in it"


@pytest.mark.parametrize("name", TemplateName)
def test_the_languages_differ_and_are_built_alike(name):
    by_language = {language: source(name, language) for language in Language}

    assert len({text.partition("\n")[0] for text in by_language.values()}) == len(Language)
    shapes = {tuple(re.findall(r"\{%.*?%\}|\{\{ \w[\w.]* ", text)[1:]) for text in by_language.values()}
    assert len({tuple(sorted(shape)) for shape in shapes}) == 1


@EVERY_SHEET
def test_every_template_says_all_that_it_is_told(name, language):
    written = render(name, language, examples(name), ada(language))

    for body in (written.text, written.html):
        for value in examples(name).values():
            for said in [value] if isinstance(value, str) else value:
                word = percent_in(said, language)
                assert (word in body) is not bool(re.fullmatch(r"\d{4}-\d\d-\d\d", word)), "days are written out"
        assert "Ada" in body
        assert "https://aurora.example" in body
    assert (" 7" in written.text) is not name.endswith("_survey")
    assert f'<div lang="{language}"' in written.html


@EVERY_SHEET
@pytest.mark.parametrize("facts", [NOBODY, ada(), Facts("Aurora", customer_name="Ada")])
@pytest.mark.parametrize("said", [needed, examples])
def test_every_template_reads_well_with_little_known(name, language, facts, said):
    written = render(name, language, said(name), facts)

    shown = re.sub(r"<[^>]+>", "", written.html)
    for body in (written.subject, written.text, shown):
        assert not re.search(r"[{}]|None|\bnil\b|  | [,.:!?](?=\s|$)|&(?!#|amp)", body), body
    assert not re.search(r"\n{3}|^\n|\n\n$", written.text)
    assert not re.search(r"<p></p>|<li></li>|<ul></ul>", written.html)
    assert ("\n" in written.subject, written.subject == written.subject.strip()) == (False, True)
    assert (
        written.text.splitlines()[0]
        .rstrip(",:")
        .endswith("Ada" if facts.customer_name else ("Hello", "Hallo", "Ciao", "Hola"))
    )


@EVERY_SHEET
def test_the_html_is_clean_already_and_says_what_the_text_says(name, language):
    written = render(name, language, examples(name), ada(language))

    cleaned = clean_html(written.html).replace("&nbsp;", "\u00a0")
    assert cleaned.replace(' rel="noopener noreferrer"', "") == written.html
    words = re.sub(r"<[^>]+>", " ", re.sub(r"<a href=\"([^\"]*)\"[^>]*>([^<]*)</a>", r"\2: \1", written.html))
    assert re.sub(r"\n- ", "\n", written.text).split() == words.split()


@pytest.mark.parametrize("place", [100, 101])
def test_only_a_place_worth_telling_is_told(place):
    rank = ranked(place, Metric.SPEND, TimeFrame.LAST_MONTH, Language.ENGLISH)
    written = render(TemplateName.BUNDLE, Language.ENGLISH, examples(TemplateName.BUNDLE), Facts("Aurora", rank=rank))

    assert (f"number {place}" in written.text) is (place <= 100)


@pytest.mark.parametrize(
    ("language", "day"),
    [("en", "March 8, 2026"), ("de", "8. März 2026"), ("it", "8 marzo 2026"), ("es", "8 de marzo de 2026")],
)
def test_days_are_written_as_the_recipient_writes_them(language, day):
    said = examples(TemplateName.BUNDLE) | {"until": "2026-03-08"}
    assert day in render(TemplateName.BUNDLE, Language(language), said, NOBODY).text


LINK = {"link": "https://x.example"}
DISCOUNT = TemplateName.EXCLUSIVE_DISCOUNT
WORDED_BY_NATIVE_READERS = [
    ("en", TemplateName.EARLY_ACCESS, LINK | {"release": "Aurora 2"}, "Get a first look: https://x.example"),
    ("de", TemplateName.EARLY_ACCESS, {"public_on": "2026-12-01"}, "Für alle erhältlich ab dem 1. Dezember 2026."),
    ("de", DISCOUNT, {"discount": "15%"}, "mit 15\u00a0% Rabatt"),
    ("de", DISCOUNT, {"discount": "15 %"}, "mit 15\u00a0% Rabatt"),
    ("es", DISCOUNT, {"discount": "10%"}, "con un 10\u00a0% de descuento"),
    ("es", DISCOUNT, {"discount": "5 €"}, "con 5 € de descuento"),
    ("es", TemplateName.BUNDLE, {}, "con un 5\u00a0% de descuento"),
    ("es", TemplateName.BUNDLE, {"until": "2026-12-01"}, "termina el 1 de diciembre de 2026"),
    ("it", TemplateName.BUNDLE, {"discount": "10%"}, "avrai il 10% di sconto su tutto il pacchetto"),
    ("it", TemplateName.BUNDLE, {}, "avrai il 5% di sconto"),
    ("it", DISCOUNT, {"discount": "8 %"}, "avrai l\u20198% di sconto"),
    ("it", DISCOUNT, {"discount": "11%"}, "avrai l\u201911% di sconto"),
    ("it", DISCOUNT, {"discount": "18%"}, "avrai il 18% di sconto"),
    ("it", DISCOUNT, {"discount": "80%"}, "avrai l\u201980% di sconto"),
    ("it", DISCOUNT, {"discount": "5 €"}, "avrai 5 € di sconto"),
    ("it", DISCOUNT, {"until": "2026-12-31"}, "fino al 31 dicembre 2026."),
    ("it", DISCOUNT, {"until": "2026-12-01"}, "fino al 1° dicembre 2026."),
    ("it", DISCOUNT, {"until": "2026-12-08"}, "fino all\u20198 dicembre 2026."),
    ("it", TemplateName.EARLY_ACCESS, {"public_on": "2026-12-01"}, "dal 1° dicembre 2026."),
    ("it", TemplateName.EARLY_ACCESS, {"public_on": "2026-12-11"}, "dall\u201911 dicembre 2026."),
    ("it", TemplateName.FREE_GIFT, {"hashtag": "#x"}, "il tuo prodotto preferito con #x"),
]


@pytest.mark.parametrize(("language", "name", "said", "expected"), WORDED_BY_NATIVE_READERS)
def test_each_language_is_written_as_its_readers_write_it(language, name, said, expected):
    written = render(name, Language(language), needed(name) | said, NOBODY)

    assert expected in written.text
    assert expected.partition(":")[0] in html.unescape(written.html)


def test_customers_are_greeted_by_their_first_name_else_by_their_name_else_without():
    said = examples(TemplateName.CONTENT_SURVEY)
    for facts, hello in (
        (Facts("Aurora", customer_name="Ada Rossi", customer_first_name="Ada"), "Ciao Ada,"),
        (Facts("Aurora", customer_name="Ada Rossi"), "Ciao Ada Rossi,"),
        (Facts("Aurora", customer_name="Ada Rossi", customer_first_name=" "), "Ciao Ada Rossi,"),
        (NOBODY, "Ciao,"),
    ):
        assert render(TemplateName.CONTENT_SURVEY, Language.ITALIAN, said, facts).text.startswith(f"{hello}\n")


@pytest.mark.parametrize(
    ("language", "currency", "spend", "expected"),
    [
        ("en", "EUR", "1234.50", "12 × €1,234.50"),
        ("de", "EUR", "1234.50", "12 × 1.234,50\u00a0€"),
        ("it", "EUR", "1234.50", "12 × 1.234,50\u00a0€"),
        ("es", "EUR", "12345.00", "12 × 12.345,00\u00a0€"),
        ("de", "JPY", "1234", "12 × 1.234\u00a0¥"),
        ("en", "KWD", "1234.500", "12 × KWD\u00a01,234.500"),
        ("en", "IQD", "1234.500", "12 × IQD\u00a01,234.500"),
    ],
)
def test_spend_and_purchases_are_told_with_the_currency_as_the_recipient_writes_it(language, currency, spend, expected):
    bought = Bought(12, Decimal(spend), currency)
    rank = ranked(7, Metric.SPEND, TimeFrame.LAST_MONTH, Language(language), bought)
    text = "{{ rank.number_of_purchases }} × {{ rank.total_spend }}"

    assert filled_text(text, Facts("Aurora", rank=rank)) == expected
    assert filled_text(text, NOBODY) == " × "


def test_what_stores_and_customers_are_called_is_escaped_in_html_and_nowhere_else():
    said = {"gift": "<b>\"Tea\" & 'more'</b>", "link": "https://x.example/?a=1&b=2"}
    written = render(TemplateName.FREE_GIFT, Language.ENGLISH, said, Facts("<i>A & B</i>", customer_name="<u>Ada</u>"))

    assert (written.subject, said["gift"] in written.text) == ("A gift for you from <i>A & B</i>", True)
    assert "Hello <u>Ada</u>,\n" in written.text
    assert "&lt;u&gt;Ada&lt;/u&gt;" in written.html
    assert 'href="https://x.example/?a=1&amp;b=2"' in written.html
    assert not re.search(r"<[biu]>", written.html)


def test_what_is_said_is_never_a_template_itself():
    said = {"gift": "{{ store.name }}{% if %}", "link": "https://x.example/"}
    written = render(TemplateName.FREE_GIFT, Language.ENGLISH, said, Facts("A", customer_name="{{ rank.place }}"))

    assert "Hello {{ rank.place }}," in written.text
    assert "{{ store.name }}{% if %}" in written.html


def test_every_wrong_variable_is_named_at_once():
    said = {"link": "ftp://x.example", "until": "2026-02-30", "cod": "A", "code": "", "x/~y\ud800" + "z" * 100: "1"}

    assert errors(TemplateName.EXCLUSIVE_DISCOUNT, said) == [
        ("#/variables/discount", "missing"),
        ("#/variables/cod", "unknown_variable"),
        ("#/variables/x~1~0y?" + "z" * 75, "unknown_variable"),
        ("#/variables/code", "invalid_variable"),
        ("#/variables/link", "invalid_variable"),
        ("#/variables/until", "invalid_variable"),
    ]


@pytest.mark.parametrize(
    "value", ["", " ", "a\nb", "a\rb", "a\x00", "\x85", "\u2028", "\ud800", "=?utf-8?q?=0ABcc?=", "a" * 201, ["a"], 7]
)
def test_a_text_is_one_short_line(value):
    said = examples(TemplateName.FREE_GIFT) | {"gift": value}
    assert errors(TemplateName.FREE_GIFT, said) == [("#/variables/gift", "invalid_variable")]


@pytest.mark.parametrize("value", ["a, b", [], ["a"], ["a"] * 21, ["a", ""], ["a", "b\n"], ["a", ["b"]], ["a", None]])
def test_a_list_is_of_two_to_twenty_texts(value):
    said = examples(TemplateName.BUNDLE) | {"products": value}
    assert errors(TemplateName.BUNDLE, said) == [("#/variables/products", "invalid_variable")]
    assert checked(TemplateName.BUNDLE, Language.ITALIAN, examples(TemplateName.BUNDLE) | {"products": ["a"] * 20})


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "x.example",
            "//x.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "http://",
            "https://x y",
            "https:/x",
        ),
        *("https://x\n", "https://x\x00y", 'https://x/"onclick=', "https://x/<b>", "https://x/\ud800"),
        "https://" + "x" * 2000,
    ],
)
def test_a_link_leads_to_the_web(value):
    said = examples(TemplateName.CONTENT_SURVEY) | {"link": value}
    assert errors(TemplateName.CONTENT_SURVEY, said) == [("#/variables/link", "invalid_variable")]


@pytest.mark.parametrize(
    "value", ["", "8.3.2026", "20260308", "2026-3-8", "2026-W10-7", "0000-01-01", "2026-02-29", "٢٠٢٦-٠٣-٠٨"]
)
def test_a_day_is_a_date_of_the_calendar(value):
    said = examples(TemplateName.CONTENT_SURVEY) | {"until": value}
    assert errors(TemplateName.CONTENT_SURVEY, said) == [("#/variables/until", "invalid_variable")]


@given(
    name=st.sampled_from(TemplateName),
    language=st.sampled_from(Language),
    words=st.lists(st.text(), min_size=3, max_size=3),
)
def test_any_name_gives_a_subject_that_mail_can_carry_and_html_that_is_clean(name, language, words):
    store, customer, url = words
    written = render(name, language, examples(name), Facts(store, url, customer))

    assert one_header(written.subject)
    assert clean_html(written.html).count("<") == written.html.count("<")


def one_header(subject: str) -> bool:
    """Whether a mail with this subject has it and no other header; on this very interpreter."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = subject
    return re.findall(rb"(?m)^([^\s:]+):", mail.as_bytes()) == [b"Subject"]


@pytest.mark.parametrize("language", Language)
def test_the_catalogue_is_described_in_the_language_of_the_reader(language):
    texts = [text for template in described(language) for text in (template["label"], template["description"])]
    english = [
        text for template in described(Language.ENGLISH) for text in (template["label"], template["description"])
    ]

    assert [template["name"] for template in described(language)] == [*TemplateName]
    assert (texts == english) is (language is Language.ENGLISH)
    assert len(set(texts)) == len(texts)
    assert [each["name"] for each in placeholders(language)] == [*DESCRIPTIONS]
    first = described(language)[0]["variables"][0]
    assert (first["name"], first["kind"], first["required"], first["example"]) == ("release", "text", True, "Aurora 2")


# ---------------------------------------------------------------- the store's own


def test_placeholders_are_filled_in_for_each_recipient():
    text = (
        "Hello {{ customer.name | default: 'friend' }},\n"
        "{% if rank.place <= 10 %}you are {{ rank.place }} ({{ rank.metric | downcase }}, {{ rank.time_frame }})."
        "{% else %}thank you.{% endif %}\n{{ store.name }}{% unless store.url == nil %} {{ store.url }}{% endunless %}"
    )

    assert filled_text(text, ada()) == (
        "Hello Ada,\nyou are 7 (total spend, Last month).\nAurora https://aurora.example"
    )
    assert filled_text(text, NOBODY) == "Hello friend,\nthank you.\nAurora"
    assert (
        filled_subject("{{ customer.name }}, {% case rank.place %}{% when 7 %}7!{% else %}?{% endcase %}", ada())
        == "Ada, 7!"
    )


@pytest.mark.parametrize("text", ["", "plain", "100 % }} %} { { {# #} { % if % }", "a" * 300_000])
def test_text_without_placeholders_stays_as_it_is(text):
    assert filled_text(text, NOBODY) == text


def test_facts_are_escaped_in_html_and_cannot_become_scripts():
    facts = Facts("Aurora", store_url="javascript:alert(1)", customer_name='<b onclick=x>"Ada"</b>')
    html = (
        '<a href="{{ store.url }}" title="{{ customer.name }}">{{ customer.name }}</a>'
        "<script>{{ customer.name }}</script>"
    )

    name = "&lt;b onclick=x&gt;&#34;Ada&#34;&lt;/b&gt;"
    assert filled_html(personal_html(html), facts) == (
        f'<a href="" title="{name}" rel="noopener noreferrer">{name}</a>'
    )
    assert filled_text("{{ customer.name }}", facts) == facts.customer_name


NASTY = [
    *("{{ 'a' | times }}", "{{ 'a' | nosuch }}", "{{ 'a' | append }}", "{{ customer.name | replace: '', 'aaaa' }}"),
    *("{% for i in (1..100000000) %}x{% endfor %}", "{% if (1..100000000) contains 'a' %}x{% endif %}"),
    *("{{ (1..100000000) | join }}", "{% case 1 %}{% when (1..9) %}{% endcase %}", "{{ rank[(1..9)] }}"),
    *("{% assign a = 'x' %}", "{% capture a %}{% endcapture %}", "{% increment a %}", "{% cycle 'a', 'b' %}"),
    "{% assign a = 'x' %}" + "{% assign a = a | append: a %}" * 40 + "{{ a }}",
    "{% capture a %}x{% endcapture %}" + "{% capture a %}{{ a }}{{ a }}{% endcapture %}" * 40,
    *(
        "{% include 'etc/passwd' %}",
        "{% render 'x' %}",
        "{% liquid\nassign a = 1 %}",
        "{% tablerow i in x %}{% endtablerow %}",
    ),
    *(
        "{% raw %}" * 11_000,
        "{% comment %}" * 7_000,
        "{{" * 50_000,
        "{%" * 50_000,
        "{{ a }}" * 14_000,
        "{% if " * 16_000,
    ),
    *("{% if customer.name %}" * 90 + "{% endif %}" * 90, "{% if a %}{% else %}" * 99),
    *(
        "{{ " + "[" * 290 + " }}",
        "{{ rank" + "[0]" * 90 + " }}",
        "{{ rank" + ".a" * 140 + " }}",
        "{{ 9" + "9" * 280 + ".a }}",
    ),
    *(
        "{{ 'a' " + "| nosuch " * 30 + "}}",
        "{{ '" + "a" * 99_000,
        "{{ '" + "\n" * 99_000 + "' }}",
        "{%" + " " * 99_000 + "%}",
    ),
    *("{{ customer }}", "{{ rank }}", "{{ customer.nam }}", "{{ customer['email'] }}", "{{ rank[customer.name] }}"),
    *(
        "{{ customer.name.size }}",
        "{{ customer.__class__ }}",
        "{{ now }}",
        "{{ 1e999 }}",
        "{{ forloop }}",
        "{{ secret }}",
    ),
    *(
        "{{ customer.name",
        "{{ customer.name %}",
        "{% if customer.name %}",
        "{% endif %}",
        "{% else %}",
        "{{ }}",
        "{% %}",
    ),
    *(
        "{{ customer.name | default: secret }}",
        "{% if secret %}x{% endif %}",
        "{{ \ud800 }}",
        "{{ \x00 }}",
        "{{ a b }}",
    ),
    *("x" * 100_000 + "{{ customer.name }}", "{{ 'a' | upcase: 1, 2 }}", "{{ customer.name }}" * 201),
]


@pytest.mark.parametrize("fill", [filled_text, filled_subject, filled_html])
@pytest.mark.parametrize("text", NASTY, ids=lambda text: repr(text[:40]))
@pytest.mark.timeout(LONGEST_SECONDS)
def test_nasty_templates_end_at_once_with_the_problem(fill, text):
    with pytest.raises(InvalidPlaceholder) as problem:
        fill(text, ada())

    (error,) = problem.value.errors
    assert error["pointer"] == f"#/{fill.__name__.removeprefix('filled_')}"
    assert len(str(error["detail"])) < 200
    assert "secret" not in str(error["detail"])


@pytest.mark.timeout(LONGEST_SECONDS)
def test_the_worst_that_is_allowed_ends_too():
    worst = [
        "{{ 'a' " + "| upcase " * 30 + "}}",
        "{% if " + " or ".join(["customer.name"] * 16) + " %}{% endif %}",
        "{{ '" + "a" * 290 + "' }}",
        "{{ customer.name | upcase }}" + "x" * 400,
    ]
    for placeholder in worst:
        text = placeholder * (100 if placeholder.startswith("{%") else 200)
        assert filled_text(text, Facts("Aurora", customer_name="ß" * 200)) is not None


@given(
    st.lists(
        st.sampled_from(["{{", "}}", "{%", "%}", "{{ customer.name }}", " if ", "endif", "rank.place", "'", '"', "("])
        | st.sampled_from(
            [")", "|", "default:", "..", "\n", "-", "raw", "endraw", "<", "=", "contains", ".", "case", "7"]
        )
        | st.text(max_size=3),
        max_size=30,
    ).map("".join)
)
def test_any_text_is_filled_in_or_refused(text):
    for fill in (filled_text, filled_subject, filled_html):
        try:
            filled = fill(text, ada())
        except InvalidPlaceholder:
            continue
        assert fill is not filled_subject or one_header(filled)


@pytest.mark.parametrize(
    "subject", ["", " ", "{{ rank.place }}", "a{{ 'x' }}\nb", "={{ '?utf-8?q?=0ABcc:_a?=' }}", "a" * 251]
)
def test_a_subject_has_to_fit_a_header_once_it_is_filled_in(subject):
    with pytest.raises(InvalidPlaceholder) as problem:
        filled_subject(subject, NOBODY)
    assert problem.value.errors[0]["pointer"] == "#/subject"


def test_what_is_written_is_a_subject_a_text_and_html():
    written = render(TemplateName.CONTENT_SURVEY, Language.GERMAN, {"link": "https://x.example"}, NOBODY)
    assert isinstance(written, Written)
    assert written.subject == "Was möchtest du von uns lesen?"
    assert written.text.startswith("Hallo,\n\ndu kennst uns")
    assert written.text.endswith("Herzliche Grüße\nAurora\n")
