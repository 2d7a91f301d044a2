"""Bad input of every kind gets its problem, and changes nothing else."""

import asyncio
import gzip
import json
import time
from datetime import timedelta

import psutil
import pytest
from answers import CANARY, pointers, problem
from conftest import NOW
from shop import order

pytestmark = pytest.mark.usefixtures("among_others", "midday")

MEBIBYTE = 1024 * 1024
COLUMNS = "order_id,customer_id,email,ordered_at,total,status"
GOOD_ROW = "good,ada,,2026-03-01T12:00:00Z,5.00,paid"
DAY = "2026-03-01T12:00:00Z"


@pytest.fixture
async def store(open_store):
    return await open_store()


async def stored(store) -> list[str]:
    return [row[0] for row in await store.rows("order_id FROM orders", "ORDER BY 1")]


def table(*rows: str, columns: str = COLUMNS) -> bytes:
    return "\n".join([columns, *rows, ""]).encode()


def counts_add_up(result: dict) -> bool:
    rejected = result.get("rejected_count", len(result["rejected"]))
    return result["received"] == result["created"] + result["updated"] + result["unchanged"] + rejected


# ---------------------------------------------------------------- bodies as a whole

UNREADABLE = {
    "cut off": b'{"orders": [',
    "two documents": b'{"orders": []} {}',
    "NaN": b'{"orders": [NaN]}',
    "Infinity": b'{"orders": [-Infinity]}',
    "a name twice": b'{"orders": [], "orders": []}',
    "a name twice inside": b'{"orders": [{"total": "1", "total": "2"}]}',
    "not UTF-8": b'{"orders": ["canary7f3a\xff"]}',
    "UTF-16": '{"orders": []}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"orders": []}',
    "100,000 deep arrays": b'{"orders": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "100,000 deep objects": b'{"a":' * 100_000,
    "an integer of 5,000 digits": b'{"orders": [' + b"9" * 5_000 + b"]}",
    "a control character": b'{"orders": ["\x01"]}',
    "single quotes": b"{'orders': []}",
}


async def test_what_is_not_json_is_400(api, store, sql):
    for body in UNREADABLE.values():
        headers = store.auth | {"Content-Type": "application/json"}
        for method, path in (
            ("POST", f"/sources/{store.source}/orders"),
            ("POST", "/sources"),
            ("POST", "/account/keys"),
            ("PATCH", f"/sources/{store.source}"),
        ):
            problem(await api.request(method, path, content=body, headers=headers), 400, "unreadable_body")
        assert await stored(store) == []


INVALID = {
    "nothing": (b"", "#/"),
    "null": (b"null", "#/"),
    "a list": (b"[]", "#/"),
    "a string": (b'"canary7f3a"', "#/"),
    "no orders": (b"{}", "#/orders"),
    "orders that are null": (b'{"orders": null}', "#/orders"),
    "orders that are text": (b'{"orders": "canary7f3a"}', "#/orders"),
    "orders that are an object": (b'{"orders": {}}', "#/orders"),
    "a field nobody knows": (b'{"orders": [], "a/b~c": "canary7f3a"}', "#/a~1b~0c"),
    "a lone surrogate as a name": (b'{"orders": [], "\\ud800": 1}', "#/"),
}


async def test_json_of_another_form_is_422_and_names_the_field(api, store):
    for body, pointer in INVALID.values():
        answer = await api.post(
            f"/sources/{store.source}/orders", content=body, headers=store.auth | {"Content-Type": "application/json"}
        )
        assert pointers(answer) == [pointer]


async def test_1000_orders_are_taken_at_once_and_1001_are_not(store, sql):
    many = [order(f"{number:04}", "ada") for number in range(1001)]

    assert pointers(await store.post(*many)) == ["#/orders"]
    assert await stored(store) == []
    assert (await store.send(*many[:1000]))["created"] == 1000


@pytest.mark.parametrize("announced", [True, False], ids=["with Content-Length", "chunked"])
async def test_a_body_over_a_mebibyte_is_413_and_one_below_is_read(api, store, sql, announced):
    def body(size: int):
        whole = json.dumps({"orders": [order("big", "ada")]}).encode()
        padded = whole + b" " * (size - len(whole))

        async def chunks():
            for start in range(0, size, 65_536):
                yield padded[start : start + 65_536]

        return padded if announced else chunks()

    headers = store.auth | {"Content-Type": "application/json"}
    path = f"/sources/{store.source}/orders"

    problem(await api.post(path, content=body(MEBIBYTE + 1), headers=headers), 413, "body_too_large")
    assert await stored(store) == []
    assert (await api.post(path, content=body(MEBIBYTE), headers=headers)).status_code == 200


async def test_a_body_that_is_announced_wrongly_is_415(api, store, sql):
    body = json.dumps({"orders": [order("1", "ada")]}).encode()
    packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}

    async def chunks():
        yield body

    for headers, content in (
        ({"Content-Type": "text/plain"}, body),
        ({"Content-Type": "application/vnd.api+json"}, body),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"orders=1"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--"),
        ({"Content-Type": ""}, body),
        ({}, body),
        ({}, chunks()),
        (packed, gzip.compress(body)),
        (packed | {"Content-Encoding": "br"}, body),
    ):
        answer = await api.post(f"/sources/{store.source}/orders", content=content, headers=store.auth | headers)
        problem(answer, 415, "unsupported_media_type")
    assert await stored(store) == []


