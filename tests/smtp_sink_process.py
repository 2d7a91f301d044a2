"""The process behind mail_sinks.smtp_sink(): an aiosmtpd server that does what a script says.

It has a process of its own because aiosmtpd's imports emit warnings, which the tests do not allow, and so that a
worker can be killed while the sink goes on.
"""

import asyncio
import base64
import functools
import json
import os
import re
import ssl
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import uvloop
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

MESSAGE_ID = re.compile(rb"^Message-ID: (\S+)\r?$", re.MULTILINE)
FOR_EVER = 3600


@dataclass
class Options:
    """See mail_sinks.smtp_sink()."""

    file: str
    script: dict[str, list[str]]
    rcpt_delay_seconds: float
    answer_delay_seconds: float
    keep_content: bool
    certificate: str | None
    implicit_tls: bool
    login: list[str] | None
    idle_seconds: float
    smtputf8: bool
    port: int

    def step(self, address: str) -> str:
        """What happens to the next mail of an address."""
        steps = self.script.get(address, [])
        return steps.pop(0) if len(steps) > 1 else next(iter(steps), "250")


@dataclass
class Handler:
    options: Options
    file: int
    connections: dict[SMTP, int] = field(default_factory=dict)
    steps: dict[SMTP, str] = field(default_factory=dict)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's names
        self, _smtp: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        step = self.options.step(address)
        return "250 OK" if step == "250" else step

    async def handle_RCPT(  # noqa: N802
        self, smtp: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        step = self.steps[smtp] = self.options.step(address)
        if step == "hang up":
            smtp.transport.abort()
        await asyncio.sleep(FOR_EVER if step == "stall" else self.options.rcpt_delay_seconds)
        return step if step[0] in "45" else "250 OK"

    async def handle_DATA(self, smtp: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        step = self.steps[smtp]
        if step != "cut" and not step.startswith("data "):
            self.take(smtp, envelope)
        await asyncio.sleep(self.options.answer_delay_seconds)
        if step.startswith("data "):
            return step.removeprefix("data ")
        if step.endswith("cut"):
            smtp.transport.abort()
        if step.endswith("stall"):
            await asyncio.sleep(FOR_EVER)
        return f"250 2.0.0 Ok: queued as {id(envelope):X}"

    def take(self, smtp: SMTP, envelope: Envelope) -> None:
        """One line in one write: it is whole, whatever is killed."""
        content: bytes = envelope.content
        found = MESSAGE_ID.search(content)
        row = {
            "message_id": found[1].decode() if found else "",
            "sender": envelope.mail_from,
            "recipient": ", ".join(envelope.rcpt_tos),
            "at": time.time(),
            "connection": self.connections.setdefault(smtp, len(self.connections)),
            "options": envelope.mail_options,
            "content": base64.b64encode(content).decode() if self.options.keep_content else "",
        }
        os.write(self.file, json.dumps(row).encode() + b"\n")

    def authenticate(self, _smtp: SMTP, _session: Session, _envelope: Envelope, _how: str, login: LoginPassword) -> Any:
        right = self.options.login == [login.login.decode(), login.password.decode()]
        return AuthResult(success=right, handled=False)


async def serve(options: Options) -> None:
    tls = None
    if options.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.certificate)
    handler = Handler(options, os.open(options.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644))
    loop = asyncio.get_running_loop()
    protocol = functools.partial(
        SMTP,
        handler,
        hostname="sink.example",
        enable_SMTPUTF8=options.smtputf8,
        timeout=options.idle_seconds,
        tls_context=None if options.implicit_tls else tls,
        authenticator=handler.authenticate if options.login else None,
        auth_required=bool(options.login),
        auth_require_tls=False,
        auth_exclude_mechanism=() if options.login else ("LOGIN", "PLAIN"),
        loop=loop,
    )
    listening = await loop.create_server(
        protocol, "127.0.0.1", options.port, ssl=tls if options.implicit_tls else None, backlog=1000
    )
    print(listening.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - the parent reads it
    await loop.run_in_executor(None, sys.stdin.read)  # until the parent is gone
    os._exit(0)


if __name__ == "__main__":
    uvloop.run(serve(Options(**json.loads(sys.argv[1]))))
