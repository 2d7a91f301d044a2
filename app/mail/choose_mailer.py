"""Choosing a mailer: from the URL in the settings to the way that mails are handed over.

    maildir:var/mail            maildir:///srv/mail
    smtp://relay.example        smtp+starttls://user:password@relay.example    smtps://…
    postmark://TOKEN            ?stream=broadcast
    sendgrid://KEY              mailchimp://KEY               resend://KEY

Reserved characters in user, password, token and path are percent-encoded. SMTP takes `?ca=FILE`,
a certificate authority of your own, and `?answer_seconds=600`, how long the server may take to answer.
The providers take `?endpoint=https://…`; SendGrid's European service is chosen there. Errors never
repeat the URL: it holds a secret.
"""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from app.mail import mailchimp, postmark, resend, sendgrid
from app.mail.contract import Mailer
from app.mail.maildir import Maildir
from app.mail.smtp import Relay, Security, Smtp
from app.mail.webhooks import FeedbackReader

PORTS = {Security.NONE: 25, Security.STARTTLS: 587, Security.TLS: 465}
PROVIDERS: dict[str, Callable[..., Mailer]] = {
    "postmark": postmark.Postmark,
    "sendgrid": sendgrid.SendGrid,
    "mailchimp": mailchimp.Mailchimp,
    "resend": resend.Resend,
}
READERS: dict[str, FeedbackReader] = {
    "postmark": postmark.feedback,
    "sendgrid": sendgrid.feedback,
    "mailchimp": mailchimp.feedback,
    "resend": resend.feedback,
}
SCHEMES = ("maildir", *Security, *PROVIDERS)
LONGEST_ANSWER_SECONDS = 3600


def open_mailer(url: str, *, concurrency: int) -> Mailer:
    """The mailer of this URL, with at most `concurrency` connections; ValueError when it is not a mail URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("must be a URL whose user and password are percent-encoded") from None
    if parts.scheme not in SCHEMES:
        raise ValueError(f"must begin with one of {', '.join(f'{scheme}:' for scheme in SCHEMES)}")
    if parts.fragment or "#" in url:
        raise ValueError("must be a URL in which # is written %23")
    if parts.scheme == "maildir":
        return Maildir(_folder(parts))
    if parts.path not in {"", "/"}:
        raise ValueError("must be a URL in which / is written %2F")
    if parts.scheme in PROVIDERS:
        return _provider(parts, concurrency)
    return _smtp(parts, concurrency)


def feedback_reader(provider: str) -> FeedbackReader | None:
    """The reader of this provider's feedback (`postmark`); None when it sends no feedback."""
    return READERS.get(provider)


SECRET_FORMS = {
    "postmark": (re.compile(r"[^:\s]+:\S+"), "must be user:password, as in the webhook's URL"),
    "sendgrid": (re.compile(r"[A-Za-z0-9+/]{40,}={0,2}"), "must be the public key that SendGrid shows, in Base64"),
    "mailchimp": (re.compile(r"\S{8,}"), "must be the webhook's key"),
    "resend": (re.compile(r"whsec_[A-Za-z0-9+/]{16,}={0,2}"), "must begin with whsec_"),
}
"""The form of a webhook's secret at each provider, and what to say of another one."""


def check_secret(provider: str, secret: str) -> None:
    """ValueError when this cannot be the secret of the provider's webhook; the secret is not repeated."""
    form, otherwise = SECRET_FORMS[provider]
    if not form.fullmatch(secret):
        raise ValueError(otherwise)


def _folder(parts: SplitResult) -> Path:
    path = unquote(parts.path)
    if parts.netloc or parts.query or not path.strip("/") or "\0" in path:
        raise ValueError("must be maildir:folder or maildir:///folder")
    return Path(path)


def _provider(parts: SplitResult, concurrency: int) -> Mailer:
    token = unquote(parts.netloc)
    if not token.isascii() or not token.isprintable() or " " in token or not token:
        raise ValueError(f"must be {parts.scheme}://KEY with the key that the provider has given")
    options = _options(parts, {"endpoint", "stream"} if parts.scheme == "postmark" else {"endpoint"})
    endpoint = options.get("endpoint")
    if endpoint is not None and not is_private(endpoint):
        raise ValueError("must have an endpoint that begins with https://")
    return PROVIDERS[parts.scheme](token, concurrency=concurrency, **options)


def _smtp(parts: SplitResult, concurrency: int) -> Mailer:
    security = Security(parts.scheme)
    options = _options(parts, {"ca", "answer_seconds"})
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("must be a URL with a port between 1 and 65535") from None
    if not host:
        raise ValueError("must name the host of the mail server")
    login = None
    if parts.username is not None or parts.password is not None:
        login = unquote(parts.username or ""), unquote(parts.password or "")
        if security is Security.NONE and not _is_loopback(host):
            raise ValueError("must begin with smtp+starttls:// or smtps://, for a password is never sent in clear")
    ca_file = options.get("ca")
    if ca_file is not None and security is Security.NONE:
        raise ValueError("must begin with smtp+starttls:// or smtps:// where it has a ca")
    seconds = options.get("answer_seconds", "600")
    if not (seconds.isascii() and seconds.isdigit() and 1 <= int(seconds[:9]) <= LONGEST_ANSWER_SECONDS):
        raise ValueError("must have answer_seconds between 1 and 3600")
    relay = Relay(host, port or PORTS[security], security, login, ca_file, float(seconds))
    try:
        return Smtp(relay, concurrency=concurrency)
    except OSError:
        raise ValueError("must have a ca that is a readable file of certificates") from None


def _options(parts: SplitResult, known: set[str]) -> dict[str, str]:
    """The parameters after the question mark; an unknown name is not repeated: it may be part of a password."""
    options = parse_qsl(parts.query, keep_blank_values=True)
    if len({name for name, _ in options}) < len(options) or not {name for name, _ in options} <= known:
        names = " and ".join(f"{name}=" for name in sorted(known))
        raise ValueError(f"must be a URL in which ? is written %3F; behind it only {names} is known")
    return dict(options)


def is_private(url: str) -> bool:
    """Whether nobody on the way can read along: https, or a service on this machine."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
