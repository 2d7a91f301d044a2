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


class TokenOperation(StrEnum):
    """What a browser token may name; what it does not name it may not do."""

    BOARD = "board"
    VIPS = "vips"
    PROFILE = "profile"
    MESSAGE = "message"


class Limit(StrEnum):
    """What the requests of a key are limited in, each by itself."""

    REQUESTS = "default"
    SENDS = "sends"
    EXPENSIVE_READS = "expensive_reads"


class AuditAction(StrEnum):
    """What the audit log keeps of the operator and of admin keys."""

    ACCOUNT_OPENED = "account_opened"
    PLAN_CHANGED = "plan_changed"
    ACCOUNT_CLOSED = "account_closed"
    ACCOUNT_REOPENED = "account_reopened"
    KEY_CREATED = "key_created"
    KEY_REVOKED = "key_revoked"
    SENDER_SET = "sender_set"
    DOMAIN_VERIFIED = "domain_verified"
    DOMAIN_GRANTED = "domain_granted"
    DOMAIN_REMOVED = "domain_removed"
    SOURCE_DELETED = "source_deleted"
    ACCOUNT_DELETED = "account_deleted"


class DeletedNoun(StrEnum):
    """What is deleted with everything in it."""

    ACCOUNT = "account"
    SOURCE = "source"


class Platform(StrEnum):
    """The software that a store runs on."""

    SHOPIFY = "shopify"
    WOOCOMMERCE = "woocommerce"
    MAILCHIMP = "mailchimp"
    CUSTOM = "custom"


class ConnectionState(StrEnum):
    """How a shop that connects itself is doing."""

    CONNECTING = "connecting"
    BACKFILLING = "backfilling"
    LIVE = "live"
    DEGRADED = "degraded"
    DISCONNECTED = "disconnected"


class SourceConnection(StrEnum):
    """How orders reach a source by themselves; `none` says that somebody has to send them."""

    NONE = "none"
    CONNECTING = ConnectionState.CONNECTING.value
    BACKFILLING = ConnectionState.BACKFILLING.value
    LIVE = ConnectionState.LIVE.value
    DEGRADED = ConnectionState.DEGRADED.value
    DISCONNECTED = ConnectionState.DISCONNECTED.value


class DeliveryStatus(StrEnum):
    """What has become of a webhook that a shop has sent."""

    WAITING = "waiting"
    APPLIED = "applied"
    IGNORED = "ignored"
    QUARANTINED = "quarantined"


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


class ImportStatus(StrEnum):
    """How far an import is: `failed` ended with a problem, `interrupted` with its connection or process."""

    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class WhyNotCounted(StrEnum):
    """Why an order is not a purchase."""

    DELETED = "deleted"
    TEST = "test"
    STATUS_PENDING = "status_pending"
    STATUS_AUTHORIZED = "status_authorized"
    STATUS_REFUNDED = "status_refunded"
    STATUS_CANCELLED = "status_cancelled"
    STATUS_VOIDED = "status_voided"
    FULLY_REFUNDED = "fully_refunded"
    FOREIGN_CURRENCY = "foreign_currency"
    UNATTRIBUTED = "unattributed"
    ERASED = "erased"


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


class ChosenMarketing(StrEnum):
    """What a person has chosen about offers by e-mail."""

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    NON_SUBSCRIBED = "non_subscribed"


class Marketing(StrEnum):
    """What counts for a customer: the person's choice or what the address has said, whichever is stricter.

    `cleaned` is a customer whose address takes no mail.
    """

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    NON_SUBSCRIBED = "non_subscribed"
    CLEANED = "cleaned"


class ConsentWeight(StrEnum):
    """What a statement about a person's choice weighs, the least first; of equal ones the later counts.

    A hint came with an order; a dated statement with an import, with the time of the choice; an explicit one was made
    by request, by the person's own link or by the shop's consent event.
    """

    HINT = "hint"
    DATED = "dated"
    EXPLICIT = "explicit"


class ImportOf(StrEnum):
    """What the rows of an imported file are about."""

    ORDERS = "orders"
    CUSTOMERS = "customers"


class SuppressionReason(StrEnum):
    """What an address has said: its owner has left or complained, or it is dead and takes no mail."""

    LEFT = "left"
    COMPLAINED = "complained"
    DEAD = "dead"


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


class FileFormat(StrEnum):
    """What a file of orders is, whatever it is packed in."""

    CSV = "csv"
    NDJSON = "ndjson"
    XLSX = "xlsx"


class LayoutName(StrEnum):
    """The files of other programs that can be imported as they are."""

    SHOPIFY_ORDERS = "shopify_orders"
    WOOCOMMERCE_ORDERS = "woocommerce_orders"
    WOOCOMMERCE_ANALYTICS = "woocommerce_analytics"
    SQUARESPACE = "squarespace"
    BIGCOMMERCE = "bigcommerce"
    MAGENTO = "magento"
    PRESTASHOP = "prestashop"
    ETSY = "etsy"
    SQUARE = "square"
    STRIPE_PAYMENTS = "stripe_payments"
    PAYPAL = "paypal"