# ---------------------------------------------------------------- one row

REFUSED_IN_JSON = {
    "a number as amount": ({"total": 12.5}, "invalid_total"),
    "an integer as amount": ({"total": 12}, "invalid_total"),
    "a truth as amount": ({"total": True}, "invalid_total"),
    "null as amount": ({"total": None}, "missing_total"),
    "a number as id": ({"order_id": 5}, "invalid_order_id"),
    "a list as id": ({"order_id": ["x"]}, "invalid_order_id"),
    "a number as customer": ({"customer_id": 5}, "invalid_customer_id"),
    "a number as time": ({"ordered_at": 1_772_000_000}, "invalid_ordered_at"),
    "null as status": ({"status": None}, "missing_status"),
    "a fraction of items": ({"items": 1.5}, "invalid_items"),
    "a number written as text": ({"items": "3"}, "invalid_items"),
    "a boolean for a number": ({"items": True}, "invalid_items"),
    "a word for a boolean": ({"test": "yes"}, "invalid_test"),
    "more items than fit": ({"items": 10**400}, "invalid_items"),
    "a lone surrogate in the id": ({"order_id": "\ud800"}, "invalid_order_id"),
    "a lone surrogate in the customer": ({"customer_id": "\ud800"}, "invalid_customer_id"),
    "a date": ({"ordered_at": "2026-03-01"}, "invalid_ordered_at"),
    "a time without offset": ({"ordered_at": "2026-03-01T12:00:00"}, "invalid_ordered_at"),
    "a field nobody knows": ({CANARY: 1}, "unknown_field"),
}

