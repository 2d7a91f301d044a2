"""The demo: an account with two stores, made through the API as any client would make it.

The service makes it in a new database that nobody else can reach yet, and begins with another new database after an
interruption. So every demo has the same ids, and this module needs no way in that its readers do not have.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

import httpx

from app.demo_orders import DemoStore, customer_rows, order_rows

ROWS_SENT_AT_ONCE = 200

BOTTEGA_ROMA = DemoStore(
    settings={
        "name": "Bottega Roma",
        "platform": "custom",
        "currency": "EUR",
        "time_zone": "Europe/Rome",
        "week_start": "monday",
        "url": "https://bottega.example",
        "sender": {"name": "Bottega Roma", "email": "ciao@bottega.example", "reply_to": "assistenza@bottega.example"},
        "postal_address": "Bottega Roma S.r.l.\nVia del Governo Vecchio 12\n00186 Roma, Italia",
        "language": "it",
        "consent_sentence": "Ricevi questa e-mail perché hai chiesto le offerte di Bottega Roma.",
    },
    first_order=20_001,
    orders=35_000,
    prices_minor=(490, 690, 850, 990, 1250, 1490, 1690, 1990, 2450, 2900, 3490, 4900, 7900, 12900),
    shipping_minor=590,
    free_shipping_from_minor=4900,
    mail_domain="posta.example",
    given_names="""
        Giulia Sofia Aurora Ginevra Alice Emma Giorgia Beatrice Anna Vittoria Chiara Francesca Martina Sara Elena
        Camilla Bianca Arianna Gaia Rebecca Matilde Noemi Elisa Ludovica Margherita Valentina Federica Silvia Paola
        Laura Monica Claudia Roberta Simona Daniela Cristina Barbara Serena Ilaria Alessia Eleonora Lucia Teresa Rosa
        Carla Franca Marta Irene Caterina Angela Leonardo Francesco Alessandro Lorenzo Mattia Andrea Gabriele Riccardo
        Tommaso Edoardo Giuseppe Antonio Federico Matteo Giovanni Pietro Davide Marco Luca Simone Filippo Diego Nicolò
        Stefano Paolo Roberto Massimo Fabio Claudio Giorgio Enrico Michele Salvatore Vincenzo Alberto Emanuele Daniele
        Samuele Jacopo Giacomo Carlo Luigi Mario Bruno Sergio Dario Cesare Ettore Ivan Ugo
    """,
    family_names="""
        Rossi Russo Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco Bruno Gallo Conti Costa Giordano
        Mancini Rizzo Lombardi Moretti Barbieri Fontana Santoro Mariani Rinaldi Caruso Ferrara Galli Martini Leone
        Longo Gentile Martinelli Vitale Lombardo Serra Coppola Marchetti Parisi Villa Conte Ferraro Ferri Fabbri Bianco
        Marini Grasso Valentini Messina Sala Gatti Pellegrini Palumbo Sanna Farina Rizzi Monti Cattaneo Morelli Amato
        Silvestri Mazza Testa Grassi Pellegrino Carbone Giuliani Benedetti Barone Rossetti Caputo Montanari Guerra
        Palmieri Bernardi Martino Fiore Ferretti Bellini Basile Riva Donati Piras Vitali Battaglia Sartori Neri
        Costantini Milani Pagano Ruggiero Sorrentino Orlando Negri Mantovani Tedesco Pozzi Fumagalli Brambilla Zanetti
        Bertolini Cavalli Corsi Damiani Falcone Gandolfi Innocenti Lanza Magnani Nardi Olivieri Pavan Quaranta Raimondi
        Salvi Tosi Ursini Venturi Zago Antonelli Bassi Casale Fusco Ghidini Landi Melis Perrone Sforza Trevisan
    """,
    languages=("it", "en", "de"),
)
TEEHAUS_ZUERICH = DemoStore(
    settings={
        "name": "Teehaus Zürich",
        "platform": "custom",
        "currency": "CHF",
        "time_zone": "Europe/Zurich",
        "week_start": "monday",
        "url": "https://teehaus.example",
        "sender": {"name": "Teehaus Zürich", "email": "gruezi@teehaus.example", "reply_to": "hilfe@teehaus.example"},
        "postal_address": "Teehaus Zürich AG\nLimmatquai 48\n8001 Zürich, Schweiz",
        "language": "de",
        "consent_sentence": "Sie bekommen diese E-Mail, weil Sie Angebote vom Teehaus Zürich erhalten möchten.",
    },
    first_order=70_001,
    orders=15_000,
    prices_minor=(780, 950, 1190, 1250, 1480, 1850, 2200, 2650, 3400, 4800, 6900, 14500),
    shipping_minor=790,
    free_shipping_from_minor=7500,
    mail_domain="briefkasten.example",
    given_names="""
        Mia Emma Lina Elena Lea Laura Anna Sophie Nora Julia Livia Sara Leonie Nina Alina Lara Jana Luisa Ella Selina
        Ursula Ruth Monika Verena Heidi Barbara Regula Claudia Sandra Nicole Petra Brigitte Karin Andrea Silvia Daniela
        Franziska Katharina Johanna Paula Noah Liam Luca Leon Elias Matteo Gabriel Louis Julian Levin Lukas David Samuel
        Jonas Simon Felix Urs Beat Reto Thomas Daniel Peter Hans Markus Martin Andreas Stefan Christian Michael Bruno
        Roland Patrick Marco Pascal Fabian Tobias Adrian Florian Dominik Jürg
    """,
    family_names="""
        Müller Meier Schmid Keller Weber Huber Schneider Meyer Steiner Fischer Gerber Brunner Baumann Frei Zimmermann
        Moser Widmer Wyss Graf Roth Suter Baumgartner Bachmann Kunz Bucher Hofer Lehmann Hess Christen Marti Egli
        Stalder Hofmann Schwarz Koch Arnold Lüthi Burri Peter Kaufmann Sutter Hunziker Bühler Kohler Herzog Ammann
        Künzli Ott Zürcher Gasser Ziegler Schär Berger Käser Flückiger Wenger Hug Bieri Vogel Studer Blaser Scherrer
        Zbinden Wüthrich Hirt Odermatt Kälin Rüegg Stucki Wirth Zwahlen Aebi Imhof Fuchs Tanner Benz Dörig Eberle Frick
        Grob Isler Jost Kessler Locher Mettler Näf Oswald Pfister Rohner Senn Trachsel Ulrich Vogt Walser Zeller
        Bolliger Knecht Maurer
    """,
    languages=("de", "en", "it"),
)
DEMO_STORES = (BOTTEGA_ROMA, TEEHAUS_ZUERICH)


class DemoError(Exception):
    """A request to make the demo was not answered as it should be; the text is one sentence for the operator."""


class Demo(NamedTuple):
    """What a reader needs to ask the demo: the key of its account, and the ids of its first store."""

    api_key: str
    audience: str
    source: str


async def make_demo(client: httpx.AsyncClient, operator_key: str, now: datetime, stored: Callable[[int], None]) -> Demo:
    """Make the demo in a service that has no account; `stored` is called with the number of orders sent since."""
    client.headers["Authorization"] = f"Bearer {operator_key}"
    api_key = str((await _posted(client, "/accounts", {"name": "Demo", "plan": "paid"}))["api_key"])
    client.headers["Authorization"] = f"Bearer {api_key}"
    opened = [await _open_store(client, store) for store in DEMO_STORES]
    for store, (_, source) in zip(DEMO_STORES, opened, strict=True):
        people = _as_ndjson(customer_rows(store, now), lambda _: None)
        await _imported(client, f"/sources/{source}/imports?of=customers", people)
        await _imported(client, f"/sources/{source}/imports", _as_ndjson(order_rows(store, now), stored))
    return Demo(api_key, *opened[0])


async def _open_store(client: httpx.AsyncClient, store: DemoStore) -> tuple[str, str]:
    """The ids of a new store's audience and source."""
    audience = await _posted(client, "/audiences", {"name": f"{store.settings['name']} customers"})
    source = await _posted(client, "/sources", {"audience": audience["id"], **store.settings})
    return audience["id"], source["id"]


async def _imported(client: httpx.AsyncClient, path: str, rows: AsyncIterator[bytes]) -> None:
    done = await _posted(client, path, rows)
    if done["rejected_count"] or done["warnings_count"]:
        raise DemoError(f"POST {path} refused or changed rows of the demo: {done}")


async def _posted(
    client: httpx.AsyncClient, path: str, body: dict[str, object] | AsyncIterator[bytes]
) -> dict[str, Any]:
    """The answer to a request that creates something, from JSON or from lines of JSON."""
    if isinstance(body, dict):
        answer = await client.post(path, json=body)
    else:
        answer = await client.post(path, content=body, headers={"Content-Type": "application/x-ndjson"})
    if answer.status_code != httpx.codes.CREATED:
        raise DemoError(f"POST {path} was answered {answer.status_code}: {answer.text}")
    created: dict[str, Any] = answer.json()
    return created


async def _as_ndjson(rows: Iterator[dict[str, object]], sent: Callable[[int], None]) -> AsyncIterator[bytes]:
    """The rows as lines of JSON; `sent` is called with the number of rows of each part."""
    while some := [*islice(rows, ROWS_SENT_AT_ONCE)]:
        yield "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in some).encode()
        sent(len(some))
