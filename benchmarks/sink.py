"""Sink: an SMTP server that takes every mail and keeps none.

It tells its port, then how many mails it has taken at every line that it reads. The command line says whether it is
aiosmtpd's, or one on bare sockets that costs little and answers so many seconds later: a relay that writes a mail to
its disk takes some milliseconds.
"""

import asyncio
import sys
from typing import cast

import uvloop
from aiosmtpd.smtp import SMTP

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


async def serve() -> None:
    """Take mails until the other end of the standard input is closed."""
    loop = asyncio.get_running_loop()
    kind = sys.argv[1]
    sink = Sink(0.0 if kind == AIOSMTPD else float(kind))
    server = await loop.create_server(lambda: connection(kind, sink), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(sink.taken, flush=True)


if __name__ == "__main__":
    uvloop.run(serve())
