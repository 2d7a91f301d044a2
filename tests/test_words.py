"""Words: labels, titles and details in the language of the reader."""

import re

import pytest
from babel.messages.pofile import read_po
from conftest import shared
from sentences import details, titles

from app.boards.metrics import METRIC_LABELS
from app.leaderboard.options import FILTER_LABELS, TIME_FRAME_LABELS
from app.leaderboard.schemas import BoardQuery, Options
from app.messages.consent import unsubscribe_page
from app.messages.writing import facts, footer
from app.messages.writing.catalogue import TEMPLATES
from app.periods import TimeFrame
from app.vocabulary import Metric
from app.words import CATALOGUES, LONGEST_WISH, TRANSLATIONS, Language, in_language, negotiated

LABELS = [*FILTER_LABELS.values(), *METRIC_LABELS.values(), *TIME_FRAME_LABELS.values()]
MESSAGES = {
    *(text for template in TEMPLATES.values() for text in template.texts),
    *facts.DESCRIPTIONS.values(),
    *footer.FOOTER_TEXTS,
    *unsubscribe_page.PAGE_TEXTS,
}
OUR_OWN_LABELS = {"Last 365 days", "All time", "Custom"}
DECLINED_ON_THE_PAGE = {
    "Letzte Woche": "letzter Woche",
    "Letzter Monat": "letztem Monat",
    "Bisheriger Monat": "bisherigem Monat",
    "Letztes Quartal": "letztem Quartal",
    "Bisheriges Quartal": "bisherigem Quartal",
    "Letztes Jahr": "letztem Jahr",
    "Bisheriges Jahr": "bisherigem Jahr",
}


@pytest.mark.parametrize("language", CATALOGUES)
def test_every_text_is_translated_and_no_translation_is_left_over(language):
    with (TRANSLATIONS / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, abort_invalid=True)
    messages = [message for message in catalogue if message.id]

    assert {message.id for message in messages} == titles() | details() | {*LABELS} | MESSAGES
    assert [message.id for message in messages if message.fuzzy or not message.string] == []
    assert (str(catalogue.locale), len(catalogue.obsolete)) == (language.value, 0)
    names = re.compile(r"\{\w*\}")
    assert [m.id for m in messages if sorted(names.findall(m.id)) != sorted(names.findall(m.string))] == []


def test_there_is_a_catalogue_per_language_and_a_label_per_choice():
    assert {path.stem for path in TRANSLATIONS.iterdir()} == {language.value for language in CATALOGUES}
    assert {Language.ENGLISH, *CATALOGUES} == {*Language}
    assert (list(METRIC_LABELS), list(TIME_FRAME_LABELS)) == ([*Metric], [*TimeFrame])
    assert {*FILTER_LABELS} <= {*BoardQuery.model_fields}


@pytest.mark.parametrize("language", Language)
def test_the_labels_are_the_words_of_the_product_pages(language):
    pages = [page.read_text("utf-8").casefold() for page in sorted(shared("seeds").glob("*.txt"))]
    labels = [in_language(english, language) for english in LABELS if english not in OUR_OWN_LABELS]
    words = [DECLINED_ON_THE_PAGE.get(label, label).casefold() for label in labels]

    assert [word for word in words if not any(word in page for page in pages)] == []


@pytest.mark.parametrize(
    ("wished", "given"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE-ch", "de"),
        ("es-419", "es"),
        ("it-IT,it;q=0.9,en-US;q=0.8,en;q=0.7", "it"),
        ("fr-FR, fr;q=0.9, es;q=0.4, en;q=0.3", "es"),
        ("en;q=0.5, de;q=0.50, it;q=0.501", "it"),
        ("es, de", "es"),
        ("de ; q=0.2 , it ; q=0.3", "it"),
        ("it;Q=0.9, de;q=0.8", "it"),
        ("fr", "en"),
        ("*", "en"),
        ("fr, *;q=0.1", "en"),
        ("de;q=0.5, *", "en"),
        ("en;q=0, *", "de"),
        ("en;q=0, de-AT;q=0.0, *;q=0.5", "it"),
        ("de;q=0", "en"),
        ("en;q=0", "en"),
        ("de;q=2, it;q=0.1", "it"),
        ("de;q=-1, de;q=x, es;q=0.1", "es"),
        ("dee, d, den, ,;,,q=1", "en"),
        ("de_CH", "en"),
        ("dé, ıt, \u0661", "en"),
        ("de" + "," * (LONGEST_WISH - 2), "de"),
        ("de" + "," * LONGEST_WISH, "en"),
    ],
)
def test_the_language_is_negotiated(wished, given):
    assert negotiated(wished) == given


