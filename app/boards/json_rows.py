"""JSON rows: PostgreSQL writes one customer's figures as JSON text or as the cells of a file.

In every expression `p` is the row of figures and `c` the customer. Money, ids and instants are
written here too, so that a page is not parsed again before it is sent.
"""

from app.boards.address_word import MESSAGEABLE
from app.boards.metrics import AMOUNTS, COLUMNS, amount
from app.wire.addresses import ADDRESS_MASK, ANY_ADDRESS

MASKED = "cast(:masks_emails AS boolean)"
"""Whether the caller may not be shown e-mail addresses."""


def without_addresses(column: str) -> str:
    """SQL: a text of a customer; where addresses are masked, also one that is hidden in a name or an id."""
    # A page has few such texts, and an expression for every text would be felt.
    masked = f"regexp_replace({column}, '{ANY_ADDRESS}', '\\1{ADDRESS_MASK}', 'g')"
    return f"CASE WHEN {MASKED} AND strpos({column}, '@') > 0 THEN {masked} ELSE {column} END"


SHOWN_TEXTS = {
    "external_id": without_addresses("c.external_id"),
    "name": without_addresses("c.name"),
    "email": f"CASE WHEN {MASKED} THEN \"left\"(c.email, 1) || '{ADDRESS_MASK}' ELSE c.email END",
}
"""What a customer is called and written to at, as the caller may see it."""
CUSTOMER_ID = "'cus_' || p.customer_id"
LAST_ORDER_AT = "to_json(p.last_order_at AT TIME ZONE 'UTC')::text"
"""In quotes and without a zone; with microseconds only where the instant has some."""


def member(name: str, value: str, *, quoted: bool = False) -> str:
    """A member of a JSON object; concatenated, because json_build_object takes twice as long."""
    return f"""'"{name}": "' || {value} || '"'""" if quoted else f"""'"{name}": ' || {value}"""


def members(*each: str) -> str:
    """Members of a JSON object, one after the other."""
    return " || ', ' || ".join(each)


def json_object(*each: str) -> str:
    """A JSON object of these members."""
    return f"'{{' || {members(*each)} || '}}'"


def text_or_null(value: str) -> str:
    """A text as JSON, or `null`."""
    return f"coalesce(to_json({value})::text, 'null')"


def json_array(item: str, *, rows: str, join: str = "", where: str) -> str:
    """The items of these rows with their customers as a JSON array, in the order of `position`."""
    return f"""
        (SELECT '[' || coalesce(string_agg({item}, ',' ORDER BY p.position), '') || ']'
         {with_customers(rows)} {join} WHERE {where})"""


def with_customers(rows: str) -> str:
    """Rows of figures, each with its customer."""
    return f"FROM {rows} AS p JOIN customers AS c ON c.account_id = :account_id AND c.id = p.customer_id"


CUSTOMER_MEMBER = member(
    "customer",
    json_object(
        member("id", CUSTOMER_ID, quoted=True),
        *(member(name, text_or_null(shown)) for name, shown in SHOWN_TEXTS.items()),
        member("messageable", MESSAGEABLE),
    ),
)
METRIC_CELLS = {
    metric: amount(f"p.{column}") if metric in AMOUNTS else f"p.{column}" for metric, column in COLUMNS.items()
}
FIGURE_MEMBERS = members(
    *(member(metric, cell, quoted=metric in AMOUNTS) for metric, cell in METRIC_CELLS.items()),
    member("last_order_at", f"left({LAST_ORDER_AT}, -1) || 'Z\"'"),
)

FILE_HEADER = (
    "customer_id",
    "external_id",
    "name",
    "email",
    "messageable",
    *COLUMNS,
    "last_order_at",
    "currency",
)
FILE_CELLS = f"""{CUSTOMER_ID} AS customer_id, {", ".join(f"{shown} AS {name}" for name, shown in SHOWN_TEXTS.items())},
    {MESSAGEABLE} AS messageable, {", ".join(f"{cell} AS {metric}" for metric, cell in METRIC_CELLS.items())},
    trim('"' FROM {LAST_ORDER_AT}) || 'Z' AS last_order_at, cast(:currency AS text) AS currency"""
"""The columns of a file, in the order of `FILE_HEADER`."""