REFUSED = {
    "a negative amount": ({"total": "-1.00"}, "invalid_total"),
    "a plus sign": ({"total": "+1.00"}, "invalid_total"),
    "an exponent": ({"total": "1e3"}, "invalid_total"),
    "too many digits": ({"total": "1.234"}, "invalid_total"),
    "10^16 minor units": ({"total": "100000000000000.00"}, "invalid_total"),
    "one minor unit too much": ({"total": "10000000000000.01"}, "invalid_total"),
    "17 digits": ({"total": "1" * 17}, "invalid_total"),
    "5,000 digits": ({"total": "9" * 5_000}, "invalid_total"),
    "NaN as amount": ({"total": "NaN"}, "invalid_total"),
    "Infinity as amount": ({"total": "Infinity"}, "invalid_total"),
    "hexadecimal": ({"total": "0x10"}, "invalid_total"),
    "an underscore": ({"total": "1_000"}, "invalid_total"),
    "a comma": ({"total": "1,00"}, "invalid_total"),
    "no digit before the point": ({"total": ".50"}, "invalid_total"),
    "no digit after the point": ({"total": "1."}, "invalid_total"),
    "digits of another script": ({"total": "１.００"}, "invalid_total"),
    "an empty amount": ({"total": ""}, "missing_total"),
    "a negative refund": ({"refunded": "-1.00"}, "invalid_refunded"),
    "a refund with too many digits": ({"refunded": "1.001"}, "invalid_refunded"),
    "an unknown currency": ({"currency": "ABC"}, "unknown_currency"),
    "gold": ({"currency": "XAU"}, "unknown_currency"),
    "no currency": ({"currency": "XXX"}, "unknown_currency"),
    "a currency in lower case": ({"currency": "eur"}, "unknown_currency"),
    "a currency too long": ({"currency": "EURO"}, "invalid_currency"),
    "a leap second": ({"ordered_at": "2016-12-31T23:59:60Z"}, "invalid_ordered_at"),
    "hour 24": ({"ordered_at": "2026-03-01T24:00:00Z"}, "invalid_ordered_at"),
    "the 30th of February": ({"ordered_at": "2026-02-30T12:00:00Z"}, "invalid_ordered_at"),
    "an offset of a day": ({"ordered_at": "2026-03-01T12:00:00+24:00"}, "invalid_ordered_at"),
    "before 1900": ({"ordered_at": "1899-12-31T23:59:59Z"}, "invalid_ordered_at"),
    "before the calendar": ({"ordered_at": "0001-01-01T00:00:00+23:59"}, "invalid_ordered_at"),
    "after the calendar": ({"ordered_at": "9999-12-31T23:59:59-23:59"}, "invalid_ordered_at"),
    "ten digits of a second": ({"ordered_at": "2026-03-01T12:00:00.1234567891Z"}, "invalid_ordered_at"),
    "a time that is words": ({"ordered_at": CANARY}, "invalid_ordered_at"),
    "a time in the future": ({"ordered_at": "2026-03-18T12:05:01Z"}, "future_ordered_at"),
    "a version in the future": ({"updated_at": "2026-03-18T12:05:01Z"}, "future_updated_at"),
    "a version that is words": ({"updated_at": CANARY}, "invalid_updated_at"),
    "an unknown status": ({"status": CANARY}, "invalid_status"),
    "a status in capitals": ({"status": "PAID"}, "invalid_status"),
    "negative items": ({"items": "-1"}, "invalid_items"),
    "too many items": ({"items": "2147483648"}, "invalid_items"),
    "neither true nor false": ({"test": CANARY}, "invalid_test"),
    "a NUL in the id": ({"order_id": "a\0b"}, "invalid_order_id"),
    "a NUL in the customer": ({"customer_id": "a\0b"}, "invalid_customer_id"),
    "a blank id": ({"order_id": " "}, "missing_order_id"),
    "an empty id": ({"order_id": ""}, "missing_order_id"),
    "a long id": ({"order_id": "x" * 256}, "invalid_order_id"),
    "a long customer": ({"customer_id": "x" * 256}, "invalid_customer_id"),
}  # fmt: skip


def rows_of(cases: dict) -> list[dict]:
    """A bad row each, with a good one before and after it."""
    bad = [{**order(f"bad-{number}", "bob"), **fields} for number, (fields, _) in enumerate(cases.values())]
    pairs = [[row, order(f"good-{number}", "ada")] for number, row in enumerate(bad)]
    return [order("first", "ada"), *(row for pair in pairs for row in pair)]


def expected(cases: dict) -> list[tuple[int, str]]:
    return [(2 * number + 1, code) for number, (_, code) in enumerate(cases.values())]


async def test_every_refused_order_of_a_batch_is_reported_and_the_good_ones_are_stored(api, store, sql):
    cases = REFUSED_IN_JSON | REFUSED
    body = json.dumps({"orders": rows_of(cases)})

    answer = await api.post(
        f"/sources/{store.source}/orders", content=body, headers=store.auth | {"Content-Type": "application/json"}
    )

    result = answer.json()
    assert [(row["index"], row["code"]) for row in result["rejected"]] == expected(cases)
    assert counts_add_up(result)
    assert CANARY not in answer.text
    assert "\\u0000" not in answer.text
    assert await stored(store) == sorted(["first", *(f"good-{number}" for number in range(len(cases)))])


async def test_rows_that_are_no_objects_are_reported(api, store, sql):
    rows = [1, None, CANARY, [], True, 1.5, {}, order("good", "ada")]

    result = (await store.post(*rows)).json()

    codes = [(row["index"], row["code"]) for row in result["rejected"]]
    assert codes == [*((index, "invalid_row") for index in range(6)), (6, "missing_order_id")]
    assert (result["received"], result["created"]) == (8, 1)
    assert await stored(store) == ["good"]


async def test_a_refused_order_is_named_where_its_id_is_fit_to_be_repeated(store):
    bad = {"total": "x"}
    answer = await store.post(
        order("1001/a", "ada") | bad, order("tab\there", "ada") | bad, order("x" * 256, "a") | bad
    )

    assert [row["order_id"] for row in answer.json()["rejected"]] == ["1001/a", None, None]


