"""Addresses: what counts as an e-mail address, from what is stored to what a mail can be sent to.

`normal_address` is the form that customers are known by; shops send much that no mail can reach, and
it is stored all the same. `deliverable` is exactly one address that a mail server takes.
`sender_address` is stricter still: every server must be able to answer to it.
"""

import re
import unicodedata
from functools import lru_cache

import idna
from email_validator import EmailNotValidError, validate_email

from app.invalid_values import InvalidValueError
from app.wire.text import ENCODED_WORD
from app.words import Sentence

ADDRESS = re.compile(r"[^\s@,;<>\x00-\x1f\x7f\ud800-\udfff]+@[^\s@,;<>\x00-\x1f\x7f\ud800-\udfff]+")
ATOMS = re.compile(r"""[^\x00-\x20\x7f"(),.:;<>@\[\\\]]+(?:\.[^\x00-\x20\x7f"(),.:;<>@\[\\\]]+)*""")
HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
ADDRESS_MASK = "***@***"
"""What is shown of an address behind its first character, to those who may not see it."""
ANY_ADDRESS = r"([^\s@]?)[^\s@]*@\S*"
"""A text that may be an address, and its first character; Python and PostgreSQL read this expression alike."""
LONGEST_LOCAL_PART, LONGEST_DOMAIN = 64, 253


class BadAddress(ValueError):  # noqa: N818 - it says what it is
    """Not exactly one e-mail address."""


def masked_addresses(text: str | None) -> str | None:
    """The text without the e-mail addresses in it: some customers have theirs for a name."""
    return None if text is None else re.sub(ANY_ADDRESS, rf"\1{ADDRESS_MASK}", text)


def masked_address(address: str | None) -> str | None:
    """The first character of an address: enough to tell that there is one, and for its owner to know it."""
    return None if address is None else address[:1] + ADDRESS_MASK


def normal_address(address: str) -> str:
    """The address as customers are known by it: trimmed, NFC, lower case, nothing folded."""
    address = unicodedata.normalize("NFC", address.strip()).lower()
    if not ADDRESS.fullmatch(address):
        raise InvalidValueError(Sentence("Give exactly one e-mail address."))
    return address


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


def sender_address(text: str) -> str:
    """An address that mail can be sent from and answered to, its domain as DNS writes it."""
    try:
        address = validate_email(text, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        raise InvalidValueError(Sentence("Give exactly one e-mail address.")) from None
    if address.ascii_email is None:
        raise InvalidValueError(Sentence("Use only ASCII characters before the @: not every mail server takes others."))
    return address.ascii_email


def domain_name(text: str) -> str:
    """A domain that mail can be sent from, as DNS writes it."""
    domain = text.strip().removesuffix(".")
    if "." not in domain or len(domain) > LONGEST_DOMAIN:
        raise InvalidValueError(Sentence("Give a domain such as shop.example."))
    try:
        return _ascii_domain(domain)
    except BadAddress:
        raise InvalidValueError(Sentence("Give a domain such as shop.example.")) from None
