"""Vocabulary: the closed sets of values that columns, JSON and SQL share.

Each is written here once: column types, CHECK constraints, JSON schemas and statements derive
from these enums.
"""

from enum import StrEnum


class Plan(StrEnum):
    """What an account has paid for."""

    FREE = "free"
    PAID = "paid"


class Scope(StrEnum):
    """What an API key may do; none implies another."""

    READ = "read"
    WRITE = "write"
    SEND = "send"
    ADMIN = "admin"


class Platform(StrEnum):
    """The software that a store runs on."""

    SHOPIFY = "shopify"
    WOOCOMMERCE = "woocommerce"
    MAILCHIMP = "mailchimp"
    CUSTOM = "custom"


class SourceConnection(StrEnum):
    """How orders reach a source by themselves; `none` says that somebody has to send them."""

    NONE = "none"


class WeekStart(StrEnum):
    """The first day of a store's week."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


class OrderStatus(StrEnum):
    """The status of an order, in the order of progress: of two versions of the same age the further one is newer."""

    PENDING = "pending"
    AUTHORIZED = "authorized"
    PARTIALLY_PAID = "partially_paid"
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"
    VOIDED = "voided"


class Metric(StrEnum):
    """What customers are ranked by."""

    PURCHASES = "number_of_purchases"
    AVERAGE = "average_order_amount"
    SPEND = "total_spend"


class BoardKind(StrEnum):
    """The kinds of board; an order counts on at most one board of each."""

    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    LAST_365_DAYS = "last_365_days"
    ALL_TIME = "all_time"


class Marketing(StrEnum):
    """A customer's consent to offers by e-mail; `cleaned` is a customer whose address refuses mail for good."""

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    NON_SUBSCRIBED = "non_subscribed"
    CLEANED = "cleaned"


class MessageKind(StrEnum):
    """An offer needs consent; a transactional message, such as a receipt, does not."""

    MARKETING = "marketing"
    TRANSACTIONAL = "transactional"


class MessageStatus(StrEnum):
    """The status of a message, in the order of progress."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    FAILED = "failed"
    CANCELLED = "cancelled"
    HELD = "held"


class AttemptOutcome(StrEnum):
    """How a mail server or provider answered an attempt to send."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    DEFERRED = "deferred"
    MISCONFIGURED = "misconfigured"
