"""HTTP server: uvicorn's protocol with a limit on everything that a client can send or delay without a key.

Headers have a limit and a deadline, an answer that the client does not read has a deadline, and a peer has a limited
number of connections. Bodies are limited by the routes that read them.
"""

import asyncio
import json
import secrets
from collections import Counter
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.envelope import CLIENT_LEFT
from app.problems import PHRASES, HeadersTooLarge, Problem, UnreadableRequest

MOST_HEADER_BYTES = 64 * 1024
MOST_HEADER_FIELDS = 100
HEADERS_SECONDS = 10
WRITE_SECONDS = 30
"""A client must read what is buffered for it within this time, 64 KiB at the most."""
MOST_CONNECTIONS_OF_A_PEER = 4096


def whole_answer(problem: Problem) -> bytes:
    """A problem as it is sent before any route is known; the connection ends with it."""
    request_id = secrets.token_hex(16)
    body = json.dumps(problem.body(request_id)).encode()
    head = (
        f"HTTP/1.1 {problem.status} {PHRASES[problem.status]}\r\ncontent-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\nx-request-id: {request_id}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


class BoundedProtocol(HttpToolsProtocol):
    """One connection of a client."""

    connections_of: ClassVar[Counter[str]] = Counter()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers; a peer with too many connections is cut off at once."""
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else ""
        self._deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        self._is_in_headers = True
        self._is_refused = False
        self._header_bytes = self._header_fields = 0
        self.connections_of[self._peer] += 1
        if self.connections_of[self._peer] > MOST_CONNECTIONS_OF_A_PEER:
            transport.abort()
        else:
            self._deadline = self.loop.call_later(HEADERS_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; a request under way learns that its client has left."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.scope["state"][CLIENT_LEFT] = True
        super().connection_lost(exc)
        self.connections_of[self._peer] -= 1
        if not self.connections_of[self._peer]:
            del self.connections_of[self._peer]
        for timer in (self._deadline, self._write_deadline):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Read what has come; refuse headers that have grown too large before their end."""
        if self._is_refused:
            return
        before = self._header_bytes if self._is_in_headers else 0
        super().data_received(data)
        if self._is_in_headers and not self._is_refused:
            self._header_bytes = before + len(data)
            if self._header_bytes > MOST_HEADER_BYTES:
                self._refuse(HeadersTooLarge())

    def on_message_begin(self) -> None:
        """Wait for the headers of a request."""
        super().on_message_begin()
        self._is_in_headers, self._header_bytes, self._header_fields = True, 0, 0
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEADERS_SECONDS, self.transport.abort)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count the field."""
        self._header_fields += 1
        self._header_bytes += len(name) + len(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Answer the request, unless its headers are too large."""
        self._is_in_headers = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self._header_fields > MOST_HEADER_FIELDS or self._header_bytes > MOST_HEADER_BYTES:
            self._refuse(HeadersTooLarge())
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, unless the request was refused."""
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request, unless it was refused."""
        if not self._is_refused:
            super().on_message_complete()

    def pause_writing(self) -> None:
        """Give the client a time to read what is buffered."""
        super().pause_writing()
        if self._write_deadline is None:
            self._write_deadline = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read it."""
        super().resume_writing()
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP; uvicorn's sentence is not repeated."""
        del msg
        self._refuse(UnreadableRequest())

    def _refuse(self, problem: Problem) -> None:
        self._is_refused = True
        self.transport.write(whole_answer(problem))
        self.transport.close()
