"""Mail sinks: an SMTP server in a process of its own and an HTTP provider, both of which do what a script says.

A script names addresses, and what happens to the mails to each: its steps are used up one by one, the last one
repeats. The steps of the SMTP sink:

    "250"                         taken
    "450 4.2.0 later"             the reply to RCPT (to MAIL, for the address of a sender)
    "data 554 5.7.1 no"           the reply to the final dot
    "hang up"                     the connection is closed at RCPT
    "cut"                         the connection is closed after the final dot; the mail is not taken
    "taken, cut"                  the mail is taken, then the connection is closed without an answer
    "stall"                       RCPT is never answered
    "taken, stall"                the mail is taken and never answered
"""

import base64
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

Script = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Taken:
    """A mail that the sink has taken."""

    message_id: str
    sender: str
    recipient: str
    at: float
    connection: int
    options: list[str]
    content: bytes

    @property
    def parsed(self) -> EmailMessage:
        parsed = message_from_bytes(self.content, policy=default)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass(frozen=True)
class SmtpSink:
    """A running SMTP server."""

    port: int
    file: Path
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def taken(self) -> list[Taken]:
        """What was taken so far, in order; it is in the file before it is answered."""
        lines = self.file.read_bytes().splitlines() if self.file.exists() else []
        rows = [json.loads(line) for line in lines]
        return [Taken(**row | {"content": base64.b64decode(row["content"])}) for row in rows]


@contextlib.contextmanager
def smtp_sink(
    file: Path,
    script: Script | None = None,
    *,
    rcpt_delay_seconds: float = 0,
    answer_delay_seconds: float = 0,
    keep_content: bool = True,
    certificate: Path | None = None,
    implicit_tls: bool = False,
    login: tuple[str, str] | None = None,
    idle_seconds: float = 300,
    smtputf8: bool = True,
    port: int = 0,
) -> Iterator[SmtpSink]:
    """An SMTP server until the block ends; `file` gets a line of JSON per mail that it takes, and is only added to.

    `certificate` is a PEM file with its key: STARTTLS is offered, or the port speaks TLS. One delay is before RCPT
    is answered, when nothing is taken yet, the other between the final dot and the answer to it, when all is.
    """
    options = {
        "file": str(file),
        "script": {address: list(steps) for address, steps in (script or {}).items()},
        "rcpt_delay_seconds": rcpt_delay_seconds,
        "answer_delay_seconds": answer_delay_seconds,
        "keep_content": keep_content,
        "certificate": str(certificate) if certificate else None,
        "implicit_tls": implicit_tls,
        "login": login,
        "idle_seconds": idle_seconds,
        "smtputf8": smtputf8,
        "port": port,
    }
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name("smtp_sink_process.py")), json.dumps(options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        yield SmtpSink(int(process.stdout.readline()), file, process)
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


# ---------------------------------------------------------------- HTTP


@dataclass(frozen=True)
class Asked:
    """A request that the provider got."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What the provider answers; `cut` closes the connection instead, after so many bytes of the body."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    stall_seconds: float = 0
    cut: bool = False


class HttpSink:
    """A provider on a real port: answers with `replies` in order, the last one again and again."""

    def __init__(self) -> None:
        self.replies: list[Reply] = [Reply()]
        self.asked: list[Asked] = []
        self.connections = 0
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                sink.connections += 1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink.asked.append(Asked(self.path, {**self.headers}, body))
                reply = sink.replies.pop(0) if len(sink.replies) > 1 else sink.replies[0]
                time.sleep(reply.stall_seconds)
                self.close_connection = reply.cut
                if not reply.cut:
                    with contextlib.suppress(OSError):
                        self._answer(reply)

            def _answer(self, reply: Reply) -> None:
                content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(content)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
