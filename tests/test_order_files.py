"""Order files: what people's programs write is read as they meant it, and the answer says how it was read."""

import contextlib
import io
import zipfile
from datetime import UTC, datetime

import openpyxl
import pytest
from answers import problem
from hypothesis import given
from hypothesis import strategies as st

from app.orders.spelling import WRITTEN_DATE, DateOrder, DecimalMark, Spelling, guessed_dates, guessed_decimal

pytestmark = pytest.mark.usefixtures("among_others")

OURS = "order_id,customer_id,name,ordered_at,total,status"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def rows_of(*totals: str, delimiter: str = ",", at: str = "2026-03-01T12:00:00Z") -> str:
    lines = [OURS.split(","), *([str(n), f"c{n}", "Ada", at, total, "paid"] for n, total in enumerate(totals, 1))]
    return "\n".join(delimiter.join(line) for line in lines)


async def all_time(store) -> list[tuple[str, str]]:
    page = await store.ask(time_frame="all_time")
    return [(row["customer"]["external_id"], row["total_spend"]) for row in page["items"]]


# ---------------------------------------------------------------- how cells are cut


@pytest.mark.parametrize(("delimiter", "name"), [(",", ","), (";", ";"), ("\t", "tab"), ("|", "|")])
async def test_the_delimiter_is_told_by_the_first_line_and_echoed(open_store, delimiter, name):
    store = await open_store()
    done = (await store.load(rows_of("10.00", "5.00", delimiter=delimiter).encode())).json()
    assert (done["created"], done["rejected"]) == (2, [])
    assert done["read_as"] == {
        "format": "csv", "charset": "utf-8", "delimiter": name, "decimal": ".", "dates": "iso", "layout": None
    }  # fmt: skip
    assert await all_time(store) == [("c1", "10.00"), ("c2", "5.00")]


async def test_the_line_that_tells_excel_the_separator_is_no_row(open_store):
    store = await open_store()
    done = (await store.load(b"sep=;\r\n" + rows_of("10,00", delimiter=";").encode())).json()
    assert (done["received"], done["created"], done["read_as"]["delimiter"]) == (1, 1, ";")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
async def test_lines_may_end_as_on_any_machine(open_store, end):
    store = await open_store()
    text = rows_of("10.00", "x", "5.00").replace("\n", end) + end
    done = (await store.load(text.encode())).json()
    assert (done["created"], [row["line"] for row in done["rejected"]]) == (2, [3])


# ---------------------------------------------------------------- charsets


@pytest.mark.parametrize(
    ("charset", "declared"),
    [
        ("utf-8-sig", ""), ("utf-16", ""), ("utf-16-be", "utf-16be"), ("cp1252", "windows-1252"),
        ("iso-8859-15", "ISO-8859-15"), ("cp1251", "windows-1251"), ("shift_jis", "Shift_JIS"),
    ],
)  # fmt: skip
async def test_a_charset_that_is_declared_or_marked_is_read(open_store, charset, declared):
    store = await open_store()
    name = {"cp1251": "Ида", "shift_jis": "愛"}.get(charset, "Zoë Ångström")
    content = rows_of("10.00").replace("Ada", name).encode(charset)
    done = (await store.load(content, f"text/csv; charset={declared}" if declared else "text/csv")).json()
    assert (done["created"], done["rejected"]) == (1, [])
    page = await store.ask(time_frame="all_time")
    assert page["items"][0]["customer"]["name"] == name


async def test_a_charset_may_be_a_parameter_and_an_unknown_one_is_415(api, open_store):
    store = await open_store()
    content = rows_of("10.00").replace("Ada", "Zoë").encode("cp1252")
    url = f"/sources/{store.source}/imports"
    headers = store.auth | {"Content-Type": "text/csv"}
    for charset in ("utf-7", "rot13", "klingon", "idna", "unicode_escape"):
        problem(
            await api.post(f"{url}?charset={charset}", content=content, headers=headers), 415, "unsupported_media_type"
        )
    done = (await api.post(f"{url}?charset=cp1252", content=content, headers=headers)).json()
    assert (done["created"], done["read_as"]["charset"]) == (1, "cp1252")


async def test_bytes_that_are_no_letters_of_the_charset_cost_their_row_only(open_store):
    store = await open_store()
    content = rows_of("10.00", "5.00").encode().replace(b"c2", b"\x81\x8d")
    done = (await store.load(content, "text/csv; charset=windows-1252")).json()
    assert (done["created"], [(row["line"], row["code"]) for row in done["rejected"]]) == (1, [(3, "not_utf8")])


