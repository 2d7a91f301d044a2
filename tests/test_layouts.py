"""Layouts: the files that other programs export become the orders that they tell, whatever program it was."""

# ruff: noqa: E501 - the rows of a file are as long as they are

from collections.abc import Sequence

import pytest
from answers import problem

from app.orders.layouts import LAYOUTS, recognised_layout
from app.orders.layouts.declaration import column_name

SHOPIFY = """Name,Email,Financial Status,Paid at,Currency,Total,Created at,Lineitem quantity,Lineitem name,Billing Name,Cancelled at,Refunded Amount,Id
#1,ada@example.test,partially_refunded,,EUR,20.00,2025-10-03 10:11:12 -0400,1,Mug,Ada,,5.00,9001
#1,ada@example.test,,,,,2025-10-03 10:11:12 -0400,2,"A 10"" plate
in two lines",,,,
#2,bea@example.test,paid,,EUR,7.00,2025-10-04 10:11:12 -0400,1,Mug,Bea,2025-10-05 10:11:12 -0400,0.00,9002
#3,cyd@example.test,odd,,EUR,7.00,2025-10-04 10:11:12 -0400,1,Mug,Cyd,,0.00,9003
#3,cyd@example.test,,,,,2025-10-04 10:11:12 -0400,1,Mug,,,,
"""
SQUARESPACE = """Order ID,Email,Financial Status,Paid at,Currency,Subtotal,Amount Refunded,Total,Created at,Lineitem quantity,Lineitem name,Billing Name,Cancelled at
00001,ada@example.test,PAID,2025-10-03 10:11:12 +0200,EUR,15.00,0.00,15.00,2025-10-03 10:11:12 +0200,1,Mug,Ada,
00001,ada@example.test,,,,,,,,2,Plate,,
00002,bea@example.test,REFUNDED,2025-10-03 10:11:12 +0200,EUR,15.00,15.00,15.00,2025-10-03 10:11:12 +0200,1,Mug,Bea,
"""
WOOCOMMERCE = """Order Number,Order Status,Order Date,First Name (Billing),Last Name (Billing),Email (Billing),Order Total Amount,Order Refund Amount,Item Name,Quantity
11,Completed,2025-10-03 10:11,Ada,Marsh,ada@example.test,15.00,0,Mug,1
11,Completed,2025-10-03 10:11,Ada,Marsh,ada@example.test,15.00,0,Plate,2
12,wc-refunded,2025-10-03 10:11,Bea,,bea@example.test,15.00,0,Mug,1
13,Packed by Kim,2025-10-03 10:11,Bea,,bea@example.test,15.00,0,Mug,1
"""
ANALYTICS = """Date,Order #,Status,Customer,Customer type,Product(s),Items sold,Coupon(s),N. Revenue
2025-10-03 10:11:12,21,Completed,Ada Marsh,new,"1x Mug, 2x Plate",3,,15.00
"""
BIGCOMMERCE = """Order ID,Customer ID,Customer Name,Customer Email,Order Date,Order Status,Order Total (inc tax),Total Quantity,Order Currency Code
31,0,Ada Marsh,ada@example.test,"Fri, 03 Oct 2025 10:11:12 +0000",Awaiting Fulfillment,15.0000,3,EUR
32,8,Bea,bea@example.test,"Fri, 03 Oct 2025 10:11:12 +0000",Declined,15.0000,3,EUR
"""
MAGENTO = """ID,Purchase Point,Purchase Date,Bill-to Name,Grand Total (Base),Grand Total (Purchased),Status,Customer Email,Total Refunded
"000000041",Main Website,"Oct 3, 2025 10:11:12 AM",Ada Marsh,15.0000,15.0000,Processing,ada@example.test,
"000000042",Main Website,"Oct 3, 2025 10:11:12 AM",Bea,15.0000,15.0000,Closed,bea@example.test,15.0000
"""
PRESTASHOP = """ID;Reference;New client;Delivery;Customer;Total;Payment;Status;Date
51;XKBKNABJK;1;France;A. Marsh;15,00 €;Card;Payment accepted;2025-10-03 10:11:12
"""
ETSY = """Sale Date,Order ID,Buyer User ID,Full Name,Number of Items,Currency,Order Value,Order Total,Status,Adjusted Order Total
10/03/25,61,ada77,Ada Marsh,3,EUR,18.00,20.00,,15.00
10/03/25,62,bea77,Bea,1,EUR,18.00,20.00,,
"""
SQUARE = """Date,Time,Time Zone,Gross Sales,Net Sales,Tax,Partial Refunds,Total Collected,Transaction ID,Event Type,Customer ID,Customer Name
2025-10-03,10:11:12,Eastern Time (US & Canada),€14.00,€14.00,€1.00,€0.00,€15.00,T1,Payment,C1,Ada
2025-10-04,10:11:12,Eastern Time (US & Canada),€20.00,€20.00,€0.00,€0.00,€20.00,T2,Payment,C2,Bea
2025-10-05,10:11:12,Eastern Time (US & Canada),-€5.00,-€5.00,€0.00,-€5.00,-€5.00,T2,Refund,C2,Bea
"""
STRIPE = """id,Description,Created date (UTC),Amount,Amount Refunded,Currency,Status,Customer ID,Customer Email,Mode
ch_1,One,2025-10-03 10:11,20.00,5.00,eur,Paid,cus_A,ada@example.test,Live
ch_2,Two,2025-10-03 10:11,15.00,0.00,eur,Failed,cus_B,bea@example.test,Live
ch_3,Three,2025-10-03 10:11,15.00,0.00,eur,Paid,cus_B,bea@example.test,Test
"""
PAYPAL = """"Date","Time","TimeZone","Name","Type","Status","Currency","Gross","Fee","Net","From Email Address","Transaction ID","Reference Txn ID"
"05/10/2025","10:11:12","CEST","Ada","Payment Refund","Completed","EUR","-5,00","0,00","-5,00","shop@example.test","R1","P1"
"03/10/2025","10:11:12","CEST","Ada","Express Checkout Payment","Completed","EUR","20,00","-1,00","19,00","ada@example.test","P1",""
"13/10/2025","10:11:12","CEST","","General Withdrawal","Completed","EUR","-90,00","0,00","-90,00","","W1",""
"13/10/2025","10:11:12","CEST","Supplier","General Payment","Completed","EUR","-9,00","0,00","-9,00","shop@example.test","P2",""
"14/10/2025","10:11:12","CEST","Bea","Payment Refund","Completed","EUR","-5,00","0,00","-5,00","shop@example.test","R2","P0"
"""
FILES = {
    "shopify_orders": SHOPIFY, "squarespace": SQUARESPACE, "woocommerce_orders": WOOCOMMERCE,
    "woocommerce_analytics": ANALYTICS, "bigcommerce": BIGCOMMERCE, "magento": MAGENTO, "prestashop": PRESTASHOP,
    "etsy": ETSY, "square": SQUARE, "stripe_payments": STRIPE, "paypal": PAYPAL,
}  # fmt: skip
EXPECTED: dict[str, list[tuple[str, str | None, str, int, int, int | None, str]]] = {
    "shopify_orders": [
        ("9001", "ada@example.test", "2025-10-03T14:11:12", 2000, 500, 3, "partially_refunded"),
        ("9002", "bea@example.test", "2025-10-04T14:11:12", 700, 0, 1, "cancelled"),
    ],
    "squarespace": [
        ("00001", "ada@example.test", "2025-10-03T08:11:12", 1500, 0, 3, "paid"),
        ("00002", "bea@example.test", "2025-10-03T08:11:12", 1500, 1500, 1, "refunded"),
    ],
    "woocommerce_orders": [
        ("11", "ada@example.test", "2025-10-03T08:11:00", 1500, 0, 3, "paid"),
        ("12", "bea@example.test", "2025-10-03T08:11:00", 1500, 1500, 1, "refunded"),
        ("13", "bea@example.test", "2025-10-03T08:11:00", 1500, 0, 1, "pending"),
    ],
    "woocommerce_analytics": [("21", None, "2025-10-03T08:11:12", 1500, 0, 3, "paid")],
    "bigcommerce": [
        ("31", "ada@example.test", "2025-10-03T10:11:12", 1500, 0, 3, "paid"),
        ("32", "8", "2025-10-03T10:11:12", 1500, 0, 3, "voided"),
    ],
    "magento": [
        ("000000041", "ada@example.test", "2025-10-03T08:11:12", 1500, 0, None, "paid"),
        ("000000042", "bea@example.test", "2025-10-03T08:11:12", 1500, 1500, None, "refunded"),
    ],
    "prestashop": [("51", None, "2025-10-03T08:11:12", 1500, 0, None, "paid")],
    "etsy": [
        ("61", "ada77", "2025-10-02T22:00:00", 2000, 500, 3, "paid"),
        ("62", "bea77", "2025-10-02T22:00:00", 2000, 0, 1, "paid"),
    ],
    "square": [
        ("T1", "C1", "2025-10-03T14:11:12", 1500, 0, None, "paid"),
        ("T2", "C2", "2025-10-04T14:11:12", 2000, 500, None, "partially_refunded"),
    ],
    "stripe_payments": [
        ("ch_1", "cus_A", "2025-10-03T10:11:00", 2000, 500, None, "paid"),
        ("ch_2", "cus_B", "2025-10-03T10:11:00", 1500, 0, None, "voided"),
        ("ch_3", "cus_B", "2025-10-03T10:11:00", 1500, 0, None, "paid"),
    ],
    "paypal": [("P1", "ada@example.test", "2025-10-03T08:11:12", 2000, 500, None, "partially_refunded")],
}
"""Order, customer, instant, total, refunded, items and status of each order in the file."""
COUNTS = {
    "shopify_orders": (5, 2, 2, 0, [6]), "squarespace": (3, 2, 1, 0, []), "woocommerce_orders": (4, 3, 1, 0, []),
    "square": (3, 2, 1, 0, []), "paypal": (5, 1, 1, 2, [6]),
}  # fmt: skip
"""Received, created, folded, ignored, and the lines of the refused rows."""

