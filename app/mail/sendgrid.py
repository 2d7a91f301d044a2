"""SendGrid: mails and feedback of Twilio SendGrid."""

import base64
import time
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from app.mail.addressing import MailAddresses, addresses_of, readable
from app.mail.contract import Accepted, Deferred, Event, Feedback, ForgedFeedback, Mail, Misconfigured, Outcome, Report
from app.mail.http_provider import JsonObject, Provider, ProviderAnswer, answer_code, refusal, unreadable
from app.mail.webhooks import events, feedback_about, header
from app.wire.text import fit_for_header
from app.words import Sentence

ENDPOINT = "https://api.sendgrid.com"
ACCEPTED_STATUS, BAD_REQUEST = 202, 400
"""Any other 2xx means that the mail was checked and not sent."""
SENDER_FIELDS = ("from", "reply_to")

OLDEST_SECONDS, NEWEST_SECONDS = 25 * 3600, 300
"""SendGrid retries for 24 hours, possibly with the old signature, so it is accepted that long; replays do no harm."""
EVENTS: dict[str, Event] = {
    "delivered": "delivered",
    "spamreport": "complained",
    "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed",
}
"""Events that are understood by their name alone."""
DROPPED_FOR_GOOD = {"Bounced Address", "Invalid"}
DROPPED_AS_SPAM = {"Spam Reporting Address"}


class SendGrid:
    """An account of SendGrid, with at most `concurrency` connections at a time."""

    def __init__(self, key: str, *, concurrency: int, endpoint: str = ENDPOINT) -> None:
        self._provider = Provider(endpoint, concurrency=concurrency, headers={"Authorization": f"Bearer {key}"})

    async def send(self, mail: Mail) -> Outcome:
        """Hand over one mail."""
        addressed = addresses_of(mail)
        if not isinstance(addressed, MailAddresses):
            return addressed
        answer = await self._provider.post("/v3/mail/send", _message(mail, addressed))
        return _outcome(answer) if isinstance(answer, ProviderAnswer) else answer

    async def close(self) -> None:
        """Close its connections."""
        await self._provider.close()


def _message(mail: Mail, addressed: MailAddresses) -> JsonObject:
    headers = {"Message-ID": mail.message_id, **mail.unsubscribe_headers}
    return {
        "personalizations": [{"to": [_json_address(mail.recipient.name, addressed.recipient)]}],
        "from": _json_address(mail.sender.name, addressed.sender),
        **({"reply_to": {"email": addressed.reply_to}} if addressed.reply_to else {}),
        "subject": fit_for_header(mail.subject),
        "content": [
            {"type": "text/plain", "value": mail.text},
            *([] if mail.html is None else [{"type": "text/html", "value": mail.html}]),
        ],
        "headers": {name: fit_for_header(value) for name, value in headers.items()},
        "custom_args": {"reference": mail.reference},
    }


def _json_address(name: str, email: str) -> JsonObject:
    return {"email": email, **({"name": fit_for_header(name)} if name.strip() else {})}


def _outcome(answer: ProviderAnswer) -> Outcome:
    if answer.is_good:
        return (
            Accepted(readable(answer.headers.get("x-message-id", "")) or None)
            if answer.status == ACCEPTED_STATUS
            else unreadable(answer)
        )
    errors = answer.fields.get("errors")
    error = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    field = str(error.get("field") or "")
    if answer.status == BAD_REQUEST and field.startswith(SENDER_FIELDS):
        return Misconfigured(answer_code(answer, field), readable(error.get("message", "")))
    of_address = field.startswith("personalizations") and field.endswith(("to", "email"))
    outcome = refusal(answer, error.get("message", ""), field, of_address=of_address)
    if isinstance(outcome, Deferred) and outcome.retry_after_seconds is None:
        return Deferred(outcome.code, outcome.detail, _limit_ends(answer.headers), outcome.maybe_duplicate)
    return outcome


def _limit_ends(headers: Mapping[str, str]) -> int | None:
    """SendGrid tells when its limit ends in a header of its own, as a Unix time."""
    reset = headers.get("x-ratelimit-reset", "")
    if not (reset.isascii() and reset.isdigit() and len(reset) <= 12):  # noqa: PLR2004 - more digits are no time
        return None
    return max(int(reset) - int(time.time()), 0)


def feedback(report: Report, secret: str) -> list[Feedback]:
    """Read a webhook request; `secret` is the public key that SendGrid shows beside the webhook."""
    timestamp = header(report, "X-Twilio-Email-Event-Webhook-Timestamp")
    _verify(report, timestamp, header(report, "X-Twilio-Email-Event-Webhook-Signature"), secret)
    return [each for event in events(report.body) for each in _event_feedback(event)]


def _verify(report: Report, timestamp: str, signature: str, secret: str) -> None:
    try:
        key = load_der_public_key(base64.b64decode(secret))
        if not isinstance(key, EllipticCurvePublicKey):
            raise ForgedFeedback
        key.verify(base64.b64decode(signature), timestamp.encode() + report.body, ECDSA(SHA256()))
        age = time.time() - int(timestamp[:12])
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        raise ForgedFeedback from None
    if not -NEWEST_SECONDS <= age <= OLDEST_SECONDS:
        raise ForgedFeedback(Sentence("The report is signed, but too long ago: check the clocks."))


def _event_feedback(event: JsonObject) -> list[Feedback]:
    reference, reason = event.get("reference"), event.get("reason")
    match event.get("event"):
        case str(kind) if kind in EVENTS:
            return feedback_about(reference, EVENTS[kind])
        case "bounce":
            return feedback_about(reference, "bounced", permanent=event.get("type") == "bounce")
        case "dropped" if reason in DROPPED_AS_SPAM:
            return feedback_about(reference, "complained")
        case "dropped":
            return feedback_about(reference, "bounced", permanent=reason in DROPPED_FOR_GOOD)
        case _:
            return []
