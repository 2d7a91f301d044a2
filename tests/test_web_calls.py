"""Calls to addresses that tenants give: where they may lead, and how much they may cost."""

import asyncio
import sys
from contextlib import aclosing, asynccontextmanager

import pytest

from app.sources.connections import Connections, StoreNotReached
from app.web import calls
from app.web.calls import CallFailedError, WebCalls
from app.web.guard import Guard
from app.wire.instants import now_in_utc

FORMS = """
http://127.0.0.1/ http://127.0.0.1:6379/ http://127.1/ http://127.0.1/ http://2130706433/ http://0x7f000001/
http://0x7f.0x0.0x0.0x1/ http://0177.0.0.1/ http://017700000001/ http://127.0.0.1./ http://0/ http://0.0.0.0/
http://[::1]/ http://[::]/ http://[0:0:0:0:0:0:0:1]/ http://[::ffff:127.0.0.1]/ http://[::ffff:7f00:1]/
http://[::127.0.0.1]/ http://[64:ff9b::7f00:1]/ http://[64:ff9b:1::7f00:1]/ http://[2002:7f00:1::]/
http://[2001::1]/ http://[fe80::1]/ http://[fe80::1%25eth0]/ http://[fc00::1]/ http://[fd00:ec2::254]/
http://[fec0::1]/ http://[ff02::1]/ http://10.0.0.1/ http://172.16.0.1/ http://172.31.255.255/
http://192.168.1.1/ http://169.254.169.254/latest/meta-data/ http://100.100.100.200/ http://192.0.0.192/
http://198.18.0.1/ http://224.0.0.1/ http://255.255.255.255/ http://240.0.0.1/ http://localhost/
http://LOCALHOST/ http://localhost./ http://shop.localhost/ http://metadata.google.internal/
http://printer.local/ http://shop.lan/ http://router/ http://1.1.1.1.in-addr.arpa/
http://shop.example@127.0.0.1/ http://user:word@shop.example/ http://127。0。0。1/ http://①②⑦.⓪.⓪.①/
http://１２７.0.0.1/ http://127.0.0.1%2f.example/ file:///etc/passwd gopher://127.0.0.1/ ftp://shop.example/
unix:///run/x.sock javascript:alert(1) //127.0.0.1/ http:/// http:// https://127.0.0.1/
https://[::ffff:10.0.0.1]/ http://shop.example\\@127.0.0.1/ http://-shop.example/ http://shop..example/
http://999.1.1.1/ http://1.2.3/ http://shop.example.0x7f/
"""
HIDDEN = [*filter(None, FORMS.replace("\n", " ").split(" "))]


class Packets:
    """What this process asks of the network: the interpreter tells each name looked up and each connection."""

    def __init__(self) -> None:
        self.watched, self.seen = False, []
        sys.addaudithook(self._notice)

    def _notice(self, event: str, arguments: tuple) -> None:
        if self.watched and event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}:
            self.seen.append((event, arguments[-1] if event == "socket.connect" else arguments))


PACKETS = Packets()


@pytest.fixture
def packets():
    PACKETS.seen.clear()
    PACKETS.watched = True
    yield PACKETS.seen
    PACKETS.watched = False


@asynccontextmanager
async def web(*allowed, resolve=None):
    opened = WebCalls(Guard(allowed, resolve) if resolve else Guard(allowed))
    try:
        yield opened
    finally:
        await opened.close()


async def code_of(opened: WebCalls, url: str, method: str = "GET", **options) -> str:
    with pytest.raises(CallFailedError) as failed:
        await opened.call(method, url, **options)
    return failed.value.code


async def test_the_spy_sees_what_leaves(packets):
    async with web("127.0.0.0/8") as opened:
        assert await code_of(opened, "http://127.0.0.1:1/") == "unreachable"
    assert [event for event, _ in packets] == ["socket.connect"]


async def test_no_form_of_a_private_address_makes_a_packet_leave(packets):
    assert len(HIDDEN) > 40
    async with web() as opened:
        told = {url: await code_of(opened, url) for url in HIDDEN}
    assert {url: code for url, code in told.items() if code != "unsafe_address"} == {}
    assert packets == []


