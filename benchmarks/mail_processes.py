"""Mail processes: what sends the queued messages, ours or the plainest way, and the SMTP server that takes them."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import cast

import aiosmtplib
import uvloop
from aiosmtpd.smtp import SMTP

from app.database.pools import Database
from app.database.rows import all_rows, one_row
from app.logs import log_as_json
from app.mail.choose_mailer import open_mailer
from app.mail.contract import Mail
from app.mail.mime import written
from app.messages.identity import identity_of
from app.messages.queue_statements import (
    CLAIM_DUE,
    LOCK_RECIPIENTS,
    LOCK_SENDER,
    DueMessage,
    LockedRecipient,
    LockedSender,
)
from app.messages.sending.claim_messages import SendingLimits
from app.messages.sending.compose_mail import Site, compose_mail, unsubscribe_link
from app.messages.sending.deliver_messages import Delivery
from benchmarks.scene import NOW, Scene

UNLIMITED = SendingLimits(rate_per_second=1e9, burst=1_000_000)
SITE = Site("https://loyal.example.test")


def clock() -> datetime:
    """The time of the benchmarks. It moves, and is the same in all processes: rates and leases need that."""
    return NOW + timedelta(seconds=time.monotonic())


async def ours(_scene: Scene, port: int, database: Database) -> float:
    """Seconds until a worker with the settings of the service has nothing more to send."""
    mailer = open_mailer(f"smtp://127.0.0.1:{port}", concurrency=UNLIMITED.concurrency)
    begun = time.perf_counter()
    await Delivery(database, mailer, clock, UNLIMITED, SITE).run(asyncio.Event(), until_idle=True)
    taken = time.perf_counter() - begun
    await mailer.close()
    return taken


async def as_bytes(scene: Scene, port: int, database: Database) -> float:
    """Seconds that the same mails take, written beforehand."""
    letters = [written(mail) for mail in await _mails(scene, database)]
    begun = time.perf_counter()
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
        for letter in letters:
            if not isinstance(letter, tuple):
                raise TypeError(letter)
            envelope, content = letter
            await client.sendmail(envelope.sender, envelope.recipient, content)
    return time.perf_counter() - begun


async def usual(scene: Scene, port: int, database: Database) -> float:
    """Seconds that the same mails take as the documentation of aiosmtplib sends them."""
    mails = await _mails(scene, database)
    begun = time.perf_counter()
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
        for mail in mails:
            await client.send_message(message_of(mail))
    return time.perf_counter() - begun


def message_of(mail: Mail) -> EmailMessage:
    """The mail by the standard library."""
    message = EmailMessage()
    message["From"] = f"{mail.sender.name} <{mail.sender.email}>"
    message["To"] = f"{mail.recipient.name} <{mail.recipient.email}>"
    message["Reply-To"] = mail.reply_to or mail.sender.email
    message["Subject"] = mail.subject
    message["Date"] = mail.date
    message["Message-ID"] = mail.message_id
    for name, value in mail.unsubscribe_headers.items():
        message[name] = value
    message.set_content(mail.text)
    message.add_alternative(mail.html or "", subtype="html")
    return message


async def _mails(scene: Scene, database: Database) -> list[Mail]:
    """All that is queued, composed; it stays queued."""
    account = {"account_id": scene.account_id}
    due: dict[str, object] = {"now": clock(), "most": None, "in_flight": []}
    async with database.write() as conn:
        sender = await one_row(conn, LOCK_SENDER, account, LockedSender)
        messages = await all_rows(conn, CLAIM_DUE, account | due, DueMessage)
        customers = [message.customer_id for message in messages]
        found = await all_rows(conn, LOCK_RECIPIENTS, account | {"customers": customers}, LockedRecipient)
        recipients = {recipient.id: recipient for recipient in found}
    return [_composed(scene, message, recipients[message.customer_id or 0], sender) for message in messages]


def _composed(scene: Scene, message: DueMessage, recipient: LockedRecipient, sender: LockedSender) -> Mail:
    identity = identity_of(sender, recipient)
    if identity is None:
        raise TypeError("the scene has a sender")
    link = unsubscribe_link(scene.account_id, message, recipient, sender.cursor_secret, SITE)
    return compose_mail(scene.account_id, message, recipient, identity, link)


WAYS: dict[str, Callable[[Scene, int, Database], Awaitable[float]]] = {"ours": ours, "bytes": as_bytes, "usual": usual}


async def send(way: str) -> None:
    """Send all that is queued, once for each line of the standard input, and print the seconds it took."""
    log_as_json()
    order = json.loads(sys.stdin.readline())
    scene = Scene(**order["scene"])
    database = scene.database()
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(await WAYS[way](scene, order["port"], database), flush=True)
    await database.close()


AIOSMTPD = "aiosmtpd"
CONTENT_END = b"\r\n.\r\n"
REPLIES = {b"MAIL": b"250 OK\r\n", b"RCPT": b"250 OK\r\n", b"DATA": b"354 Go on\r\n", b"RSET": b"250 OK\r\n"}
GREETING, HELLO, TAKEN, BYE = b"220 sink\r\n", b"250-sink\r\n250 8BITMIME\r\n", b"250 2.0.0 Ok\r\n", b"221 Bye\r\n"


class Sink:
    """What all connections have taken."""

    taken = 0

    def __init__(self, seconds: float) -> None:
        """How long it takes to take one."""
        self.seconds = seconds


class Taking(asyncio.Protocol):
    """One connection."""

    def __init__(self, sink: Sink) -> None:
        """Nothing has been said yet."""
        self._sink, self._buffer, self._in_content = sink, b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(GREETING)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._step():
            pass

    def _step(self) -> bool:
        """Answer one command, or one whole mail; false where more has to come first."""
        end = CONTENT_END if self._in_content else b"\r\n"
        before, found, after = self._buffer.partition(end)
        if not found:
            return False
        self._buffer = after
        if self._in_content:
            self._in_content = False
            self._sink.taken += 1
            if self._sink.seconds:
                asyncio.get_running_loop().call_later(self._sink.seconds, self._transport.write, TAKEN)
            else:
                self._transport.write(TAKEN)
            return True
        command = before[:4].upper()
        self._in_content = command == b"DATA"
        self._transport.write(BYE if command == b"QUIT" else REPLIES.get(command, HELLO))
        return True


class Handler:
    """What aiosmtpd asks."""

    def __init__(self, sink: Sink) -> None:
        """Counts where the others do."""
        self._sink = sink

    async def handle_DATA(self, _server: object, _session: object, _envelope: object) -> str:  # noqa: N802
        """Take a mail."""
        self._sink.taken += 1
        return "250 2.0.0 Ok"


def connection(kind: str, sink: Sink) -> asyncio.Protocol:
    """What talks to one client."""
    return SMTP(Handler(sink)) if kind == AIOSMTPD else Taking(sink)


async def take(kind: str) -> None:
    """Take mails until the standard input is closed; print the port, then the number taken for each line of it."""
    loop = asyncio.get_running_loop()
    sink = Sink(0.0 if kind == AIOSMTPD else float(kind))
    server = await loop.create_server(lambda: connection(kind, sink), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(sink.taken, flush=True)


if __name__ == "__main__":
    _, task, name = sys.argv
    uvloop.run(take(name) if task == "take" else send(name))