async def test_lines_of_json_may_begin_with_a_byte_order_mark(open_store):
    store = await open_store()
    line = (
        '{"order_id": "1", "customer_id": "a", "ordered_at": "2026-03-01T12:00:00Z", "total": "1.00", "status": "paid"}'
    )
    for encoded in (line.encode("utf-8-sig"), line.encode("utf-16")):
        done = (await store.load(encoded, "application/x-ndjson")).json()
        assert (done["received"], done["rejected"], done["read_as"]["format"]) == (1, [], "ndjson")


# ---------------------------------------------------------------- amounts and dates

READ = Spelling(DecimalMark.POINT, DateOrder.ISO, "Europe/Berlin")
AMOUNTS = {
    ".": {"1,234.50": "1234.50", "1234": "1234", "1'234.50": "1234.50", "€ 12.50": "12.50", "12.50€": "12.50",
          "1,23,456.00": "123456.00", "(5.00)": "-5.00", "-5.00": "-5.00", "1 234.5": "1234.5"},
    ",": {"1.234,50": "1234.50", "12,5": "12.5", "1\u00a0234,50": "1234.50", "12,50 €": "12.50", "1.234": "1234"},
}  # fmt: skip
NO_AMOUNTS = {".": ["12,50", "1,2345.00", "1.2.3", "$ 5.00", "", "1e3", "--5"], ",": ["12.50", "1,2,3", "1.23,5"]}


def test_amounts_are_read_by_the_mark_of_their_file():
    for mark, amounts in AMOUNTS.items():
        spelling = READ._replace(decimal=DecimalMark(mark))
        assert {text: spelling.amount(text, "EUR") for text in amounts} == amounts
    for mark, texts in NO_AMOUNTS.items():
        for text in texts:
            with pytest.raises(ValueError, match="Give"):
                READ._replace(decimal=DecimalMark(mark)).amount(text, "EUR")


DATES = [
    ("2026-03-01T12:00:00+01:00", "iso", "2026-03-01T11:00:00"),
    ("2026-03-01 12:00:00 -0400", "iso", "2026-03-01T16:00:00"),
    ("2026-03-01 12:00:00 UTC", "iso", "2026-03-01T12:00:00"),
    ("2026-03-01 12:00", "iso", "2026-03-01T11:00:00"),
    ("2026-03-01", "dmy", "2026-02-28T23:00:00"),
    ("03.10.2025 10:11", "dmy", "2025-10-03T08:11:00"),
    ("03/10/25, 10:11 PM", "mdy", "2025-03-10T21:11:00"),
    ("25/10/03", "ymd", "2025-10-02T22:00:00"),
    ("2025/10/03 1:02:03.5", "iso", "2025-10-02T23:02:03.500000"),
    ("Oct 3, 2025 12:00:00 AM", "iso", "2025-10-02T22:00:00"),
    ("3 October 2025", "iso", "2025-10-02T22:00:00"),
    ("2025-10-26 02:30", "iso", "2025-10-26T00:30:00"),  # the clocks show it twice: the first
]


def test_dates_are_read_in_the_order_of_their_file_and_the_zone_of_the_store():
    for text, dates, moment in DATES:
        found = READ._replace(dates=DateOrder(dates)).moment(text)
        assert found == datetime.fromisoformat(moment).replace(tzinfo=UTC), text
    for text in ("2026-03-29 02:30", "03.10.2025", "2026-02-30", "2026-03-01 25:00", "0001-01-01", "now", "13/13/2025"):
        with pytest.raises(ValueError, match=r"."):
            READ.moment(text)


@given(
    st.text(max_size=30) | st.from_regex(WRITTEN_DATE, fullmatch=True),
    st.sampled_from(DateOrder),
    st.sampled_from(DecimalMark),
)
def test_any_text_is_a_moment_and_an_amount_or_none(text, dates, decimal):
    spelling = Spelling(decimal, dates, "Europe/Berlin")
    for read in (spelling.moment, lambda given: spelling.amount(given, "EUR")):
        with contextlib.suppress(ValueError):
            assert read(text)


def test_a_sample_tells_the_order_of_dates_or_that_it_cannot():
    assert guessed_dates(["03.04.2025"]) == "dmy"
    assert guessed_dates(["03/04/2025", "25/04/2025"]) == "dmy"
    assert guessed_dates(["03/04/2025", "04/25/2025"]) == "mdy"
    assert guessed_dates(["2025-04-03", ""]) == "iso"
    assert guessed_dates([]) == "iso"
    assert guessed_dates(["03/04/2025"]) is None
    assert guessed_dates(["25/04/2025", "04/25/2025"]) is None


def test_a_sample_tells_the_mark_of_amounts_or_that_it_cannot():
    assert guessed_decimal(["1.259,97", "5"], 2) == ","
    assert guessed_decimal(["40,00"], 2) == ","
    assert guessed_decimal(["59.9700", "1.250"], 2) == "."
    assert guessed_decimal(["1.234"], 2) == ","  # no amount of euros has three digits after the point
    assert guessed_decimal(["1.250"], 3) == "."
    assert guessed_decimal(["5", ""], 2) == "."
    assert guessed_decimal(["1.250", "3"], 2) is None