def test_a_text_without_a_translation_stays_english():
    assert in_language("Nobody has translated this", Language.GERMAN) == "Nobody has translated this"


@pytest.mark.parametrize(
    ("wished", "given", "labels"),
    [
        ("fr", "en", "Current audience | Rank Based On | Total spend | Last week | Year-to-date"),
        ("de-CH", "de", "Aktuelle Zielgruppe | Rang basierend auf | Gesamtausgaben | Letzte Woche | Bisheriges Jahr"),
        ("it", "it", "Pubblico attuale | Classifica in base a | Spesa totale | Settimana scorsa | Da inizio anno"),
        ("es-419", "es", "Público actual | Rango basado en | Gasto total | Semana pasada | Año hasta la fecha"),
    ],
)
async def test_the_options_are_labelled_in_the_language_of_the_reader(api, open_store, wished, given, labels):
    store = await open_store(plan="free", time_zone="Europe/Rome", week_start="sunday", currency="KWD")
    answer = await api.get("/leaderboard/options", headers=store.auth | {"Accept-Language": wished})

    assert (answer.status_code, answer.headers["Content-Language"]) == (200, given)
    assert "Accept-Language" in answer.headers["Vary"]
    Options.model_validate_json(answer.content)
    options = answer.json()
    assert [choice["value"] for choice in options["filters"]] == ["audience", "source", "rank_by", "time_frame"]
    assert [choice["value"] for choice in options["metrics"]] == [*Metric]
    assert [choice["value"] for choice in options["time_frames"]] == [*TimeFrame]
    shown = {
        choice["value"]: choice["label"] for part in ("filters", "metrics", "time_frames") for choice in options[part]
    }
    values = ("audience", "rank_by", "total_spend", "last_week", "year_to_date")
    assert [shown[value] for value in values] == labels.split(" | ")
    source = {"id": store.source, "name": "Shop", "platform": "custom", "currency": "KWD"}
    source |= {"time_zone": "Europe/Rome", "week_start": "sunday"}
    assert options["audiences"] == [{"id": store.audience, "name": "Everyone", "sources": [source]}]
    assert options["complete"] is True


async def test_the_options_are_those_of_the_own_account_audience_by_audience(api, open_store, open_account):
    first = await open_store()
    await open_store()
    second = await open_store(beside=first, name="Shop 2")
    moved = {"audience": first.audience, "name": "Shop 3", "platform": "custom", "currency": "EUR", "time_zone": "UTC"}
    third = (await api.post("/sources", json=moved, headers=first.auth)).json()["id"]
    empty = (await api.post("/audiences", json={"name": "Nobody"}, headers=first.auth)).json()["id"]
    _, stranger = await open_account()

    audiences = (await api.get("/leaderboard/options", headers=first.auth)).json()["audiences"]
    assert [(each["id"], [source["id"] for source in each["sources"]]) for each in audiences] == [
        (first.audience, [first.source, third]),
        (second.audience, [second.source]),
        (empty, []),
    ]
    nothing = await api.get("/leaderboard/options", headers={"Authorization": f"Bearer {stranger}"})
    assert nothing.json()["audiences"] == []


async def test_the_options_are_one_statement_and_304_until_something_changes(api, open_store, statements):
    store = await open_store()
    first = await api.get("/leaderboard/options", headers=store.auth | {"Accept-Language": "it"})
    known = store.auth | {"If-None-Match": first.headers["ETag"]}
    assert first.headers["ETag"].startswith('W/"')

    with statements.during() as read:
        assert (await api.get("/leaderboard/options", headers=store.auth)).status_code == 200
    with statements.during() as unchanged:
        again = await api.get("/leaderboard/options", headers=known | {"Accept-Language": "it-CH"})
    await store.sold(("ada", "1.00"))
    sold = await api.get("/leaderboard/options", headers=known | {"Accept-Language": "it"})

    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert ([way for way, _ in read], [way for way, _ in unchanged]) == (["read"], ["read"])
    assert sold.status_code == 304
    assert (await api.get("/leaderboard/options", headers=known | {"Accept-Language": "de"})).status_code == 200
    await api.patch(f"/sources/{store.source}", json={"name": "Bottega"}, headers=store.auth)
    assert (await api.get("/leaderboard/options", headers=known | {"Accept-Language": "it"})).status_code == 200


