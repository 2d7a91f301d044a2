"""Addressing: exactly one sender and one recipient of a mail, in the form that the wire takes.

Whatever the rows hold, nothing comes out of here that could name a second recipient or begin
another line.
"""

import re
from dataclasses import dataclass

from app.mail.contract import Mail, Misconfigured, Refused
from app.wire.addresses import BadAddress, deliverable
from app.wire.text import fit_for_header, on_one_line

LONGEST_READABLE = 200
SOME_ADDRESS = re.compile(r"""[^\s<>"'`(),;:]+@[^\s<>"'`(),;:]+""")


@dataclass(frozen=True, slots=True)
class MailAddresses:
    """Who a mail is from and to: one address each, the domains in ASCII."""

    sender: str
    recipient: str
    reply_to: str | None

    @property
    def needs_utf8(self) -> bool:
        """Whether only a server with SMTPUTF8 can take it: someone's local part is not ASCII."""
        return not (self.sender.isascii() and self.recipient.isascii() and (self.reply_to or "").isascii())


def addresses_of(mail: Mail) -> MailAddresses | Refused | Misconfigured:
    """Who the mail is from and to, or why it can go to nobody."""
    try:
        sender = deliverable(mail.sender.email)
        reply_to = None if mail.reply_to is None else deliverable(mail.reply_to)
    except BadAddress:
        return Misconfigured("bad_sender", "The sender or the address for replies is not one e-mail address.")
    try:
        return MailAddresses(sender, deliverable(mail.recipient.email), reply_to)
    except BadAddress:
        return Refused("bad_address", "The customer's address is not one e-mail address.", of_address=True)


def named(name: str, email: str) -> str:
    """`"Name" <address>` for providers that read both from one text."""
    if not name.strip():
        return email
    quoted = fit_for_header(name).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{email}>'


def readable(text: object) -> str:
    """A server's answer as one short line; addresses are left out, because the line is stored and logged."""
    return SOME_ADDRESS.sub("(address)", " ".join(on_one_line(str(text)).split()))[:LONGEST_READABLE]
