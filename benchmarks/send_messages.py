"""Messages: how fast they are queued over HTTP, and how fast a worker hands them to an SMTP server."""

import asyncio
import http.client
import json
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any

import asyncpg

from app.wire.ids import public_id
from benchmarks.report import Figure
from benchmarks.scene import Scene, run_as_superuser
from benchmarks.servers import ROOT, Server, serving

PEOPLE = 1_000
CLIENTS = 8
ROUNDS = 3
BATCHES_A_ROUND = {True: 2, False: 1}
RELAYS = {
    "aiosmtpd": "aiosmtpd",
    "an SMTP server that answers at once": "0.0",
    "one that takes 2 ms to keep a mail": "0.002",
}
NAMES = {"bytes": "one aiosmtplib connection, mails written beforehand", "usual": "the same with EmailMessage"}
GOALS = {"bytes": 0.7, "usual": 1.0}

SENDER = {
    "name": "Ada's shop",
    "email": "hello@shop.example",
    "reply_to": "care@shop.example",
    "postal_address": "Via Roma 1\n20121 Milano, Italy",
}
WORDING: dict[str, Any] = {
    "personalise": True,
    "subject": "Spring is here, and so are we",
    "text": "Hello {{customer.name}},\n\n" + "A word about what is new in the shop.\n" * 8,
    "html": "<p>Hello {{customer.name}},</p>" + "<p>A word about <b>what is new</b> in the shop.</p>" * 8,
}


def measure_messages(scene: Scene, seconds: float, *, whole: bool) -> list[Figure]:
    """Queueing, one by one and a thousand at once, then rounds of sending, ours and the plain way."""
    people = asyncio.run(_subscribed(scene))
    batches = BATCHES_A_ROUND[whole]
    with ExitStack() as held:
        service = held.enter_context(serving("service", scene))
        _ask(service, "PATCH", "/account", {"sender": SENDER})
        singly = _posted_singly(service, people, seconds)
        queueing = [_queued(service, people, 1) for _ in range(ROUNDS)]
        sending = [
            figure for relay, kind in RELAYS.items() for figure in _sent(service, scene, people, batches, relay, kind)
        ]
    return [
        Figure(f"POST /messages, {CLIENTS} clients", f"{singly:,.0f} messages/s"),
        Figure(f"POST /messages/batch of {PEOPLE:,}", f"{PEOPLE / statistics.median(queueing):,.0f} messages/s"),
        *sending,
    ]


def _sent(service: Server, scene: Scene, people: list[str], batches: int, relay: str, kind: str) -> Iterator[Figure]:
    """One worker, and the plain ways, with the same mails in turn."""
    with ExitStack() as held:
        port, taken = held.enter_context(_sink(kind))
        ways = {way: held.enter_context(_sending(way, scene, port)) for way in (*NAMES, "ours")}
        ways["ours"]()  # what was queued before; it warms up too
        rounds = []
        for _ in range(ROUNDS):
            _queued(service, people, batches)
            before = taken()
            rounds.append({way: send() for way, send in ways.items()})  # ours is the last: it leaves nothing
            if (sent := taken() - before) < len(ways) * batches * PEOPLE:  # more, where one had to be tried again
                raise RuntimeError(f"not every mail was sent in every way: {sent} mails")
    rates = {way: batches * PEOPLE / statistics.median(each[way] for each in rounds) for way in ways}
    for way, name in NAMES.items():
        yield Figure(
            f"one worker sends to {relay}",
            f"{rates['ours']:,.0f} messages/s",
            f"{rates[way]:,.0f} messages/s {name}",
            statistics.median(each[way] / each["ours"] for each in rounds),
            GOALS[way],
        )


async def _subscribed(scene: Scene) -> list[str]:
    """Customers who want to be written to."""
    await run_as_superuser(
        scene,
        f"""UPDATE customers SET marketing = 'subscribed'
            WHERE id IN (SELECT id FROM customers WHERE email IS NOT NULL ORDER BY id LIMIT {PEOPLE})""",
    )
    conn = await asyncpg.connect(scene.superuser)
    rows = await conn.fetch("SELECT id FROM customers WHERE marketing = 'subscribed' ORDER BY id")
    await conn.close()
    return [public_id("cus", row["id"]) for row in rows]


def _ask(server: Server, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    conn = http.client.HTTPConnection("127.0.0.1", server.port)
    answer = _answer(conn, server, method, path, body)
    conn.close()
    return answer


def _answer(
    conn: http.client.HTTPConnection, server: Server, method: str, path: str, body: dict[str, Any]
) -> dict[str, Any]:
    headers = {
        "Authorization": f"Bearer {server.key}",
        "Content-Type": "application/json",
        "Idempotency-Key": uuid.uuid4().hex,
    }
    conn.request(method, path, json.dumps(body).encode(), headers)
    with conn.getresponse() as response:
        content = response.read()
        if response.status not in {200, 202}:
            raise RuntimeError(content.decode())
    answer: dict[str, Any] = json.loads(content)
    return answer


def _posted_singly(server: Server, people: list[str], seconds: float) -> float:
    """Messages a second of several clients, each on a connection of its own."""
    until = time.perf_counter() + seconds

    def post(mine: list[str]) -> int:
        conn, done = http.client.HTTPConnection("127.0.0.1", server.port), 0
        while time.perf_counter() < until:
            _answer(conn, server, "POST", "/messages", WORDING | {"customer": mine[done % len(mine)]})
            done += 1
        conn.close()
        return done

    with ThreadPoolExecutor(CLIENTS) as clients:
        return sum(clients.map(post, (people[number::CLIENTS] for number in range(CLIENTS)))) / seconds


def _queued(server: Server, people: list[str], batches: int) -> float:
    """The seconds that queueing the batches took."""
    begun = time.perf_counter()
    for _ in range(batches):
        answer = _ask(server, "POST", "/messages/batch", WORDING | {"to": {"customers": people}})
        if answer["queued"] != len(people):
            raise RuntimeError(f"not everybody is written to: {answer['results'][:3]}")
    return time.perf_counter() - begun


# ---------------------------------------------------------------- processes


@contextmanager
def _mail_process(*arguments: str) -> Iterator[Any]:
    """One of the `mail_processes`, which answers every line with one; ended with the block."""
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmarks.mail_processes", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the process has no pipes")
        yield process
        process.stdin.close()


@contextmanager
def _sink(kind: str) -> Iterator[tuple[int, Any]]:
    """The port of an SMTP server, and what tells how many mails it has taken."""
    with _mail_process("take", kind) as process:
        port = int(process.stdout.readline())

        def taken() -> int:
            print(file=process.stdin, flush=True)
            return int(process.stdout.readline())

        yield port, taken


@contextmanager
def _sending(way: str, scene: Scene, port: int) -> Iterator[Any]:
    """What sends all that is queued and tells the seconds."""
    with _mail_process("send", way) as process:
        print(json.dumps({"scene": asdict(scene), "port": port}), file=process.stdin, flush=True)

        def sent() -> float:
            print(file=process.stdin, flush=True)
            return float(process.stdout.readline())

        yield sent
