"""Dossier: statements that gather one customer's orders, standings and exact ranks."""

from sqlalchemy import text

from app.boards import standings
from app.boards.answers import ABOVE, AVERAGE
from app.boards.buckets import MEASURES
from app.segments.vips import BUYS_OFTEN, SPENDS_MUCH, SUGGESTED

KNOWN = text("""
    SELECT c.id, c.source_id, c.external_id, c.name, c.email, c.marketing, c.language, c.created_at,
           s.audience_id, s.currency, s.time_zone, s.week_start,
           (SELECT min(o.ordered_at) FROM orders AS o
            WHERE o.account_id = :account_id AND o.customer_id = c.id AND o.spend IS NOT NULL) AS first_order_at,
           (SELECT max(o.ordered_at) FROM orders AS o
            WHERE o.account_id = :account_id AND o.customer_id = c.id AND o.spend IS NOT NULL) AS last_order_at
    FROM customers AS c JOIN sources AS s ON s.account_id = c.account_id AND s.id = c.source_id
    WHERE c.account_id = :account_id AND c.id = :customer_id
""")
"""One customer, and the store."""

ORDER = """
    order_id, ordered_at, total, refunded, foreign_currency, items, status::text AS status,
    spend IS NOT NULL AS is_purchase, updated_at, test
"""

LAST_ORDERS = text(f"""
    SELECT {ORDER}
    FROM orders
    WHERE account_id = :account_id AND source_id = :source_id AND customer_id = :customer_id AND deleted_at IS NULL
    ORDER BY ordered_at DESC, order_id DESC
    LIMIT cast(:limit AS bigint)
""")
"""A customer's orders, newest first."""

EVERY_ORDER = text(f"""
    SELECT {ORDER}, guest_email, deleted_at
    FROM orders
    WHERE account_id = :account_id AND source_id = :source_id AND customer_id = :customer_id
    ORDER BY ordered_at DESC, order_id DESC
""")
"""The same with those that were deleted, and the address of those that name nothing else."""

MESSAGE = "m.id, m.kind, m.status, m.reason, m.template, m.subject, m.created_at, m.sent_at"

LAST_MESSAGES = text(f"""
    SELECT {MESSAGE} FROM messages AS m
    WHERE m.account_id = :account_id AND m.customer_id = :customer_id
    ORDER BY m.created_at DESC, m.id DESC
    LIMIT cast(:limit AS bigint)
""")
"""What was written to a customer, newest first."""

EVERY_MESSAGE = text(f"""
    SELECT {MESSAGE}, m.message_id, m.provider_id, m.language, m.text, m.html,
           ARRAY(SELECT a.code || ' ' || a.detail FROM message_attempts AS a
                 WHERE a.account_id = :account_id AND a.message_id = m.id ORDER BY a.id) AS answers
    FROM messages AS m
    WHERE m.account_id = :account_id AND m.customer_id = :customer_id
    ORDER BY m.created_at DESC, m.id DESC
""")
"""The same whole, with what was answered when it was sent."""

# ---------------------------------------------------------------- standings

FIGURES = "s.purchases, s.spend, s.average, s.last_order_at"
VIP = f"""m.min_spend, m.min_orders, {SPENDS_MUCH} AS big_spender, {BUYS_OFTEN} AS frequent_buyer""".format(
    p="s.", t="m."
)

# Only where there is a standing, and only in the frames whose ranks are shown.
PLACED = "CASE WHEN s.board_id IS NOT NULL AND f.place <= cast(:ranked AS bigint) THEN {} END AS {}"


def _places(metric: str, measure: str) -> str:
    rank = ABOVE.format(board="b.id", metric=metric, measure=measure, value=f"s.{measure}")
    better = f"""(SELECT min(n.{measure}) FROM standings AS n
        WHERE n.account_id = :account_id AND n.board_id = b.id AND n.{measure} > s.{measure})"""
    return f"{PLACED.format(f'{rank} + 1', f'{measure}_rank')}, {PLACED.format(better, f'{measure}_better')}"


STANDINGS = text(f"""
    SELECT b.id IS NOT NULL AS is_live, b.customers, {FIGURES}, {VIP},
           {", ".join(_places(metric, measure) for metric, measure in MEASURES.items())}
    FROM unnest(cast(:kinds AS text[]), cast(:board_starts AS timestamptz[]), cast(:starts AS timestamptz[]),
                cast(:befores AS timestamptz[]), cast(:untils AS timestamptz[]))
         WITH ORDINALITY AS f (kind, board_start, start, before, until, place)
    LEFT JOIN boards AS b
        ON b.account_id = :account_id AND b.source_id = :source_id AND b.kind = f.kind::board_kind
       AND b.start = f.board_start AND b.counted_from = f.start AND b.counted_until = f.until
       AND NOT EXISTS (SELECT FROM outdated_standings AS o
                       WHERE o.account_id = :account_id AND o.source_id = :source_id)
       AND NOT EXISTS (SELECT FROM orders AS o
                       WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.spend IS NOT NULL
                         AND o.ordered_at >= f.before AND o.ordered_at < f.until)
    LEFT JOIN standings AS s
        ON s.account_id = :account_id AND s.board_id = b.id AND s.customer_id = :customer_id
    {SUGGESTED.format(b="b.")}
    ORDER BY f.place
""")
"""How a customer stands in each frame that a board can answer: values, ranks, next better values, VIP thresholds."""


COUNTED_ABOVE = ", ".join(
    f"""CASE WHEN count(s.customer_id) > 0 THEN count(*) FILTER (WHERE f.{measure} > s.{measure}) + 1 END
            AS {measure}_rank,
        min(f.{measure}) FILTER (WHERE f.{measure} > s.{measure}) AS {measure}_better"""
    for measure in MEASURES.values()
)

STANDINGS_FROM_ORDERS = text(f"""
    WITH figures AS MATERIALIZED (
        SELECT board_id AS place, customer_id, purchases, spend, last_order_at, {AVERAGE} AS average
        FROM ({standings.FIGURES.format(whose="")}) AS f),
    own AS MATERIALIZED (SELECT * FROM figures WHERE customer_id = :customer_id),
    counted AS MATERIALIZED (
        SELECT f.place, count(*) AS customers, sum(f.purchases) AS purchases, sum(f.spend) AS spend, {COUNTED_ABOVE}
        FROM figures AS f LEFT JOIN own AS s ON s.place = f.place
        GROUP BY f.place)
    SELECT n.place, coalesce(b.customers, 0) AS customers, {FIGURES}, {VIP},
           {", ".join(f"b.{measure}_rank, b.{measure}_better" for measure in MEASURES.values())}
    FROM unnest(cast(:places AS bigint[])) AS n (place)
    LEFT JOIN counted AS b ON b.place = n.place
    LEFT JOIN own AS s ON s.place = n.place
    {SUGGESTED.format(b="b.")}
""")
"""The same of other frames, from the orders, which are read once for all of them."""
