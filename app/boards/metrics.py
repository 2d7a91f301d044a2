"""Metrics: what customers are ranked by; the column behind each metric, its value and how it is shown.

A row of figures (a standing, or one counted from the orders) has the columns `FIGURES`. Loops over
these tables stand wherever all metrics are meant.
"""

from app.vocabulary import Metric

SUMS = {"purchases": "count(*)", "spend": "sum(spend)"}
"""What a row of figures adds up over the purchases of its customer, by column."""

COLUMNS = {Metric.PURCHASES: "purchases", Metric.SPEND: "spend", Metric.AVERAGE: "average"}
"""The column of a row of figures that holds each metric."""

AMOUNTS = frozenset({Metric.AVERAGE, Metric.SPEND})
"""The metrics that are amounts of money; the others are counts."""

METRIC_LABELS = {
    Metric.PURCHASES: "Number of purchases",
    Metric.AVERAGE: "Average order amount",
    Metric.SPEND: "Total spend",
}
"""What people call each metric, in English and in the order of the drop-down."""

FIGURES = f"{', '.join(SUMS)}, average, last_order_at"
"""The columns of a row of figures beside its customer."""


def metric_values(purchases: int, spend: int) -> dict[Metric, int]:
    """The value of each metric for a customer with these sums; the average is rounded half up."""
    return {
        Metric.PURCHASES: purchases,
        Metric.AVERAGE: (2 * spend + purchases) // (2 * purchases),
        Metric.SPEND: spend,
    }


def summed() -> str:
    """SQL: the `SUMS` of rows of orders, one column each."""
    return ", ".join(f"{sum_of_orders}::bigint AS {column}" for column, sum_of_orders in SUMS.items())


def amount(value: str) -> str:
    """SQL: minor units as a decimal string with the currency's digits."""
    return f"({value} * cast(:unit AS numeric))::text"


def ranked_by(metric: Metric) -> str:
    """SQL: the order of a board, best first; customers of equal value are in the order of their ids."""
    return f"{COLUMNS[metric]} DESC, customer_id"


def rank_by(metric: Metric) -> str:
    """SQL: the rank in a window over whole boards; equal values share it and the next one is skipped."""
    return f"rank() OVER (ORDER BY {COLUMNS[metric]} DESC)"


def rank_below_ties(metric: Metric, *, before: str) -> str:
    """SQL: the rank in a window over a page, of rows below its first value; `before` is how many rows precede it."""
    return f"{before} + {rank_by(metric)}"


def rank_from_start(value: str) -> str:
    """SQL: the rank of the first row behind the start of a page, from the rank and position in the cursor."""
    return f"CASE WHEN {value} = :value THEN cast(:rank AS bigint) ELSE cast(:position AS bigint) + 1 END"


def rank_among(metric: Metric) -> str:
    """SQL: the rank of the row `s` in an aggregate over all rows `f`."""
    column = COLUMNS[metric]
    return f"count(*) FILTER (WHERE f.{column} > s.{column}) + 1"


def next_better_value(metric: Metric) -> str:
    """SQL: the value of the next better rank in a window; NULL for the best."""
    column = COLUMNS[metric]
    return f"first_value({column}) OVER (ORDER BY {column} DESC GROUPS BETWEEN 1 PRECEDING AND 1 PRECEDING)"


def after_start(metric: Metric) -> str:
    """SQL: the rows of a board behind the start of a page, which is the last row of the page before."""
    column = COLUMNS[metric]
    return f"{column} <= :value AND ({column} < :value OR customer_id > :customer)"