async def test_every_refused_line_of_an_import_is_reported_and_the_good_ones_are_stored(store, sql):
    cases = REFUSED_IN_JSON | REFUSED
    lines = [json.dumps(row) for row in rows_of(cases)]

    result = (await store.load("\n".join(lines).encode(), "application/x-ndjson")).json()

    assert [(row["line"], row["code"]) for row in result["rejected"]] == [(i + 1, code) for i, code in expected(cases)]
    assert counts_add_up(result)
    assert await store.count("orders") == len(cases) + 1


async def test_every_refused_row_of_a_table_is_reported_and_the_good_ones_are_stored(store, sql):
    columns = [*order("", ""), "email", "name", "currency", "items", "updated_at", "test", "refunded"]
    lines = [",".join(f'"{row.get(column) or ""}"' for column in columns) for row in rows_of(REFUSED)]

    answer = await store.load(table(*lines, columns=",".join(columns)))

    result = answer.json()
    assert [(row["line"], row["code"]) for row in result["rejected"]] == [
        (i + 2, code) for i, code in expected(REFUSED)
    ]
    assert counts_add_up(result)
    assert CANARY not in answer.text
    assert await store.count("orders") == len(REFUSED) + 1


@pytest.mark.parametrize(
    ("currency", "good", "bad"),
    [
        ("JPY", ["0", "1250", "1250.00", "1000000000000000"], ["12.5", "12.", "1000000000000001"]),
        ("EUR", ["0.00", "12", "12.5", "59.9700", "10000000000000.00"], ["12.505", "10000000000000.01"]),
        ("KWD", ["1.250", "1.2", "1000000000000.000"], ["1.2501", "1000000000000.001"]),
    ],
)
async def test_an_amount_has_at_most_the_digits_of_its_currency(open_store, currency, good, bad):
    at_home = await open_store(currency=currency)
    abroad = await open_store(currency="CHF")
    for store in (at_home, abroad):
        rows = [order(str(number), "ada", total, currency=currency) for number, total in enumerate(good + bad)]
        result = (await store.post(*rows)).json()
        assert [row["index"] for row in result["rejected"]] == [*range(len(good), len(good + bad))]
        assert {row["code"] for row in result["rejected"]} == {"invalid_total"}


async def test_what_a_shop_leaves_empty_is_absent_in_every_way_in(store, sql):
    empty = {"email": "", "name": " ", "refunded": "", "currency": "", "items": "", "updated_at": "", "test": ""}
    await store.send(order("json", "ada", **empty), order("null", "ada", **dict.fromkeys(empty)))
    cells = ["csv", "ada", DAY, "10.00", "paid", *empty.values()]
    columns = ",".join([*order("", ""), *empty])
    result = (await store.load(table(",".join(cells), columns=columns))).json()

    assert (result["created"], result["rejected"]) == (1, [])
    rows = await store.rows("DISTINCT refunded, foreign_currency, items, test, spend FROM orders")
    assert [tuple(row) for row in rows] == [(0, None, None, False, 1000)]


@pytest.mark.parametrize(("seconds", "is_taken"), [(1, True), (300, True), (301, False)])
async def test_a_clock_five_minutes_ahead_is_forgiven_and_the_order_is_of_now(store, sql, seconds, is_taken):
    row = order("early", "ada", at=(NOW + timedelta(seconds=seconds)).isoformat())

    batch = (await store.post(row)).json()
    lines = (await store.load(json.dumps(row | {"order_id": "line"}).encode(), "application/x-ndjson")).json()

    assert [len(result["rejected"]) for result in (batch, lines)] == [0 if is_taken else 1] * 2
    moments = {row[0] for row in await store.rows("ordered_at FROM orders")}
    assert moments == ({NOW} if is_taken else set())


async def test_text_of_any_script_comes_back_as_it_was_sent(store):
    names = ["Адела", "愛", "José\u0301", "👩‍👩‍👧", "\u202eevil", "a\u00a0b", "\uffff"]
    await store.send(*(order(str(number), str(number), name=name) for number, name in enumerate(names)))

    board = await store.ask(time_frame="month_to_date")

    assert [row["customer"]["name"] for row in board["items"]] == names


# ---------------------------------------------------------------- tables

