"""Order reader: long streams are read in a process of its own, which may die and never outlives the service."""

import asyncio
import json
import marshal
import signal
import threading
import time

import httpx
import psutil
import pytest
from conftest import NOW, wait_until
from processes import Shop, running
from shop import order
from structlog.testing import capture_logs

from app.boards.source import Source
from app.orders.normal_form import Refusal
from app.orders.read_orders import packed_orders, read_orders, unpacked_orders
from app.orders.read_rows import Records, Table
from app.orders.spelling import DateOrder, DecimalMark, Spelling
from app.words import Language

HEADER = "order_id,customer_id,ordered_at,total,status\n"


def lines(first: int, last: int) -> bytes:
    return "".join(f"o{n},c{n % 50},2026-03-01T12:00:00Z,5.00,paid\n" for n in range(first, last)).encode()


def readers(pid: int) -> list[psutil.Process]:
    """The processes that read orders for a service."""
    return [each for each in psutil.Process(pid).children() if "multiprocessing.spawn" in " ".join(each.cmdline())]


async def test_a_long_stream_gives_what_a_short_one_does(open_store):
    store = await open_store()
    wrong = b'x,c,yesterday,5.00,paid\n"a\n"b,c\n'
    loaded = (await store.load(HEADER.encode() + lines(0, 3_000) + wrong + lines(3_000, 6_000))).json()
    assert (loaded["created"], loaded["rejected_count"]) == (6_000, loaded["received"] - 6_000)
    assert loaded["rejected"][0]["line"] == 3_002
    assert loaded["rejected"][0]["code"] == "invalid_ordered_at"
    page = await store.ask(time_frame="all_time")
    assert (page["number_of_purchases"], page["total_spend"]) == (6_000, "30000.00")


ODD_FIELDS = [
    *({"total": "-1.00"}, {"total": "1.234"}, {"total": None}, {"currency": "XXX"}, {"status": "odd"}, {"items": "1"}),
    *({"ordered_at": "today"}, {"ordered_at": "2199-01-01T00:00:00Z"}, {"order_id": "x" * 300}, {"owner": "x"}),
]
ODD_ROWS = [
    *(json.dumps(order("o1", "ada") | fields).encode() for fields in ODD_FIELDS),
    *(b"[]", b"{", b"\xff", json.dumps(order("o1", "ada") | {"email": "nobody", "language": "xx"}).encode()),
    *("unreadable_row", "row_too_long"),
]
COLUMNS = ("order_id", "customer_id", "ordered_at", "total", "status")
ODD_CELLS = [
    *(b"o1,ada,2026-03-01T12:00:00Z,5.00,paid", b"o1,ada", b"o1,ada,yesterday,5.00,paid", b",ada,,,"),
    *(b"o1,ada,2026-03-01T12:00:00Z,a lot,paid", b"o1,ada,2026-03-01T12:00:00Z,5.005,odd"),
    b"o1,ada,01/13/2026,$5.00,paid",
]


@pytest.mark.parametrize("decimal", DecimalMark)
def test_another_process_tells_of_odd_rows_what_this_one_does(decimal):
    source = Source(1, 1, 1, "EUR", "Europe/Rome", "monday")
    table = Table(",", COLUMNS, Spelling(decimal, DateOrder.ISO, "Europe/Rome"))
    for records, read_as in (([*enumerate(ODD_ROWS)], None), ([*enumerate(ODD_CELLS)], table)):
        here = read_orders(Records(records, read_as), source, NOW)
        there = unpacked_orders(packed_orders(marshal.dumps(records), read_as, False, source, NOW))

        assert [told(each) for each in there.lines] == [told(each) for each in here.lines]
        assert there.read == here.read == len(records)


def told(line):
    first, last, row = line
    if isinstance(row, Refusal):
        return first, last, [row.told(language) for language in Language]
    return first, last, row._replace(left_out=[(code, str(detail)) for code, detail in row.left_out])


async def test_a_reader_that_is_killed_is_replaced_and_no_row_is_lost(api, open_store):
    store = await open_store()
    before = {each.pid for each in psutil.Process().children(recursive=True)}

    async def stream():
        yield HEADER.encode() + lines(0, 4_000)
        await asyncio.sleep(1.5)
        for each in psutil.Process().children(recursive=True):
            if each.pid not in before and "multiprocessing.spawn" in " ".join(each.cmdline()):
                each.kill()
        for first in range(4_000, 12_000, 2_000):
            yield lines(first, first + 2_000)

    with capture_logs() as logged:
        answer = await api.post(
            f"/sources/{store.source}/imports", content=stream(), headers=store.auth | {"Content-Type": "text/csv"}
        )
    assert answer.json()["created"] == 12_000
    assert [line["event"] for line in logged].count("order reader died") >= 1


@pytest.mark.slow
def test_a_reader_ends_with_its_service_even_when_that_is_killed(data_dir):
    with running(data_dir) as service:
        shop = Shop.opened(service.url)
        headers = shop.auth | {"Content-Type": "text/csv"}
        url = f"{service.url}/sources/{shop.source}/imports"
        assert httpx.post(url, content=HEADER.encode() + lines(0, 3_000), headers=headers, timeout=60).is_success
        found = readers(service.process.pid)
        assert len(found) == 1
        service.kill()
        wait_until(lambda: not any(each.is_running() and each.status() != "zombie" for each in found), 10)


@pytest.mark.slow
def test_a_long_import_ends_within_the_grace_of_a_stop_and_says_what_is_stored(data_dir):
    with running(data_dir) as service:
        shop = Shop.opened(service.url)
        begun, answers = threading.Event(), []

        def endless():
            yield HEADER.encode()
            for first in range(0, 2_000_000, 2_000):
                yield lines(first, first + 2_000)
                time.sleep(0.2)
                if first == 14_000:
                    begun.set()

        def upload() -> None:
            headers = shop.auth | {"Content-Type": "text/csv"}
            url = f"{service.url}/sources/{shop.source}/imports"
            answers.append(httpx.post(url, content=endless(), headers=headers, timeout=60))

        client = threading.Thread(target=upload)
        client.start()
        assert begun.wait(20)
        service.process.send_signal(signal.SIGTERM)
        begun_at = time.monotonic()
        client.join(40)
        service.process.wait(30)
        assert time.monotonic() - begun_at < 20
        assert service.process.returncode == 0
    assert [answer.status_code for answer in answers] == [503]
    told = answers[0].json()
    assert "send the import again" in told["detail"]
    assert told["import"]["created"] >= 5_000
    with running(data_dir) as service:
        assert shop.health(service.url)["orders"] == told["import"]["created"]
