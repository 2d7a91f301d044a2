"""Mailing: the mailer, the delivery and the source of feedback that the settings describe."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

from app.accounts.sender_domains import DomainPolicy
from app.accounts.txt_records import DnsServer
from app.database.pools import Database
from app.mail.choose_mailer import check_secret, feedback_reader, is_private, open_mailer
from app.mail.contract import Mailer
from app.messages.open_routes import FeedbackSource
from app.messages.sending.claim_messages import SendingLimits
from app.messages.sending.compose_mail import Site
from app.messages.sending.deliver_messages import Delivery
from app.process_metrics import Metrics
from app.settings import Settings, SettingsError
from app.sources.data_requests import OperatorMailbox
from app.wire.instants import Clock

BURST_SECONDS = 5
"""Burst allowance of an account, in seconds of its normal rate."""


def url(settings: Settings) -> str:
    """MAIL_URL, by default a folder on this machine, so that nothing leaves it."""
    if settings.mail_url is not None:
        return settings.mail_url.get_secret_value()
    return f"maildir:{quote(str(settings.data_dir / 'mail'))}"


def scheme(settings: Settings) -> str:
    """The scheme of MAIL_URL in lower case: `maildir`, `smtps`, `postmark`."""
    return url(settings).partition(":")[0].lower()


def mailer(settings: Settings) -> Mailer:
    """The mailer of the settings; SettingsError tells what is wrong with MAIL_URL."""
    try:
        return open_mailer(url(settings), concurrency=settings.mail_concurrency)
    except ValueError as error:
        raise SettingsError(f"MAIL_URL: {error}") from None


def check(settings: Settings) -> None:
    """Refuse, before anything starts, a wrong MAIL_URL and a PUBLIC_URL that recipients cannot open."""
    mailer(settings)
    if settings.mail_webhook_secret is not None:
        _check_webhook_secret(scheme(settings), settings.mail_webhook_secret.get_secret_value())
    if scheme(settings) == "maildir":
        return
    if settings.public_url is None:
        raise SettingsError("PUBLIC_URL: must be the public address of this service, used in unsubscribe links")
    if not is_private(settings.public_url):  # RFC 8058
        raise SettingsError("PUBLIC_URL: must begin with https://, because mail programs unsubscribe over https only")


def _check_webhook_secret(provider: str, secret: str) -> None:
    if feedback_reader(provider) is None:
        raise SettingsError(f"MAIL_WEBHOOK_SECRET: {provider} sends no feedback; leave it out")
    try:
        check_secret(provider, secret)
    except ValueError as error:
        raise SettingsError(f"MAIL_WEBHOOK_SECRET: {error}") from None


def site(settings: Settings) -> Site:
    """The public address of this service."""
    return Site(settings.public_url or f"http://127.0.0.1:{settings.port}")


def domain_policy(settings: Settings) -> DomainPolicy:
    """Whether senders need verified domains; mails that become files of this machine do not."""
    must_be_verified = settings.sender_domains == "verified" and scheme(settings) != "maildir"
    host, port = settings.dns_server
    return DomainPolicy(must_be_verified, DnsServer(host, port))


def feedback_source(settings: Settings) -> FeedbackSource | None:
    """The provider that sends, when a secret is set that its feedback is signed with."""
    provider = scheme(settings)
    read = feedback_reader(provider)
    secret = settings.mail_webhook_secret
    return FeedbackSource(provider, read, secret.get_secret_value()) if read and secret else None


@asynccontextmanager
async def delivery(settings: Settings, database: Database, metrics: Metrics, clock: Clock) -> AsyncIterator[Delivery]:
    """What sends in this process; its connections are given back at the end."""
    rate = settings.mail_rate_per_second
    limits = SendingLimits(
        concurrency=settings.mail_concurrency,
        rate_per_second=rate,
        burst=max(1, round(rate * BURST_SECONDS)),
        lease_seconds=settings.mail_lease_seconds,
        domains_must_be_verified=domain_policy(settings).must_be_verified,
    )
    chosen = mailer(settings)
    try:
        yield Delivery(database, chosen, clock, limits, site(settings), metrics)
    finally:
        await chosen.close()


def operator_mailbox(settings: Settings, sending: Delivery) -> OperatorMailbox | None:
    """Where the operator reads, if anywhere; mails to the operator go the way of all others."""
    return OperatorMailbox(settings.operator_email, sending.mailer) if settings.operator_email else None