WRONG_HEADERS = {
    "nothing": b"",
    "blank lines": b"\n\n\r\n",
    "no header": GOOD_ROW.encode(),
    "a column twice": b"order_id,order_id\n1,2\n",
    "a column twice in another case": b"order_id,Order_ID\n1,2\n",
    "an unknown column": b"order_id,colour\n1,2\n",
    "an empty column": b"order_id,\n1,2\n",
    "no order_id": b"customer_id,total\n1,2\n",
    "semicolons": b"order_id;customer_id\n1;2\n",
    "UTF-16": "order_id,total\n1,2\n".encode("utf-16"),
    "an unclosed quote": b'order_id,"total\n1,2\n',
    "10 MB of one line": b"x" * 10_000_000,
    "NULs": b"\0" * 1_000,
}


async def test_a_table_without_its_columns_is_422(store, sql):
    for content in WRONG_HEADERS.values():
        problem(await store.load(content), 422, "unknown_columns")
        assert await store.count("imports") == 0


WRONG_ROWS = {
    "too few cells": (b"1,ada", "wrong_number_of_cells"),
    "too many cells": (GOOD_ROW.encode() + b",more", "wrong_number_of_cells"),
    "not UTF-8": (GOOD_ROW.encode().replace(b"ada", b"\xff\xfe"), "not_utf8"),
    "text after a quote": (GOOD_ROW.encode().replace(b"ada", b'"ada"x'), "unreadable_row"),
    "65 KB": (GOOD_ROW.encode().replace(b"ada", b"x" * 65_536), "row_too_long"),
    "10 MB": (GOOD_ROW.encode().replace(b"ada", b"x" * 10_000_000), "row_too_long"),
    "10 MB in quotes": (b'"' + b"x" * 10_000_000 + b'"', "row_too_long"),
}


async def test_a_row_that_cannot_be_read_does_not_harm_its_neighbours(store, sql):
    for number, (row, code) in enumerate(WRONG_ROWS.values()):
        before, after = (GOOD_ROW.replace("good", f"{name}-{number}").encode() for name in ("before", "later"))

        result = (await store.load(b"\n".join([COLUMNS.encode(), before, row, after]))).json()

        assert [(each["line"], each["code"]) for each in result["rejected"]] == [(3, code)]
        assert (result["received"], result["created"], result["rejected_count"]) == (3, 2, 1)
    assert len(await stored(store)) == 2 * len(WRONG_ROWS)


async def test_a_quote_that_nobody_closes_costs_its_own_row_only(store, sql):
    rows = ["1" + GOOD_ROW, '2,"ada,,x,5.00,paid', "3" + GOOD_ROW, "", "4" + GOOD_ROW]

    result = (await store.load(table(*rows))).json()

    assert [(each["line"], each["code"]) for each in result["rejected"]] == [(3, "unreadable_row")]
    assert (result["received"], result["created"]) == (4, 3)
    assert await stored(store) == ["1good", "3good", "4good"]


async def test_a_quote_inside_a_cell_is_a_letter_like_any_other(store, sql):
    rows = ["1" + GOOD_ROW, "2" + GOOD_ROW.replace("ada", 'Sofa 55" Kim'), "3" + GOOD_ROW]

    result = (await store.load(table(*rows))).json()

    assert (result["received"], result["created"], result["rejected"]) == (3, 3, [])
    assert await store.count("customers", "AND external_id = 'Sofa 55\" Kim'") == 1


async def test_a_refused_row_that_spans_lines_is_told_with_both(store):
    rows = ["1" + GOOD_ROW, '2,"a\nb\nc",,x,5.00,paid', "3" + GOOD_ROW]

    result = (await store.load(table(*rows))).json()

    assert [(each["line"], each["last_line"], each["code"]) for each in result["rejected"]] == [
        (3, 5, "invalid_ordered_at")
    ]
    assert (result["received"], result["created"]) == (3, 2)


async def test_marks_line_ends_and_quotes_of_every_editor_are_read(store, sql):
    lines = [
        COLUMNS.title().replace("_At", "_at"),
        GOOD_ROW,
        'two,"a ""b""\r\nc",,2026-03-01T12:00:00Z,5.00,paid',
        "",
        "x,bad",
    ]
    content = b"\xef\xbb\xbf" + "\r\n".join(lines).encode()

    result = (await store.load(content)).json()

    assert (result["created"], [row["line"] for row in result["rejected"]]) == (2, [6])
    assert await store.rows("external_id FROM customers", "AND external_id <> 'ada'") == [('a "b"\r\nc',)]


