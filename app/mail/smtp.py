"""SMTP: mails handed over to a relay, one recipient each, over connections that are used again.

Commands are given one by one, because what a failure means depends on how far the mail had
come: until the content has been sent nothing can have been taken over; after that, without an
answer, nobody knows (RFC 1047).
"""

import asyncio
import contextlib
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from enum import StrEnum

import aiosmtplib
from aiosmtplib.errors import (
    SMTPConnectError,
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)
from aiosmtplib.response import SMTPResponse

from app.mail.addressing import MailAddresses, readable
from app.mail.contract import Accepted, Deferred, Mail, Misconfigured, Outcome, Refused
from app.mail.mime import written

SMTP_CONNECT_SECONDS = 10
COMMAND_SECONDS = 30
TRUSTED_IDLE_SECONDS = 30
"""A connection that was idle for longer is not used again: servers and firewalls drop it silently."""

COMPLETED, CONTINUE, TRANSIENT, PERMANENT = 2, 3, 4, 5
"""What the first digit of a reply says; it is all that a client should decide by (RFC 5321, 4.2)."""
SHUTTING_DOWN = 421
TOO_LARGE, UNKNOWN_PARAMETER = 552, 555
LOGIN_REFUSED = {530, 534, 535, 538}
ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")
OF_THE_SENDER = {"5.1.7", "5.1.8"}
ABOUT_US = re.compile("relay|authenti|sender|spam|block|polic|prohibit", re.IGNORECASE)
"""Exim sends a bare 550 for a blocked client as well as for an unknown recipient. These words mean the client, so the
address is not marked `cleaned`."""
HOST_NAME = re.compile(r"[A-Za-z0-9.-]{1,250}")

Failures = (SMTPException, OSError, TimeoutError, ValueError)
"""The errors that end a connection; asyncio and ssl raise ValueError for some of them."""


class Security(StrEnum):
    """How a connection is encrypted; a login is sent over an encrypted connection only."""

    NONE = "smtp"
    STARTTLS = "smtp+starttls"
    TLS = "smtps"


@dataclass(frozen=True, slots=True)
class Relay:
    """A server that takes mails over; `login` is a user and a password."""

    host: str
    port: int
    security: Security
    login: tuple[str, str] | None = None
    ca_file: str | None = None
    answer_seconds: float = 600


class _Stage(StrEnum):
    HELLO = "EHLO"
    SENDER = "MAIL"
    RECIPIENT = "RCPT"
    CONTENT = "DATA"


class _Lapsed(Exception):  # noqa: N818 - not an error: it is tried again on a fresh connection
    """The server had given up the connection while it was idle."""


@dataclass(slots=True)
class _Line:
    """A connection and when it was last used."""

    client: aiosmtplib.SMTP
    used_at: float | None = None


class Smtp:
    """A relay, with at most `concurrency` connections at a time."""

    def __init__(self, relay: Relay, *, concurrency: int) -> None:
        """Reads the certificates: OSError when `ca_file` is not there or holds none."""
        self._relay = relay
        self._tls = None if relay.security is Security.NONE else ssl.create_default_context(cafile=relay.ca_file)
        self._free = asyncio.Semaphore(concurrency)
        self._idle: list[_Line] = []
        self._closed = False

    async def send(self, mail: Mail) -> Outcome:
        """Hand over one mail."""
        written_mail = written(mail)
        if not isinstance(written_mail, tuple):
            return written_mail
        async with self._free:
            if (line := self._rested()) is not None:
                with contextlib.suppress(_Lapsed):
                    return await self._hand_over(line, *written_mail)
            try:
                fresh = await self._connected()
            except Failures as error:
                return _unreachable(error)
            return await self._hand_over(fresh, *written_mail) if isinstance(fresh, _Line) else fresh

    async def close(self) -> None:
        """End the idle connections with QUIT."""
        self._closed = True
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_goodbye(line.client) for line in idle))

    def _rested(self) -> _Line | None:
        """The connection that was used last, if it is still there."""
        while self._idle:
            line = self._idle.pop()
            if line.client.is_connected and time.monotonic() - (line.used_at or 0) < TRUSTED_IDLE_SECONDS:
                return line
            line.client.close()
        return None

    async def _connected(self) -> _Line | Outcome:
        """A new connection, encrypted and logged in as the relay is set up; or why there is none."""
        relay = self._relay
        client = aiosmtplib.SMTP(
            hostname=relay.host,
            port=relay.port,
            local_hostname=_own_name(),
            timeout=COMMAND_SECONDS,
            use_tls=relay.security is Security.TLS,
            start_tls=False,
            tls_context=self._tls,
        )
        unfit: Outcome | None = None
        try:
            await client.connect(timeout=SMTP_CONNECT_SECONDS)
            await client.ehlo()
            if relay.security is Security.STARTTLS:
                unfit = await _encrypted(client)
            if relay.login and not unfit:
                unfit = await _logged_in(client, *relay.login)
        except BaseException:
            client.close()
            raise
        if unfit is None:
            return _Line(client)
        client.close()
        return unfit

    async def _hand_over(self, line: _Line, addresses: MailAddresses, content: bytes) -> Outcome:
        """One mail over one connection, which is kept for the next one if all is in order."""
        async with self._kept(line):
            try:
                refusal = await _announced(line, addresses)
            except Failures as error:
                line.client.close()
                if line.used_at is not None and isinstance(error, SMTPServerDisconnected):
                    raise _Lapsed from None
                return _unreachable(error)
            return refusal or await _delivered(line.client, content, self._relay.answer_seconds)

    @contextlib.asynccontextmanager
    async def _kept(self, line: _Line) -> AsyncIterator[None]:
        try:
            yield
        except BaseException:  # cancelled: what the server answers next would belong to this mail
            line.client.close()
            raise
        if line.client.is_connected and not self._closed:
            line.used_at = time.monotonic()
            self._idle.append(line)
        else:
            line.client.close()


