"""Rows: how PostgreSQL writes one customer's figures, the same whatever they were read from.

`p` is the row of figures, `c` the customer. The moment of the last purchase, money and ids
are written here too, so that pages need not be parsed again.
"""

CUSTOMER_ID = "'cus_' || p.customer_id"
MESSAGEABLE = "(c.marketing = 'subscribed' AND c.email IS NOT NULL)"
SHOWN_SPEND = "(p.spend * cast(:unit AS numeric))::text"
SHOWN_AVERAGE = "(p.average * cast(:unit AS numeric))::text"
MOMENT = "to_json(p.last_order_at AT TIME ZONE 'UTC')::text"
"""With quotes and without a zone, microseconds only where it has some."""


def member(name: str, value: str, *, quoted: bool = False) -> str:
    """A member of a JSON object as text; written out, because json_build_object takes twice as long."""
    return f"""'"{name}": "' || {value} || '"'""" if quoted else f"""'"{name}": ' || {value}"""


def members(*each: str) -> str:
    """Members of a JSON object, one after the other."""
    return " || ', ' || ".join(each)


def json_object(*each: str) -> str:
    """A JSON object as text."""
    return f"'{{' || {members(*each)} || '}}'"


def text_or_null(value: str) -> str:
    """Any text as JSON."""
    return f"coalesce(to_json({value})::text, 'null')"


CUSTOMER = member(
    "customer",
    json_object(
        member("id", CUSTOMER_ID, quoted=True),
        *(member(name, text_or_null(f"c.{name}")) for name in ("external_id", "name", "email")),
        member("messageable", MESSAGEABLE),
    ),
)
FIGURES = members(
    member("number_of_purchases", "p.purchases"),
    member("total_spend", SHOWN_SPEND, quoted=True),
    member("average_order_amount", SHOWN_AVERAGE, quoted=True),
    member("last_order_at", f"left({MOMENT}, -1) || 'Z\"'"),
)
"""Members of the JSON object of one customer."""

COLUMNS = (
    *("customer_id", "external_id", "name", "email", "messageable"),
    *("number_of_purchases", "total_spend", "average_order_amount", "last_order_at", "currency"),
)
CELLS = f"""{CUSTOMER_ID} AS customer_id, c.external_id, c.name, c.email, {MESSAGEABLE} AS messageable,
    p.purchases, {SHOWN_SPEND} AS total_spend, {SHOWN_AVERAGE} AS average_order_amount,
    trim('"' FROM {MOMENT}) || 'Z' AS last_order_at, cast(:currency AS text) AS currency"""
"""The same as cells of a table."""

NAMED = "FROM {ranked} AS p JOIN customers AS c ON c.account_id = :account_id AND c.id = p.customer_id"