STORED = """
    SELECT o.order_id, coalesce(c.external_id, c.email), o.ordered_at AT TIME ZONE 'UTC', o.total, o.refunded, o.items,
           o.status::text
    FROM orders AS o LEFT JOIN customers AS c ON c.account_id = o.account_id AND c.id = o.customer_id ORDER BY 1
"""


async def stored_orders(sql) -> list[Sequence[object]]:
    return [(row[0], row[1], row[2].isoformat(), *row[3:]) for row in await sql.fetch(STORED)]


def test_every_layout_has_a_file_here():
    assert {*FILES} == {*EXPECTED} == {*LAYOUTS}


@pytest.mark.parametrize("name", FILES)
async def test_the_file_of_a_program_is_recognised_and_read(api, open_store, sql, name):
    store = await open_store(time_zone="Europe/Rome", currency="EUR")
    done = (await store.load(FILES[name].encode("utf-8-sig"))).json()
    assert done["read_as"]["layout"] == name, done
    assert await stored_orders(sql) == EXPECTED[name]
    counts = done["received"], done["created"], done["folded"], done["ignored"]
    rejected = [row["line"] for row in done["rejected"]]
    orders = len(EXPECTED[name])
    assert (*counts, rejected) == COUNTS.get(name, (orders, orders, 0, 0, []))
    again = (await store.load(FILES[name].encode())).json()
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, orders)


