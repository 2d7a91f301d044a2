"""MIME: a mail as the bytes that SMTP carries and a Maildir keeps.

Written here and not by `email.message.EmailMessage`: that one decodes words such as
`=?utf-8?q?=0ABcc:…?=` in a subject, on Python 3.11 into a header of its own, and takes a
millisecond a mail. Every line is ASCII, of at most 998 characters and ended by CR LF, but for
addresses whose local part is not ASCII. The same mail gives the same bytes.
"""

import binascii
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC
from email.utils import format_datetime
from urllib.parse import quote

from app.mail.addressing import MailAddresses, addresses_of
from app.mail.contract import Address, Mail, Misconfigured, Refused
from app.wire.text import ENCODED_WORD, on_one_line

LONGEST_LINE = 998
COMFORTABLE_LINE = 76
ENCODED_BYTES = 45
"""As many as become an encoded word of at most 75 characters."""
LINE_ENDS = re.compile("\r\n|\r|\n")
NOT_PLAIN = re.compile("[^\t\r\n\x20-\x7e]")
HIDDEN = re.compile("[^\x21-\x7e]+")
VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "<>")


def written(mail: Mail) -> tuple[MailAddresses, bytes] | Refused | Misconfigured:
    """The mail with its addresses_of, or why it cannot be written to anybody."""
    addressed = addresses_of(mail)
    if not isinstance(addressed, MailAddresses):
        return addressed
    headers = "\r\n".join(_headers(mail, addressed))
    if any(len(line) > LONGEST_LINE for line in headers.split("\r\n")):
        return Refused("long_header", "A header of the mail is longer than 998 characters.")
    return addressed, "\r\n".join([headers, *_content(mail)]).encode()


def _headers(mail: Mail, addressed: MailAddresses) -> list[str]:
    return [
        f"From: {_mailbox(mail.sender, addressed.sender)}",
        f"To: {_mailbox(mail.recipient, addressed.recipient)}",
        *([f"Reply-To: <{addressed.reply_to}>"] if addressed.reply_to else []),
        f"Subject: {_unstructured(mail.subject)}",
        f"Date: {format_datetime(mail.date.astimezone(UTC))}",
        f"Message-ID: {HIDDEN.sub('', mail.message_id)}",
        *(f"{name}: {_on_one_line(value)}" for name, value in mail.unsubscribe_headers.items()),
        "MIME-Version: 1.0",
    ]


def _on_one_line(value: str) -> str:
    """A URL in angle brackets is never folded: many readers would take half of it."""
    return f"<{quote(value[1:-1], safe=VISIBLE, errors='replace')}>" if value.startswith("<") else value


def _mailbox(address: Address, email: str) -> str:
    name = on_one_line(address.name).strip()
    if not name:
        return f"<{email}>"
    if name.isascii() and ENCODED_WORD not in name and len(name) <= COMFORTABLE_LINE:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}"\r\n <{email}>'
    return f"{_encoded_words(name)}\r\n <{email}>"


def _unstructured(text: str) -> str:
    clean = on_one_line(text)
    simple = clean.isascii() and ENCODED_WORD not in clean and clean == clean.strip()
    return clean if simple and len(clean) <= COMFORTABLE_LINE else _encoded_words(clean)


def _encoded_words(text: str) -> str:
    """RFC 2047: each word is whole characters, so that it can be read alone."""
    words: list[bytes] = []
    word = b""
    for character in text:
        encoded = character.encode()
        if len(word) + len(encoded) > ENCODED_BYTES:
            words.append(word)
            word = b""
        word += encoded
    words.append(word)
    return "\r\n ".join(f"=?utf-8?b?{binascii.b2a_base64(each, newline=False).decode()}?=" for each in words)


def _content(mail: Mail) -> Iterator[str]:
    """The rest of the headers, an empty line, and the bodies; the last line is ended."""
    if mail.html is None:
        yield from _part("plain", mail.text)
        return
    # A text cannot hold its own hash, so no text can hold the boundary.
    whole = repr((mail.message_id, mail.text, mail.html)).encode("utf-8", "replace")
    boundary = f"=_{hashlib.sha256(whole).hexdigest()[:32]}"
    yield f'Content-Type: multipart/alternative; boundary="{boundary}"'
    yield ""
    for kind, text in (("plain", mail.text), ("html", mail.html)):
        yield f"--{boundary}"
        yield from _part(kind, text)
    yield f"--{boundary}--"
    yield ""


def _part(kind: str, text: str) -> Iterator[str]:
    yield f"Content-Type: text/{kind}; charset=utf-8"
    lines = LINE_ENDS.sub("\r\n", text)
    octets = lines.encode("utf-8", "replace")
    foreign = len(octets) - len(lines)
    if not octets.endswith(b"\r\n"):
        octets += b"\r\n"
    if lines.isascii() and not NOT_PLAIN.search(lines) and max(map(len, octets.split(b"\r\n"))) <= LONGEST_LINE:
        encoding, body = "7bit", octets
    elif foreign * 5 > len(octets):  # mostly not ASCII: quoted-printable would treble it
        encoding, body = "base64", binascii.b2a_base64(octets, newline=False)
        body = b"\r\n".join(body[at : at + 76] for at in range(0, len(body), 76)) + b"\r\n"
    else:
        encoding, body = "quoted-printable", binascii.b2a_qp(octets, istext=True)
    yield f"Content-Transfer-Encoding: {encoding}"
    yield ""
    yield body.decode("ascii")