async def test_a_file_that_can_be_read_in_two_ways_is_422_until_a_parameter_says_which(api, open_store):
    store = await open_store()
    content = rows_of("10,00", delimiter=";", at="03/04/2025").encode()
    told = await store.load(content)
    assert [error["pointer"] for error in problem(told, 422, "invalid_request")["errors"]] == ["#/dates"]
    headers = store.auth | {"Content-Type": "text/csv"}
    answer = await api.post(f"/sources/{store.source}/imports?dates=dmy", content=content, headers=headers)
    assert (answer.json()["created"], answer.json()["read_as"]["dates"]) == (1, "dmy")
    assert (await store.ask(time_frame="custom", start="2025-04-03", end="2025-04-04"))["customers"] == 1


# ---------------------------------------------------------------- how files come


@pytest.mark.parametrize(
    "media_type",
    ["application/csv", "text/x-csv", "application/vnd.ms-excel", "text/plain", "application/octet-stream", "TEXT/CSV"],
)
async def test_a_table_may_have_any_type_that_browsers_give_it(open_store, media_type):
    store = await open_store()
    assert (await store.load(rows_of("10.00").encode(), media_type)).json()["created"] == 1


async def test_a_form_holds_a_file_and_says_how_to_read_it(api, open_store):
    store = await open_store()
    url = f"/sources/{store.source}/imports"
    files = {"file": ("orders.csv", rows_of("10.00", at="03/04/2025").encode(), "text/csv")}
    done = (await api.post(url, data={"dates": "mdy"}, files=files, headers=store.auth)).json()
    assert (done["created"], done["read_as"]["dates"]) == (1, "mdy")
    wrong = await api.post(url, data={"dates": "sideways"}, files=files, headers=store.auth)
    assert [error["pointer"] for error in problem(wrong, 422, "invalid_request")["errors"]] == ["#/dates"]
    unknown = await api.post(url, data={"colour": "red"}, files=files, headers=store.auth)
    problem(unknown, 422, "invalid_request")
    empty = await api.post(url, files={"dates": (None, "mdy")}, headers=store.auth)
    assert problem(empty, 422, "invalid_request")["errors"][0]["code"] == "invalid_form"


async def test_a_form_that_breaks_off_is_400_and_keeps_what_came_before(open_store):
    store = await open_store()
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n'
    broken = head + rows_of("10.00", "5.00").encode()
    problem(await store.load(broken, "multipart/form-data; boundary=x"), 400, "broken_stream")
    problem(await store.load(b"nothing", "multipart/form-data; boundary=x"), 400, "broken_stream")
    problem(await store.load(b"nothing", "multipart/form-data"), 400, "broken_stream")
    done = (await store.load(broken + b"\r\n--x--\r\n", "multipart/form-data; boundary=x")).json()
    assert done["received"] == 2


