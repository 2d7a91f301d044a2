"""Address word: what an account knows of a customer's e-mail address, as SQL.

An address is found by a keyed hash, which outlives the address: once a person is erased nothing else is left of it.
In every expression the account is `:account_id`.
"""

import hashlib

from app.vocabulary import Marketing, SuppressionReason


def address_hash(email: str) -> str:
    """SQL: the key of an address in `suppressions`; the secret keeps others from trying addresses out."""
    key = "(SELECT a.cursor_secret FROM accounts AS a WHERE a.id = :account_id)"
    return f"sha256({key} || convert_to('address:' || {email}, 'UTF8'))"


def hash_of_address(account_secret: bytes, email: str) -> bytes:
    """The same key, for statements that write: they are given it, so that every node of a cluster writes the same."""
    return hashlib.sha256(account_secret + b"address:" + email.encode()).digest()


def suppression_reason(email: str) -> str:
    """SQL: why the address must not be written to; NULL when nothing speaks against it."""
    return f"""(SELECT w.reason FROM suppressions AS w
            WHERE w.account_id = :account_id AND w.address_hash = {address_hash(email)})"""


def stricter_marketing(chosen: str, suppressed: str | None) -> str:
    """What counts for a customer: the person's choice, or what the address has said where that is stricter."""
    if suppressed is None:
        return chosen
    return Marketing.CLEANED if suppressed == SuppressionReason.DEAD else Marketing.UNSUBSCRIBED


def is_subscribed(chosen: str, suppressed: str | None) -> bool:
    """Whether the person has agreed to offers and nothing speaks against the address."""
    return stricter_marketing(chosen, suppressed) == Marketing.SUBSCRIBED


MESSAGEABLE = f"""(c.marketing = 'subscribed' AND c.email IS NOT NULL
        AND NOT EXISTS (SELECT FROM suppressions AS w
                        WHERE w.account_id = :account_id AND w.address_hash = {address_hash("c.email")}
                          AND w.reason IS NOT NULL))"""
"""SQL: whether offers may be sent to the customer `c`."""
