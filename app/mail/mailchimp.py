"""Mailchimp: mails and feedback of Mailchimp Transactional, formerly Mandrill.

Its API answers 200 even when it refuses a mail, and 500 to most mistakes: the body tells what happened.
"""

import base64
import hashlib
import hmac
from urllib.parse import parse_qsl

from app.mail.addressing import MailAddresses, addresses_of, readable
from app.mail.contract import (
    Accepted,
    Deferred,
    Feedback,
    ForgedFeedback,
    Mail,
    Misconfigured,
    Outcome,
    Refused,
    Report,
)
from app.mail.http_provider import JsonObject, Provider, ProviderAnswer, answer_code, refusal, retry_after, unreadable
from app.mail.webhooks import events, feedback_about, header, is_equal, object_in
from app.problems import UnreadableBody
from app.wire.text import fit_for_header
from app.words import Sentence

ENDPOINT = "https://mandrillapp.com"

ACCEPTED_STATUSES = {"sent", "queued", "scheduled"}
UNREACHABLE = {"hard-bounce", "spam", "unsub", "custom", "invalid"}
"""Reasons about the address: it is on the account's rejection list, or it is not valid."""
SETTINGS_REASONS = {"invalid-sender", "unsigned", "test-mode-limit"}

ERRORS_OF_OUR_SETTINGS = {"Invalid_Key", "PaymentRequired", "Unknown_Subaccount", "PoorReputation"}
SENDER_FIELD = "from_email"
ERRORS_OF_THE_MAIL = {"ValidationError", "Invalid_Template", "Unknown_Template", "Metadata_FieldLimit"}

KEY_OF_THE_FIRST_TEST = "test-webhook"
"""The key that signs the empty list that is sent before a webhook has a key of its own."""
MOST_FIELDS = 10


class Mailchimp:
    """An account of Mailchimp Transactional, with at most `concurrency` connections at a time."""

    def __init__(self, key: str, *, concurrency: int, endpoint: str = ENDPOINT) -> None:
        self._provider = Provider(endpoint, concurrency=concurrency)
        self._key = key

    async def send(self, mail: Mail) -> Outcome:
        """Hand over one mail."""
        addressed = addresses_of(mail)
        if not isinstance(addressed, MailAddresses):
            return addressed
        body = {"key": self._key, "message": _message(mail, addressed), "async": False}
        answer = await self._provider.post("/api/1.0/messages/send.json", body)
        return _outcome(answer) if isinstance(answer, ProviderAnswer) else answer

    async def close(self) -> None:
        """Close its connections."""
        await self._provider.close()


def _message(mail: Mail, addressed: MailAddresses) -> JsonObject:
    headers = {"Message-ID": mail.message_id, **mail.unsubscribe_headers}
    if addressed.reply_to:
        headers["Reply-To"] = addressed.reply_to
    return {
        "from_email": addressed.sender,
        "from_name": fit_for_header(mail.sender.name),
        "to": [{"email": addressed.recipient, "name": fit_for_header(mail.recipient.name), "type": "to"}],
        "subject": fit_for_header(mail.subject),
        "text": mail.text,
        **({} if mail.html is None else {"html": mail.html}),
        "headers": {name: fit_for_header(value) for name, value in headers.items()},
        "metadata": {"reference": mail.reference},
    }


def _outcome(answer: ProviderAnswer) -> Outcome:
    if not answer.is_good:
        return _error_outcome(answer)
    result = answer.body[0] if isinstance(answer.body, list) and answer.body else None
    if not isinstance(result, dict) or not isinstance(result.get("status"), str):
        return unreadable(answer)
    status, reason = result["status"], readable(result.get("reject_reason") or "")
    if status in ACCEPTED_STATUSES:
        return Accepted(readable(result.get("_id") or "") or None)
    code = answer_code(answer, status, reason)
    if reason in SETTINGS_REASONS:
        return Misconfigured(code, f"Mailchimp refuses the sender: {reason}.")
    of_address = status == "invalid" or reason in UNREACHABLE
    return Refused(code, f"Mailchimp refuses the mail: {reason or readable(status)}.", of_address=of_address)


def _error_outcome(answer: ProviderAnswer) -> Outcome:
    name, detail = str(answer.fields.get("name") or ""), answer.fields.get("message", "")
    code = answer_code(answer, name)
    if name in ERRORS_OF_OUR_SETTINGS or (name in ERRORS_OF_THE_MAIL and SENDER_FIELD in str(detail)):
        return Misconfigured(code, readable(detail))
    if name in ERRORS_OF_THE_MAIL:
        return Refused(code, readable(detail))
    if name:
        return Deferred(code, readable(detail), retry_after(answer.headers))
    return refusal(answer, detail)


def feedback(report: Report, secret: str) -> list[Feedback]:
    """Read a webhook request; `secret` is the webhook's key, `report.url` the exact URL that Mailchimp was given."""
    try:
        form = parse_qsl(report.body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise ForgedFeedback from None
    signed = report.url + "".join(f"{name}{value}" for name, value in sorted(form))
    given = header(report, "X-Mandrill-Signature")
    listed = dict(form).get("mandrill_events", "")
    if listed == "[]" and is_equal(given, _signature(signed, KEY_OF_THE_FIRST_TEST)):
        return []
    if not secret or not is_equal(given, _signature(signed, secret)):
        raise ForgedFeedback
    if not listed:
        raise UnreadableBody(Sentence("The report is signed, but it has no mandrill_events."))
    return [each for event in events(listed) for each in _event_feedback(event)]


def _signature(signed: str, key: str) -> bytes:
    digest = hmac.digest(key.encode("utf-8", "replace"), signed.encode("utf-8", "replace"), hashlib.sha1)
    return base64.b64encode(digest)


def _event_feedback(event: JsonObject) -> list[Feedback]:
    mail = object_in(event, "msg")
    reference = object_in(mail, "metadata").get("reference")
    match event.get("event"):
        case "send" | "delivered":
            return feedback_about(reference, "delivered")
        case "hard_bounce":
            return feedback_about(reference, "bounced", permanent=True)
        case "soft_bounce" | "reject":
            return feedback_about(reference, "bounced")
        case "spam":
            return feedback_about(reference, "complained")
        case "unsub":
            return feedback_about(reference, "unsubscribed")
        case _:
            return []