async def test_only_the_first_hundred_refusals_are_told_and_all_are_counted(store):
    result = (await store.load(table(*["bad"] * 250, GOOD_ROW))).json()

    assert (result["received"], result["created"], result["rejected_count"]) == (251, 1, 250)
    assert [row["line"] for row in result["rejected"]] == [*range(2, 102)]


async def test_lines_that_are_no_orders_are_reported(store, sql):
    lines = [
        b"9" * 5_000, b"null", b"1", b'"canary7f3a"', b"[]", b"NaN", b'{"total": NaN}', b'{"a": 1, "a": 2}', b"\xff",
        b'"\\ud800"', b"[" * 60_000, b'{"order_id": "1"', b"x" * 10_000_000,
    ]  # fmt: skip
    answer = await store.load(
        b"\r\n\n".join([*lines, json.dumps(order("good", "ada")).encode()]), "application/x-ndjson"
    )

    result = answer.json()
    unreadable, other = "unreadable_row", "invalid_row"
    codes = [
        *(unreadable, other, other, other, other, unreadable, unreadable, unreadable, "not_utf8", other),
        *(unreadable, unreadable, "row_too_long"),
    ]
    assert [(row["line"], row["code"]) for row in result["rejected"]] == [(2 * i + 1, c) for i, c in enumerate(codes)]
    assert CANARY not in answer.text
    assert await stored(store) == ["good"]


# ---------------------------------------------------------------- streams


@pytest.mark.parametrize("named", [True, False], ids=["by its header", "by its first bytes"])
async def test_gzip_is_read_however_it_is_cut(api, store, sql, named):
    packed = gzip.compress(table("1" + GOOD_ROW)) + gzip.compress(("2" + GOOD_ROW).encode())
    headers = store.auth | {"Content-Type": "text/csv"} | ({"Content-Encoding": "gzip"} if named else {})

    async def chunks(size: int):
        for start in range(0, len(packed), size):
            yield packed[start : start + size]

    for size in (1, 2, 7, len(packed)):
        answer = await api.post(f"/sources/{store.source}/imports", content=chunks(size), headers=headers)
        assert (answer.status_code, answer.json()["received"]) == (201, 2)
    assert await stored(store) == ["1good", "2good"]


BROKEN_GZIP = {
    "is none": b"order_id\n1\n",
    "ends in the header": gzip.compress(table(GOOD_ROW))[:6],
    "ends in the middle": gzip.compress(table(GOOD_ROW))[:40],
    "ends before the checksum": gzip.compress(table(GOOD_ROW))[:-8],
    "has another checksum": gzip.compress(table(GOOD_ROW))[:-8] + b"\0" * 8,
    "is followed by other bytes": gzip.compress(table(GOOD_ROW)) + b"garbage",
    "is turned over": gzip.compress(table(GOOD_ROW))[:10] + b"\xff" * 20,
}


async def test_gzip_that_breaks_is_400(store, sql):
    for content in BROKEN_GZIP.values():
        answer = await store.load(content, **{"Content-Encoding": "gzip"})

        problem(answer, 400, "broken_stream")
        assert await stored(store) == []


async def test_an_import_of_another_type_or_encoding_is_415(store, sql):
    for media_type, encoding in (
        ("", ""), ("application/json", ""), ("text/html", ""), ("application/gzip", ""), ("text/csv", "br"),
        ("text/csv", "deflate"), ("text/csv", "gzip, gzip"), ("application/x-ndjson", "zstd"),
    ):  # fmt: skip
        answer = await store.load(table(GOOD_ROW), media_type, **{"Content-Encoding": encoding})
        problem(answer, 415, "unsupported_media_type")
    assert await stored(store) == []


@pytest.mark.parametrize(
    ("bomb", "media_type", "status"),
    [
        (b"\0" * 64_000_000, "text/csv", 422),
        (b"\0" * 64_000_000, "application/x-ndjson", 400),
        (b"\n" * 16_000_000, "application/x-ndjson", 201),
        (COLUMNS.encode() + b"\n" + b"x\n" * 200_000, "text/csv", 422),
    ],
    ids=["zeros as a table", "zeros as lines", "empty lines", "short rows"],
)
async def test_a_gzip_bomb_is_answered_in_little_memory_while_others_are_served(api, store, bomb, media_type, status):
    packed = gzip.compress(bomb, 1)
    process = psutil.Process()
    before, longest = process.memory_info().rss, 0.0
    bombing = asyncio.create_task(store.load(packed, media_type))
    most = before
    while not bombing.done():
        begun = time.process_time()  # what the machine does besides is not our delay
        assert (await api.get("/livez")).status_code == 200
        longest = max(longest, time.process_time() - begun)
        most = max(most, process.memory_info().rss)
        await asyncio.sleep(0.01)

    answer = await bombing

    assert answer.status_code == status
    assert most - before < 32 * MEBIBYTE
    assert longest < 0.5, f"another request waited while {longest:.2f} s of work were done"


