"""Composing a mail: a message with what is only known when it is sent: sender, address, footer, links."""

from dataclasses import dataclass
from typing import Any

from app.mail.contract import Address, Mail
from app.messages.consent.unsubscribe_token import Recipient, token
from app.messages.writing.footer import Footer
from app.messages.writing.footer import Sender as Signature
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
    """What a message is called at providers."""
    return f"{public_id('acc', account_id)}.{public_id('msg', message)}"


def composed(account_id: int, message: Any, person: Any, sender: Any, site: Site) -> Mail:  # noqa: ANN401 - rows of outbox
    """The mail of a message, complete."""
    link = None
    if message.kind == "marketing":
        link = site.unsubscribe_url(sender.cursor_secret, Recipient(account_id, person.id, message.id))
    footer = Footer(Signature(sender.name, sender.postal_address), Language(message.language), link)
    return Mail(
        reference=reference(account_id, message.id),
        message_id=message.message_id,
        date=message.created_at,
        sender=Address(sender.email, sender.name),
        reply_to=sender.reply_to,
        recipient=Address(person.email, person.name or ""),
        subject=message.subject,
        text=footer.below_text(message.text),
        html=None if message.html is None else footer.below_html(message.html),
        unsubscribe_url=link,
    )