@pytest.mark.parametrize("platform", ["woocommerce", "shopify"])
async def test_no_form_of_a_private_address_in_credentials_makes_a_packet_leave(packets, platform):
    async with aclosing(Connections.of_this_process()) as connections:
        form = connections.connector(platform, "credentials").credential_forms[0]
        reasons = set()
        for hidden in HIDDEN:
            credentials = dict.fromkeys(form, "secret") | {form[0]: hidden}
            with pytest.raises(StoreNotReached) as refused:
                await connections.check(platform, credentials, now_in_utc)
            reasons.add(refused.value.members["reason"])
    assert reasons == {"unsafe_address" if platform == "woocommerce" else "not_a_shop"}
    assert packets == []


PRIVATE = (
    "127.0.0.1",
    "10.1.2.3",
    "169.254.169.254",
    "::1",
    "::ffff:127.0.0.1",
    "fd00::1",
    "64:ff9b::a00:1",
    "fe80::1%1",
)


@pytest.mark.parametrize("private", PRIVATE)
async def test_a_name_that_leads_to_a_private_address_is_refused_though_others_are_public(packets, private):
    async def resolve(_host, _port):
        return ["93.184.215.14", private]

    async with web(resolve=resolve) as opened:
        assert await code_of(opened, "http://shop.example/") == "unsafe_address"
    assert packets == []


async def test_a_name_is_resolved_once_and_the_connection_goes_to_what_was_checked(packets):
    answers = iter([["127.0.0.2"], ["10.0.0.1"]])

    async def resolve(_host, _port):
        return next(answers)

    async with web("127.0.0.0/8", resolve=resolve) as opened:
        assert await code_of(opened, "http://shop.example:1/") == "unreachable"
        assert await code_of(opened, "http://shop.example:1/") == "unsafe_address"
    assert packets == [("socket.connect", ("127.0.0.2", 1))]


@asynccontextmanager
async def answering(answer):
    """A server that gives the answer, bytes or a coroutine that writes it, to every request; counts those under way."""

    async def serve(reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await answer(head, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def whole(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{lines}\r\n".encode() + body


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (whole(b"x" * 2000), "too_large"),
        (whole(b"{}")[:-1], "broken_off"),
        (b"nonsense\r\n\r\n", "broken_off"),
        (whole(b"", "302 Found", Location="http://127.0.0.2:1/"), "redirected"),
        (whole(b"", "302 Found", Location="http://169.254.169.254/"), "redirected"),
        (whole(b"", "302 Found", Location="/round"), "redirected"),
        (whole(b"", "302 Found", Location="file:///etc/passwd"), "redirected"),
    ],
)
async def test_an_answer_that_is_too_large_broken_or_leads_away_is_none(sent, code):
    async def answer(_head, writer):
        writer.write(sent)

    async with answering(answer) as url, web("127.0.0.1") as opened:
        assert await code_of(opened, url, most_bytes=1000) == code


async def test_a_redirect_on_the_same_host_is_followed_when_reading_only():
    async def answer(head, writer):
        writer.write(whole(b"", "301 Moved", Location="/there") if b" / " in head else whole(b'{"total": 12.10}'))

    async with answering(answer) as url, web("127.0.0.1") as opened:
        assert (await opened.call("GET", url)).json() == {"total": "12.10"}
        assert await code_of(opened, url, "POST", content=b"{}") == "redirected"


async def test_a_server_that_does_not_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(calls, "CALL_SECONDS", 0.2)

    async def answer(_head, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nslow")
        await writer.drain()
        await asyncio.sleep(30)

    async with answering(answer) as url, web("127.0.0.1") as opened:
        assert await code_of(opened, url) == "timeout"


async def test_a_host_is_asked_by_few_requests_at_a_time():
    under_way, most = 0, 0

    async def answer(_head, writer):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.05)
        under_way -= 1
        writer.write(whole(b"{}"))

    async with answering(answer) as url, web("127.0.0.1") as opened:
        await asyncio.gather(*(opened.call("GET", url) for _ in range(12)))
    assert most <= calls.CALLS_AT_ONCE_OF_A_HOST


async def test_lines_are_read_as_they_arrive():
    content = b"".join(b'{"n": %d}\n' % number for number in range(50_000)) + b"last"

    async def answer(_head, writer):
        writer.write(whole(content))

    async with answering(answer) as url, web("127.0.0.1") as opened, opened.lines(url) as lines:
        assert [line async for line in lines] == content.split(b"\n")