def _own_name() -> str:
    name = socket.gethostname()
    return name if HOST_NAME.fullmatch(name) else "localhost"


async def _encrypted(client: aiosmtplib.SMTP) -> Outcome | None:
    """Encrypt the connection; nothing is ever sent in clear instead."""
    if not client.supports_extension("starttls"):
        return Deferred("tls", "The mail server offers no encryption.")
    await client.starttls()
    await client.ehlo()
    return None


async def _logged_in(client: aiosmtplib.SMTP, user: str, password: str) -> Outcome | None:
    """Log in by one method only: trying a wrong password by three may lock the account."""
    ways = {"plain": client.auth_plain, "login": client.auth_login, "cram-md5": client.auth_crammd5}
    way = next((each for name, each in ways.items() if name in client.server_auth_methods), None)
    if way is None:
        return Misconfigured("no_login", "The mail server offers no login that is known here.")
    await way(user, password)
    return None


async def _announced(line: _Line, addresses: MailAddresses) -> Outcome | None:
    """Send everything before the content; returns the server's refusal, if there is one."""
    client = line.client
    options = [b"SMTPUTF8"] if addresses.needs_utf8 else []
    if options and not client.supports_extension("smtputf8"):
        return Refused("needs_smtputf8", "The mail server takes no addresses that are not ASCII.")
    for stage, command, welcome in (  # nothing is pipelined: aiosmtplib reads one reply at a time
        (_Stage.SENDER, [b"MAIL", f"FROM:<{addresses.sender}>".encode(), *options], COMPLETED),
        (_Stage.RECIPIENT, [b"RCPT", f"TO:<{addresses.recipient}>".encode()], COMPLETED),
        (_Stage.CONTENT, [b"DATA"], CONTINUE),
    ):
        reply = await client.execute_command(*command)
        if reply.code // 100 == welcome:
            continue
        if reply.code == SHUTTING_DOWN and line.used_at is not None:
            raise _Lapsed
        await _reset(client)
        return _outcome_of_reply(reply, stage)
    return None


async def _reset(client: aiosmtplib.SMTP) -> None:
    """Reset the connection after a refusal; close it if the server has hung up."""
    try:
        await client.execute_command(b"RSET")
    except Failures:
        client.close()


async def _delivered(client: aiosmtplib.SMTP, content: bytes, answer_seconds: float) -> Outcome:
    """Send the content, ended by a dot; returns the outcome."""
    protocol = client.protocol
    try:
        if protocol is None:
            raise SMTPServerDisconnected("Connection lost")
        protocol.write(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
    except Failures as error:
        client.close()
        return _unreachable(error)
    try:
        reply = await protocol.read_response(timeout=answer_seconds)
    except Failures as error:
        client.close()
        code = "timeout" if isinstance(error, TimeoutError) else "disconnected"
        return Deferred(code, "The mail was sent, its answer was lost.", maybe_duplicate=True)
    if reply.code == SHUTTING_DOWN:
        client.close()
    if reply.code // 100 == COMPLETED:
        return Accepted(readable(reply.message) or None)
    refusal = _outcome_of_reply(reply, _Stage.CONTENT)
    if isinstance(refusal, Deferred) and reply.code // 100 != TRANSIENT:
        return replace(refusal, maybe_duplicate=True)
    return refusal


def _outcome_of_reply(reply: SMTPResponse | SMTPResponseException, stage: _Stage) -> Outcome:
    """The outcome of a refusal: for now, or about the address, the message, or our login."""
    match = ENHANCED.match(reply.message)
    enhanced = match.group() if match else ""
    code = f"{reply.code} {enhanced}".strip()
    detail = readable(reply.message)
    if reply.code // 100 != PERMANENT:
        return Deferred(code if reply.code // 100 == TRANSIENT else "garbled", detail)
    of_us = stage in {_Stage.HELLO, _Stage.SENDER} and reply.code not in {TOO_LARGE, UNKNOWN_PARAMETER}
    if of_us or reply.code in LOGIN_REFUSED or enhanced in OF_THE_SENDER:
        return Misconfigured(code, detail)
    of_address = enhanced.startswith("5.1.") or enhanced == "5.2.1"
    if not enhanced:
        of_address = stage is _Stage.RECIPIENT and reply.code in {550, 551, 553} and not ABOUT_US.search(detail)
    return Refused(code, detail, of_address=of_address)


def _unreachable(error: BaseException) -> Outcome:
    """The outcome when the server could not be reached: no mail was accepted."""
    if isinstance(error, SMTPResponseException):
        return _outcome_of_reply(error, _Stage.HELLO)
    if isinstance(error, SMTPTimeoutError | TimeoutError):
        return Deferred("timeout", "The mail server does not answer.")
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return Deferred("tls", "The mail server's certificate or encryption cannot be trusted.")
    if isinstance(error, SMTPConnectError):
        return Deferred("unreachable", "The mail server cannot be reached.")
    return Deferred("disconnected", "The mail server has hung up.")


async def _goodbye(client: aiosmtplib.SMTP) -> None:
    with contextlib.suppress(*Failures):
        await client.quit(timeout=2)
    client.close()
