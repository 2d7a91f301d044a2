"""Composing a mail: a message with its sender, address, footer and links, which are known when it is sent."""

from dataclasses import dataclass

from app.mail.contract import Address, Mail
from app.messages.consent.unsubscribe_token import Recipient, token
from app.messages.identity import Identity
from app.messages.queue_statements import DueMessage, LockedRecipient
from app.vocabulary import MessageKind
from app.wire.ids import public_id
from app.words import Language


@dataclass(frozen=True, slots=True)
class Site:
    """Where this service is reached from outside, `https://…` without a slash at the end."""

    url: str

    def unsubscribe_url(self, secret: bytes, recipient: Recipient) -> str:
        """The link that stands in every marketing mail."""
        return f"{self.url}/unsubscribe/{token(secret, recipient)}"


def reference(account_id: int, message: int) -> str:
    """The name of a message at providers."""
    return f"{public_id('acc', account_id)}.{public_id('msg', message)}"


def unsubscribe_link(
    account_id: int, message: DueMessage, recipient: LockedRecipient, secret: bytes, site: Site
) -> str | None:
    """The link of a marketing message; `secret` is the account's."""
    if message.kind != MessageKind.MARKETING:
        return None
    return site.unsubscribe_url(secret, Recipient(account_id, recipient.id, message.id))


def compose_mail(
    account_id: int, message: DueMessage, recipient: LockedRecipient, sender: Identity, link: str | None
) -> Mail:
    """The mail of a message, complete; `link` is that to unsubscribe."""
    footer = sender.footer(Language(message.language), link)
    return Mail(
        reference=reference(account_id, message.id),
        message_id=message.message_id,
        date=message.created_at,
        sender=Address(sender.email, sender.name),
        reply_to=sender.reply_to,
        recipient=Address(recipient.email or "", recipient.name or ""),
        subject=message.subject,
        text=footer.below_text(message.text),
        html=None if message.html is None else footer.below_html(message.html),
        unsubscribe_url=link,
    )
