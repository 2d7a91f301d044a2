"""Identity: who a mail is from, which is the store of its recipient, or its account where the store does not say."""

from dataclasses import dataclass
from typing import Protocol

from app.messages.writing.footer import Footer, Signature
from app.words import Language


class AccountSender(Protocol):
    """The sender of an account; None where none is set."""

    @property
    def name(self) -> str | None:
        """Who writes."""

    @property
    def email(self) -> str | None:
        """The address in From."""

    @property
    def reply_to(self) -> str | None:
        """Where answers go, if not there."""

    @property
    def postal_address(self) -> str | None:
        """Where the sender is."""


class StoreSender(Protocol):
    """What a store says about itself; None where it says nothing."""

    @property
    def sender_name(self) -> str | None:
        """Who writes."""

    @property
    def sender_email(self) -> str | None:
        """The address in From."""

    @property
    def sender_reply_to(self) -> str | None:
        """Where answers go, if not there."""

    @property
    def postal_address(self) -> str | None:
        """Where the store is."""

    @property
    def consent_sentence(self) -> str | None:
        """Why customers get its offers."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who writes: complete, as every mail needs it."""

    name: str
    email: str
    reply_to: str | None
    postal_address: str
    consent_sentence: str | None = None

    @property
    def domain(self) -> str:
        """The domain of the address in From."""
        return self.email.rpartition("@")[2]

    def footer(self, language: Language, unsubscribe_url: str | None) -> Footer:
        """What stands below a message; without a link it is that of a transactional one."""
        return Footer(Signature(self.name, self.postal_address), language, unsubscribe_url, self.consent_sentence)


def identity_of(account: AccountSender, store: StoreSender) -> Identity | None:
    """Who a store's mails are from; None where neither the store nor its account says enough.

    Name, address and replies come from one of the two together; the postal address may come from the other.
    """
    name, email, reply_to = account.name, account.email, account.reply_to
    if store.sender_email is not None:
        name, email, reply_to = store.sender_name, store.sender_email, store.sender_reply_to
    postal_address = store.postal_address or account.postal_address
    if name is None or email is None or postal_address is None:
        return None
    return Identity(name, email, reply_to, postal_address, store.consent_sentence)