async def test_the_options_list_a_thousand_stores_and_tell_when_there_are_more(api, open_store, sql):
    store = await open_store()
    more = """INSERT INTO sources (account_id, audience_id, name, platform, currency, time_zone, week_start,
                  boards_due_at, created_at)
              SELECT account_id, audience_id, name, platform, currency, time_zone, week_start, boards_due_at, created_at
              FROM sources, generate_series(1, $1)"""
    for added, complete in ((999, True), (1, False)):
        await sql.execute(more.replace("FROM sources", "FROM (SELECT * FROM sources LIMIT 1) AS s"), added)
        options = (await api.get("/leaderboard/options", headers=store.auth)).json()
        assert [len(audience["sources"]) for audience in options["audiences"]] == [1000]
        assert options["complete"] is complete


async def test_the_options_need_a_key_that_may_read(api, open_store):
    store = await open_store()
    writer = await api.post("/account/keys", json={"name": "w", "scopes": ["write"]}, headers=store.auth)
    barred = await api.get("/leaderboard/options", headers={"Authorization": f"Bearer {writer.json()['key']}"})

    assert barred.json()["code"] == "scope_required"
    assert (await api.get("/leaderboard/options")).json()["code"] == "key_required"


TITLES = {
    "en": (
        "A valid API key is needed",
        "There is nothing here",
        "This method is not for this path",
        "Some values are not valid",
    ),
    "de": (
        "Ein gültiger API-Schlüssel wird benötigt",
        "Hier ist nichts",
        "Diese Methode passt nicht zu diesem Pfad",
        "Einige Werte sind ungültig",
    ),
    "it": (
        "È necessaria una chiave API valida",
        "Qui non c’è nulla",
        "Questo metodo non vale per questo percorso",
        "Alcuni valori non sono validi",
    ),
    "es": (
        "Se necesita una clave de API válida",
        "Aquí no hay nada",
        "Este método no sirve para esta ruta",
        "Algunos valores no son válidos",
    ),
}


@pytest.mark.parametrize(("wished", "given"), [("", "en"), ("de-CH, en;q=0.5", "de"), ("it", "it"), ("es", "es")])
async def test_titles_and_details_of_problems_are_translated_and_nothing_else_is(api, open_store, wished, given):
    store = await open_store()
    calls = [("GET", "/account", {}), ("GET", "/nowhere", {}), ("POST", "/livez", {})]
    calls.append(("GET", "/leaderboard", store.auth))
    seen = []
    for method, path, auth in calls:
        english = await api.request(method, path, headers=auth)
        answer = await api.request(method, path, headers=auth | {"Accept-Language": wished})
        problem = answer.json()
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Content-Language"] == given
        assert "Accept-Language" in answer.headers["Vary"]
        words = {name: problem[name] for name in ("title", "detail", "request_id", "errors") if name in problem}
        assert problem == english.json() | words
        codes = [[each | {"detail": ""} for each in body.get("errors", [])] for body in (problem, english.json())]
        assert codes[0] == codes[1]
        seen.append((problem["status"], problem["title"]))

    assert seen == list(zip((401, 404, 405, 422), TITLES[given], strict=True))


async def test_several_lines_of_accept_language_are_one_list(api):
    lines = [("Accept-Language", "fr;q=0.9, it;q=0.1"), ("Accept-Language", "es;q=0.5")]
    assert (await api.get("/nowhere", headers=lines)).headers["Content-Language"] == "es"


async def test_the_page_of_a_problem_has_the_words_of_its_answers(api):
    page = await api.get("/problems/not-found", headers={"Accept-Language": "de"})

    assert (page.status_code, page.headers["Content-Language"]) == (200, "de")
    assert "<html lang=de><title>Hier ist nichts</title><h1>Hier ist nichts</h1>" in page.text
    assert "<p>Hier ist nichts: Prüfe den Pfad und die IDs darin.</p>" in page.text