# ---------------------------------------------------------------- other bodies

WRONG_SOURCES = {
    "no zone of the world": ({"time_zone": "Europe/Atlantis"}, "#/time_zone"),
    "the zone of the machine": ({"time_zone": "localtime"}, "#/time_zone"),
    "a path as zone": ({"time_zone": "../../etc/passwd"}, "#/time_zone"),
    "an empty zone": ({"time_zone": ""}, "#/time_zone"),
    "a zone with NUL": ({"time_zone": "UTC\0"}, "#/time_zone"),
    "a zone in lower case": ({"time_zone": "europe/rome"}, "#/time_zone"),
    "an unknown currency": ({"currency": "ABC"}, "#/currency"),
    "gold": ({"currency": "XAU"}, "#/currency"),
    "no currency": ({"currency": "XXX"}, "#/currency"),
    "a number as currency": ({"currency": 978}, "#/currency"),
    "an unknown platform": ({"platform": CANARY}, "#/platform"),
    "an unknown day": ({"week_start": "someday"}, "#/week_start"),
    "an empty name": ({"name": "  "}, "#/name"),
    "a long name": ({"name": "x" * 201}, "#/name"),
    "a name of two lines": ({"name": "a\nb"}, "#/name"),
    "a lone surrogate": ({"name": "\ud800"}, "#/name"),
    "a NUL": ({"name": "a\0"}, "#/name"),
    "an object as name": ({"name": {"a": CANARY}}, "#/name"),
    "a number as audience": ({"audience": 1}, "#/audience"),
    "an unknown field": ({"owner": CANARY}, "#/owner"),
}


async def test_a_source_with_a_wrong_field_is_422(api, store, sql):
    for fields, pointer in WRONG_SOURCES.values():
        good = {"audience": store.audience, "name": "Shop", "platform": "custom", "currency": "EUR", "time_zone": "UTC"}
        headers = store.auth | {"Content-Type": "application/json"}

        answer = await api.post("/sources", content=json.dumps(good | fields), headers=headers)

        assert pointers(answer) == [pointer]
        assert await store.count("sources") == 1


WRONG_KEYS = [
    ({"name": "k", "scopes": []}, "#/scopes"),
    ({"name": "k", "scopes": ["root"]}, "#/scopes/0"),
    ({"name": "k", "scopes": "read"}, "#/scopes"),
    ({"name": "k", "scopes": ["read"] * 5}, "#/scopes"),
    ({"name": "k"}, "#/scopes"),
    ({"scopes": ["read"]}, "#/name"),
    ({"name": "k", "scopes": ["read"], "key": CANARY}, "#/key"),
]


async def test_a_key_with_a_wrong_field_is_422(api, store, sql):
    for body, pointer in WRONG_KEYS:
        assert pointers(await api.post("/account/keys", json=body, headers=store.auth)) == [pointer]
    assert await store.count("api_keys") == 1


# ---------------------------------------------------------------- query strings and paths

WRONG_QUESTIONS = {
    "rank_by": [CANARY, "", "Total_Spend"],
    "time_frame": [CANARY, "", "last_decade", "custom"],
    "limit": ["0", "-1", "1001", "9" * 5_000, "1.5", "1e2", "ten", "", "0x10", "١", "NaN"],
    "as_of": ["yesterday", "2026-03-01", "2026-03-01T12:00:00", "2099-01-01T00:00:00Z", "1800-01-01T00:00:00Z", "",
              "2016-12-31T23:59:60Z", "9999-12-31T23:59:59-23:59"],
    "compare": [CANARY, "next", ""],
    "start": ["2026-01-01", CANARY],
    "unknown": [CANARY],
}  # fmt: skip


async def test_a_question_with_a_wrong_parameter_is_422(api, store):
    for parameter, values in WRONG_QUESTIONS.items():
        for value in values:
            answer = await api.get("/leaderboard", params=store.board() | {parameter: value}, headers=store.auth)
            assert pointers(answer), value