def workbook(*rows: list[object]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    packed = io.BytesIO()
    book.save(packed)
    return packed.getvalue()


async def test_a_workbook_is_read_as_it_shows_its_cells(open_store):
    store = await open_store(time_zone="Europe/Rome")
    content = workbook(
        OURS.split(","),
        [1001, 42, "Ada\nMarsh", datetime(2026, 3, 1, 0, 0), 0.1 + 0.2, "paid"],  # noqa: DTZ001
        [],
        [1002, 43, None, "2026-03-01T12:00:00Z", 59.97, "paid"],
        [1003, 44, "Bo", "x", 5, "paid"],
    )
    for media_type in (XLSX, "application/octet-stream"):
        done = (await store.load(content, media_type)).json()
        assert (done["received"], [row["line"] for row in done["rejected"]]) == (3, [5])
        assert done["read_as"]["format"] == "xlsx"
    page = await store.ask(time_frame="custom", start="2026-03-01", end="2026-03-02")
    assert [(row["customer"]["external_id"], row["total_spend"]) for row in page["items"]] == [
        ("43", "59.97"), ("42", "0.30")
    ]  # fmt: skip


async def test_a_workbook_that_is_none_or_a_bomb_is_refused(open_store):
    store = await open_store()
    problem(await store.load(b"PK\x03\x04 nothing", XLSX), 400, "broken_stream")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/sharedStrings.xml", b"\0" * 120_000_000)
    problem(await store.load(bomb.getvalue(), XLSX), 413, "body_too_large")


# ---------------------------------------------------------------- columns


async def test_wrong_columns_are_all_told_by_name(open_store):
    store = await open_store()
    told = problem(await store.load(b"order_id,buyer_code,total,total\n1,a,1.00,1.00\n"), 422, "unknown_columns")
    assert [(error["code"], error["pointer"]) for error in told["errors"]] == [
        ("unknown_column", "#/2"), ("doubled_column", "#/4"), ("missing_column", "#/"), ("missing_column", "#/")
    ]  # fmt: skip
    assert all(name in str(told["errors"]) for name in ("buyer_code", "column 4", "ordered_at", "status"))


async def test_a_separator_or_charset_that_does_not_fit_is_told(api, open_store):
    store = await open_store()
    url = f"/sources/{store.source}/imports?delimiter=%3B"
    headers = store.auth | {"Content-Type": "text/csv"}
    told = await api.post(url, content=rows_of("1.00").encode(), headers=headers)
    assert "separator seems to be ," in problem(told, 422, "unknown_columns")["detail"]
    told = await store.load(rows_of("1.00").encode("utf-16-le"))
    assert "UTF-16" in problem(told, 422, "unknown_columns")["detail"]


async def test_columns_of_any_file_can_be_named(api, open_store):
    store = await open_store()
    content = b"No.,Who,When,Paid,State,Colour\n7,a,2026-03-01T12:00:00Z,1.00,paid,red\n"
    names = '{"no.": "order_id", "Who": "customer_id", "When": "ordered_at", "Paid": "total", "State": "status"}'
    headers = store.auth | {"Content-Type": "text/csv"}
    url = f"/sources/{store.source}/imports"
    done = (await api.post(url, params={"columns": names}, content=content, headers=headers)).json()
    assert (done["created"], done["rejected"]) == (1, [])
    for wrong in ("[]", "{", '{"No.": "number"}', '{"No.": 1}'):
        answer = await api.post(url, params={"columns": wrong}, content=content, headers=headers)
        assert problem(answer, 422, "invalid_request")["errors"][0]["pointer"] == "#/columns"


# ---------------------------------------------------------------- what is told


async def test_everything_that_is_wrong_with_a_row_is_told_at_once(open_store):
    store = await open_store()
    header = OURS + ",currency,items,email"
    row = "1,c,Ada,yesterday,1.2.3,PAID,EUR,-1,ada@example.test"
    done = (await store.load(f"{header}\n{row}\n".encode())).json()
    [refused] = done["rejected"]
    assert {error["code"] for error in refused["errors"]} == {
        "invalid_ordered_at", "invalid_total", "invalid_status", "invalid_items"
    }  # fmt: skip
    assert (refused["code"], refused["detail"]) == tuple(refused["errors"][0].values())
    batch = (await store.post({"order_id": "1", "ordered_at": "x", "total": "-1", "status": "paid"})).json()
    assert [error["code"] for error in batch["rejected"][0]["errors"]] == ["invalid_ordered_at", "invalid_total"]


async def test_an_order_that_comes_twice_with_other_content_is_told(open_store, clock):
    clock.now = None
    store = await open_store()
    rows = [OURS, "7,a,A,2026-03-01T12:00:00Z,10.00,paid", "7,a,A,2026-03-01T12:00:00Z,20.00,paid"]
    rows += ["8,b,B,2026-03-01T12:00:00Z,5.00,paid"] * 2
    for dry in ("true", "false"):
        url = f"/sources/{store.source}/imports?dry_run={dry}"
        answer = await store.api.post(
            url, content="\n".join(rows).encode(), headers=store.auth | {"Content-Type": "text/csv"}
        )
        done = answer.json()
        assert [(row["line"], row["order_id"], row["code"]) for row in done["warnings"]] == [(3, "7", "repeated_order")]
        assert (done["created"], done["updated"], done["unchanged"], done["warnings_count"]) == (2, 1, 1, 1)
    newer = [f"{OURS},updated_at", *(f"{row},2026-03-0{n}T00:00:00Z" for n, row in enumerate(rows[1:3], 2))]
    assert (await store.load("\n".join(newer).encode())).json()["warnings"] == []


async def test_a_dry_run_reports_and_stores_nothing(api, open_store, sql):
    store = await open_store()
    await store.sold(("c1", "10.00"))
    content = rows_of("10.00", "x", "5.00").encode()
    headers = store.auth | {"Content-Type": "text/csv"}
    answer = await api.post(f"/sources/{store.source}/imports?dry_run=true", content=content, headers=headers)
    done = answer.json()
    assert (answer.status_code, done["id"], done["dry_run"]) == (200, None, True)
    assert (done["received"], done["created"], [row["line"] for row in done["rejected"]]) == (3, 2, [3])
    assert await store.count("imports") == 0
    assert await all_time(store) == [("c1", "10.00")]
    real = (await store.load(content)).json()
    same = ("received", "created", "updated", "unchanged", "rejected", "read_as")
    assert {name: real[name] for name in same} == {name: done[name] for name in same}
