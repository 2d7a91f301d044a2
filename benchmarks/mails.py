"""Mails: what sends those that are queued, ours or the plainest way, in a process of its own.

It reads the scene, then sends all that is queued at every line that it reads and tells the seconds. The plain ways
hand the mails over one by one, on one connection of aiosmtplib, and store nothing: `bytes` has them written beforehand,
`usual` makes an EmailMessage of each.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from email.message import EmailMessage

import aiosmtplib
import uvloop

from app.cli import log_as_json
from app.database.pools import Database
from app.database.rows import all_rows, one_row
from app.mail.choose_mailer import open_mailer
from app.mail.contract import Mail
from app.mail.mime import written
from app.messages.queue_statements import (
    CLAIM_DUE,
    LOCK_RECIPIENTS,
    LOCK_SENDER,
    DueMessage,
    LockedRecipient,
    LockedSender,
)
from app.messages.sending.claim_messages import SendingLimits
from app.messages.sending.compose_mail import Site, compose_mail
from app.messages.sending.deliver_messages import Delivery
from benchmarks.material import NOW
from benchmarks.scene import Scene

UNLIMITED = SendingLimits(rate_per_second=1e9, burst=1_000_000)
SITE = Site("https://loyal.example.test")


def clock() -> datetime:
    """The time of the benchmarks, which goes on, and is the same in all processes: rates and leases need that."""
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
    return [
        compose_mail(scene.account_id, message, recipients[message.customer_id or 0], sender, SITE)
        for message in messages
    ]


WAYS: dict[str, Callable[[Scene, int, Database], Awaitable[float]]] = {"ours": ours, "bytes": as_bytes, "usual": usual}


async def main() -> None:
    """Send in the way that the command line names, again and again."""
    log_as_json()
    order = json.loads(sys.stdin.readline())
    scene = Scene(**order["scene"])
    database = scene.database()
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(await WAYS[sys.argv[1]](scene, order["port"], database), flush=True)
    await database.close()


if __name__ == "__main__":
    uvloop.run(main())