WRONG_BOUNDS = [
    {"start": "2026-01-01"},
    {"end": "2026-01-01"},
    {},
    {"start": "2026-02-01", "end": "2026-01-01"},
    {"start": "2026-02-30", "end": "2026-03-01"},
    {"start": "2026-1-1", "end": "2026-03-01"},
    {"start": "2026-01-01T00:00:00", "end": "2026-03-01"},
    {"start": "0000-01-01", "end": "2026-03-01"},
    {"start": "1772000000", "end": "2026-03-01"},
    {"start": "\0", "end": "2026-03-01"},
]


async def test_bounds_that_are_no_interval_are_422(api, store):
    for bounds in WRONG_BOUNDS:
        question = store.board(time_frame="custom", **bounds)
        problem(await api.get("/leaderboard", params=question, headers=store.auth), 422, "invalid_request")


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_bounds_at_the_ends_of_the_calendar_are_never_our_failure(api, open_store, zone):
    store = await open_store(time_zone=zone)
    for start, end, status in (
        ("0001-01-01", "2026-01-01", 422),
        ("2026-01-01", "9999-12-31", 422),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", 422),
        ("1900-01-01", "1900-01-01", 200),
        ("1900-01-01", "9998-12-31", 200),
    ):
        question = store.board(time_frame="custom", start=start, end=end)
        for compared in ({}, {"compare": "previous"}):
            answer = await api.get("/leaderboard", params=question | compared, headers=store.auth)
            assert answer.status_code == status, answer.text


async def test_a_parameter_given_twice_is_422(api, store):
    for name, value in (("limit", "2"), ("source", store.source), ("rank_by", "total_spend")):
        twice = [*store.board(limit="1").items(), (name, value), (name, value)]
        answer = await api.get("/leaderboard", params=twice, headers=store.auth)
        assert pointers(answer) == [f"#/{name}"]


async def test_unknown_parameters_are_422_on_every_list(api, store):
    for path in ("/audiences", "/sources", "/account/keys", f"/sources/{store.source}", "/account"):
        answer = await api.get(path, params={"page": CANARY}, headers=store.auth)
        assert pointers(answer) == ["#/page"], path


async def test_wrong_limits_are_422_on_every_list(api, store):
    for path in ("/audiences", "/sources", "/account/keys"):
        for limit in ("0", "1001", "-1", "9" * 5_000, "x", ""):
            assert pointers(await api.get(path, params={"limit": limit}, headers=store.auth)) == ["#/limit"]


NO_IDS = [
    *(
        "",
        "src_",
        "src_0",
        "src_01",
        "src_-1",
        "src_1e3",
        "src_" + "9" * 30,
        "src_9223372036854775808",
        "SRC_1",
        "aud_1",
    ),
    *("1", "src_1%00", "src_%D9%A1", "src_%FF", "%ED%A0%80", "src_1%2F..", "src_1;", "'", "src_1 "),
]


async def test_ids_that_are_none_are_404(api, store):
    for raw in NO_IDS:
        source = f"/sources/{raw}"
        for method, path in (("GET", source), ("POST", f"{source}/orders"), ("POST", f"{source}/imports")):
            body = {"orders": []} if method == "POST" else None
            answer = await api.request(method, path, json=body, headers=store.auth)
            assert answer.status_code == 404, f"{path} {answer.text}"
            assert answer.headers["Content-Type"] == "application/problem+json"


async def test_an_order_of_any_id_can_be_deleted(api, store, sql):
    ids = ["a/b", "a?b", "#1001", "ä", "..%2F", "a b", "/", "x" * 255]
    await store.send(*(order(order_id, "ada") for order_id in ids))

    for order_id in ids:
        escaped = "".join(f"%{byte:02X}" for byte in order_id.encode())
        answer = await api.delete(f"/sources/{store.source}/orders/{escaped}", headers=store.auth)
        assert answer.status_code == 204

    assert await stored(store) == sorted(ids)
    assert await store.count("orders", "AND deleted_at IS NULL") == 0


async def test_an_order_id_that_cannot_be_is_422_when_it_is_to_be_deleted(api, store, sql):
    for raw in ("%00", "a%00b", "x" * 256):
        answer = await api.delete(f"/sources/{store.source}/orders/{raw}", headers=store.auth)
        problem(answer, 422, "invalid_request")
        assert "\\u0000" not in answer.text
    assert await stored(store) == []
