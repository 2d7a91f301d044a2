"""Contract: what a mailer is given, and the four outcomes that it returns.

A mailer knows nothing of the queue. The same mail may be handed over twice, after a crash or a lost answer; both
copies carry the same `message_id`, so that the receiver can recognise the second.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from app.problems import Problem


@dataclass(frozen=True, slots=True)
class Address:
    """An e-mail address and the name beside it, which may be empty."""

    email: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """One e-mail to one person, complete: footer and links are in its text already.

    `reference` names the message to providers (`acc_1.msg_42`), to find it again when they report a
    bounce. `message_id` is the header of that name, in angle brackets. With an
    `unsubscribe_url` the mail carries the headers of RFC 8058.
    """

    reference: str
    message_id: str
    date: datetime
    sender: Address
    reply_to: str | None
    recipient: Address
    subject: str
    text: str
    html: str | None
    unsubscribe_url: str | None = None

    @property
    def identity(self) -> str:
        """The same for every copy of a message, and for no other message, not even of another database."""
        return f"{self.reference}.{hashlib.sha256(self.message_id.encode('utf-8', 'replace')).hexdigest()[:32]}"

    @property
    def unsubscribe_headers(self) -> dict[str, str]:
        """The headers that let mail programs show a button to unsubscribe at once."""
        if self.unsubscribe_url is None:
            return {}
        return {
            "List-Unsubscribe": f"<{self.unsubscribe_url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }


# ---------------------------------------------------------------- outcomes


@dataclass(frozen=True, slots=True)
class Accepted:
    """Handed over; `provider_id` is what the provider calls it."""

    provider_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Refused for good; `of_address` when nothing can ever be sent to that address."""

    code: str
    detail: str
    of_address: bool = False


@dataclass(frozen=True, slots=True)
class Deferred:
    """Refused for now, to be tried again; not before `retry_after_seconds` when the provider named a time.

    `maybe_duplicate` when the mail was handed over but the answer was lost.
    """

    code: str
    detail: str
    retry_after_seconds: int | None = None
    maybe_duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """The login or the sender is refused: no mail of the account can go until somebody repairs it."""

    code: str
    detail: str


Outcome = Accepted | Refused | Deferred | Misconfigured
"""`code` is the provider's own (`550 5.1.1`, `429`) or a word of ours (`timeout`); `detail` is one line for people."""


class Mailer(Protocol):
    """A way to hand over mails; safe to be used by many tasks at once."""

    async def send(self, mail: Mail) -> Outcome:
        """Hand over one mail. Never raises for anything that the network or the provider does."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


# ---------------------------------------------------------------- feedback

Event = Literal["delivered", "bounced", "complained", "unsubscribed"]
"""What a provider reports about a mail; `unsubscribed` when the recipient used the provider's own link."""


class ForgedFeedback(Problem):
    """The signature of this report is missing or wrong: check MAIL_WEBHOOK_SECRET against the provider's settings."""

    slug = "forged-feedback"
    title = "The report is not signed by the provider"
    status = 401


@dataclass(frozen=True, slots=True)
class Report:
    """A provider's request to our webhook, as it came."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Feedback:
    """A provider's report about a mail after it was handed over.

    `account_id` and `message` (the row's id) are read from the mail's `reference`. A bounce that is not
    `permanent` says nothing about the address.
    """

    account_id: int
    message: int
    event: Event
    permanent: bool = False


def referenced(reference: str) -> tuple[int, int] | None:
    """The ids of account and message in a reference of ours; None for any other text."""
    account, dot, message = reference.partition(".")
    numbers = account.removeprefix("acc_"), message.removeprefix("msg_")
    if not dot or reference != f"acc_{numbers[0]}.msg_{numbers[1]}":
        return None
    if not all(number.isascii() and number.isdigit() and len(number) <= 18 for number in numbers):  # noqa: PLR2004
        return None
    return int(numbers[0]), int(numbers[1])
