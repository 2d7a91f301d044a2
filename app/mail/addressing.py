"""Addressing: exactly one sender and one recipient of a mail, in the form that the wire takes.

Whatever the rows hold, nothing comes out of here that could name a second recipient or begin
another line.
"""

import re
from dataclasses import dataclass
from email.utils import parseaddr
from functools import lru_cache

import idna

from app.mail.contract import Mail, Misconfigured, Refused

BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
"""Control characters, and everything else that some reader of headers takes for the end of a line."""
ATOMS = re.compile(r"""[^\x00-\x20\x7f"(),.:;<>@\[\\\]]+(?:\.[^\x00-\x20\x7f"(),.:;<>@\[\\\]]+)*""")
HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
ENCODED_WORD = "=?"
LONGEST_LOCAL_PART, LONGEST_DOMAIN = 64, 253
LONGEST_DETAIL = 200
SOME_ADDRESS = re.compile(r"""[^\s<>"'`(),;:]+@[^\s<>"'`(),;:]+""")


class BadAddress(ValueError):  # noqa: N818 - it says what it is
    """No one e-mail address."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who a mail is from and to: one address each, the domains in ASCII."""

    sender: str
    recipient: str
    reply_to: str | None

    @property
    def needs_utf8(self) -> bool:
        """Whether only a server with SMTPUTF8 can take it: someone's local part is not ASCII."""
        return not (self.sender.isascii() and self.recipient.isascii() and (self.reply_to or "").isascii())


def envelope(mail: Mail) -> Envelope | Refused | Misconfigured:
    """Who the mail is from and to, or why it can go to nobody."""
    try:
        sender = deliverable(mail.sender.email)
        reply_to = None if mail.reply_to is None else deliverable(mail.reply_to)
    except BadAddress:
        return Misconfigured("bad_sender", "The sender or the address for replies is not one e-mail address.")
    try:
        return Envelope(sender, deliverable(mail.recipient.email), reply_to)
    except BadAddress:
        return Refused("bad_address", "The customer's address is not one e-mail address.", of_address=True)


def deliverable(email: str) -> str:
    """The address with its domain in ASCII (IDNA 2008); BadAddress when it is not exactly one.

    Quoted local parts, comments, address literals and encoded words are lawful somewhere, and refused.
    """
    local, _, domain = email.rpartition("@")
    if not ATOMS.fullmatch(local) or ENCODED_WORD in local or not local.isprintable():
        raise BadAddress
    if len(local.encode()) > LONGEST_LOCAL_PART or len(domain) > LONGEST_DOMAIN:
        raise BadAddress
    return f"{local}@{_ascii_domain(domain)}"


def is_another(reported: str, email: str | None) -> bool:
    """Whether a provider speaks of another address than this one; no when what it says cannot be read."""
    try:
        there = deliverable(parseaddr(reported)[1])
        return email is None or there.lower() != deliverable(email).lower()
    except BadAddress:
        return False


@lru_cache(maxsize=10_000)
def _ascii_domain(domain: str) -> str:
    host = domain.lower()
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except UnicodeError:  # of which IDNAError is one
            raise BadAddress from None
    if len(host) > LONGEST_DOMAIN or not HOST.fullmatch(host):
        raise BadAddress
    return host


def one_line(text: str) -> str:
    """Text that ends no header and that UTF-8 can hold."""
    return BREAKS.sub(" ", text).encode("utf-8", "replace").decode()


def undecodable(text: str) -> str:
    """One line that no reader decodes once more: for providers, who put it into headers themselves."""
    return one_line(text).replace(ENCODED_WORD, "= ?")


def named(name: str, email: str) -> str:
    """`"Name" <address>` for providers that read both from one text."""
    if not name.strip():
        return email
    quoted = undecodable(name).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{email}>'


def said(text: object) -> str:
    """What the other side said, one short line for people; addresses are left out, for it is kept and logged."""
    return SOME_ADDRESS.sub("(address)", " ".join(one_line(str(text)).split()))[:LONGEST_DETAIL]
