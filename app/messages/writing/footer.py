"""Footer: what the law requires below a message, in the language of its recipient.

Every message names its sender with a postal address; a marketing message also says why it was sent and how to
unsubscribe.
"""

from dataclasses import dataclass
from html import escape

from app.words import Language, in_language

REASON = "You are receiving this message because you agreed to receive offers from {sender}."
UNSUBSCRIBE = "Unsubscribe"
FOOTER_TEXTS = [REASON, UNSUBSCRIBE]


@dataclass(frozen=True, slots=True)
class Signature:
    """Who writes; the postal address may have several lines."""

    name: str
    postal_address: str


@dataclass(frozen=True, slots=True)
class Footer:
    """The footer of one message; without an `unsubscribe_url` it is that of a transactional one.

    The store may say in a sentence of its own why the message was sent.
    """

    sender: Signature
    language: Language
    unsubscribe_url: str | None = None
    consent_sentence: str | None = None

    def below_text(self, text: str) -> str:
        """The text with the footer below."""
        link = self.unsubscribe_url
        leave = [] if link is None else ["", self._reason(), f"{in_language(UNSUBSCRIBE, self.language)}: {link}"]
        return "\n".join([text.rstrip(), "", "—", self.sender.name, *self._address(), *leave, ""])

    def below_html(self, html: str) -> str:
        """The HTML in a box of its own, and the footer below; the HTML has to be clean, without open tags."""
        lines = "<br>".join(escape(line) for line in [self.sender.name, *self._address()])
        footer = f'<div lang="{self.language}" style="{STYLE}"><p>{lines}</p>{self._leave_html()}</div>'
        return f'<div style="{BOX_STYLE}">{html}</div>{footer}'

    def _leave_html(self) -> str:
        if self.unsubscribe_url is None:
            return ""
        label = escape(in_language(UNSUBSCRIBE, self.language))
        return f'<p>{escape(self._reason())}<br><a href="{escape(self.unsubscribe_url)}">{label}</a></p>'

    def _reason(self) -> str:
        return self.consent_sentence or in_language(REASON, self.language).format(sender=self.sender.name)

    def _address(self) -> list[str]:
        return [line for each in self.sender.postal_address.splitlines() if (line := each.strip())]


BOX_STYLE = "margin:0;overflow:hidden"
"""Keeps what floats or is too wide inside, so that nothing covers or moves the footer."""

STYLE = (
    "border-top:1px solid #cccccc;clear:both;color:#595959;font-family:sans-serif;font-size:13px;line-height:1.5;"
    "margin:24px auto 0;max-width:576px"
)
"""As wide as the 36em of our templates."""