async def test_tests_and_the_live_mode_of_payments_are_told_apart(open_store, sql):
    store = await open_store()
    await store.load(STRIPE.encode())
    assert await sql.fetch("SELECT order_id FROM orders WHERE test") == [("ch_3",)]


async def test_the_rows_of_an_order_are_folded_wherever_the_stream_is_cut(api, open_store, sql, monkeypatch):
    monkeypatch.setattr("app.orders.order_file.RECORDS_AT_ONCE", 1)
    store = await open_store()
    head, _, body = SHOPIFY.partition("\n")
    many = "".join(body.replace("#", f"#{n}").replace(",900", f",{n}900") for n in range(500))

    async def chunks():
        for start in range(0, len(many), 5_000):
            yield (head + "\n" if start == 0 else "").encode() + many[start : start + 5_000].encode()

    headers = store.auth | {"Content-Type": "text/csv"}
    done = (await api.post(f"/sources/{store.source}/imports", content=chunks(), headers=headers)).json()
    assert (done["received"], done["created"], done["folded"], done["rejected_count"]) == (2_500, 1_000, 1_000, 500)
    assert await sql.fetchval("SELECT count(*) FROM orders WHERE items = 3") == 500


async def test_a_layout_that_is_named_must_fit(api, open_store):
    store = await open_store()
    headers = store.auth | {"Content-Type": "text/csv"}
    url = f"/sources/{store.source}/imports"
    done = await api.post(url, params={"layout": "etsy"}, content=ETSY.encode(), headers=headers)
    assert done.json()["created"] == 2
    other = await api.post(url, params={"layout": "paypal"}, content=ETSY.encode(), headers=headers)
    assert "transaction id" in str(problem(other, 422, "unknown_columns")["errors"])
    problem(await api.post(url, params={"layout": "excel"}, content=b"", headers=headers), 422, "invalid_request")


def test_columns_of_one_layout_are_not_taken_for_another():
    for name, content in FILES.items():
        delimiter = ";" if name == "prestashop" else ","
        header = {column_name(cell) for cell in content.partition("\n")[0].split(delimiter)}
        found = recognised_layout(header)
        assert found is not None
        assert found.name == name
