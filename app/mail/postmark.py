"""Postmark: mails and feedback of postmarkapp.com.

It does not sign its webhook requests: the URL that it is given holds a user and a password, which it sends as HTTP
Basic credentials.
"""

import base64
import binascii
import hmac
import re

from app.mail.addressing import MailAddresses, addresses_of, named, readable
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
from app.mail.webhooks import feedback_about, header, object_in, parsed
from app.problems import UnreadableBody
from app.wire.text import fit_for_header
from app.words import Sentence

ENDPOINT = "https://api.postmarkapp.com"
STREAM = "outbound"

MAINTENANCE, INVALID_REQUEST, INACTIVE_RECIPIENT, RATE_LIMIT = 100, 300, 406, 429
SETTINGS_CODES = {10, 400, 401, 405, 412, 413, *range(500, 515), *range(1220, 1240)}
"""The token, the sender's signature, the credits, the account, the message stream."""
FIELD = re.compile(r"[^']*'(\w+)'")
"""Postmark's error text: only the first quotation is its own word; a customer's name may follow."""
SENDER_FIELDS = {"From", "ReplyTo"}

LEFT_BY_A_LINK = "ManualSuppression"
"""Sent for broadcast streams, where Postmark adds its own unsubscribe link; bounces have their own events."""
PERMANENT_BOUNCES = {"HardBounce", "BadEmailAddress", "ManuallyDeactivated"}
OTHER_BOUNCES = {
    "Blocked",
    "DMARCPolicy",
    "DnsError",
    "SMTPApiError",
    "SoftBounce",
    "SpamNotification",
    "Unknown",
    "VirusNotification",
}
"""Types in neither set are about delays, automatic answers and subscriptions."""


class Postmark:
    """A server of Postmark, with at most `concurrency` connections at a time."""

    def __init__(self, token: str, *, concurrency: int, endpoint: str = ENDPOINT, stream: str = STREAM) -> None:
        self._provider = Provider(endpoint, concurrency=concurrency, headers={"X-Postmark-Server-Token": token})
        self._stream = stream

    async def send(self, mail: Mail) -> Outcome:
        """Hand over one mail."""
        addressed = addresses_of(mail)
        if not isinstance(addressed, MailAddresses):
            return addressed
        answer = await self._provider.post("/email", self._message(mail, addressed))
        return _outcome(answer) if isinstance(answer, ProviderAnswer) else answer

    async def close(self) -> None:
        """Close its connections."""
        await self._provider.close()

    def _message(self, mail: Mail, addressed: MailAddresses) -> JsonObject:
        # Without X-PM-KeepID the Message-ID is replaced.
        headers = {"Message-ID": mail.message_id, "X-PM-KeepID": "true", **mail.unsubscribe_headers}
        return {
            "From": named(mail.sender.name, addressed.sender),
            "To": named(mail.recipient.name, addressed.recipient),
            **({"ReplyTo": addressed.reply_to} if addressed.reply_to else {}),
            "Subject": fit_for_header(mail.subject),
            "TextBody": mail.text,
            **({} if mail.html is None else {"HtmlBody": mail.html}),
            "MessageStream": self._stream,
            "Headers": [{"Name": name, "Value": fit_for_header(value)} for name, value in headers.items()],
            "Metadata": {"reference": mail.reference},
        }


def _outcome(answer: ProviderAnswer) -> Outcome:
    error, detail = answer.fields.get("ErrorCode"), answer.fields.get("Message", "")
    if answer.is_good and error == 0:
        return Accepted(readable(answer.fields.get("MessageID") or "") or None)
    if not isinstance(error, int):
        return unreadable(answer) if answer.is_good else refusal(answer, detail)
    code = answer_code(answer, error)
    named_field = FIELD.match(str(detail)) if error == INVALID_REQUEST else None
    field = named_field[1] if named_field else ""
    of_address = error == INACTIVE_RECIPIENT or field == "To"
    if error in {MAINTENANCE, RATE_LIMIT}:
        return Deferred(code, readable(detail), retry_after(answer.headers))
    if error in SETTINGS_CODES or field in SENDER_FIELDS:
        return Misconfigured(code, readable(detail))
    if answer.is_good:
        return Refused(code, readable(detail), of_address=of_address)
    return refusal(answer, detail, error, of_address=of_address)


def feedback(report: Report, secret: str) -> list[Feedback]:
    """Read a webhook request; `secret` is `user:password`."""
    scheme, _, credentials = header(report, "Authorization").partition(" ")
    try:
        given = base64.b64decode(credentials.strip().encode("utf-8", "replace"), validate=True)
    except binascii.Error:
        raise ForgedFeedback from None
    expected = secret.encode("utf-8", "replace")
    if not secret or not hmac.compare_digest(given, expected) or scheme.lower() != "basic":
        raise ForgedFeedback
    record = parsed(report.body)
    if not isinstance(record, dict):
        raise UnreadableBody(Sentence("The report has the right password, but it is not a JSON object."))
    reference = object_in(record, "Metadata").get("reference")
    kind, bounce = record.get("RecordType"), record.get("Type")
    if kind == "Delivery":
        return feedback_about(reference, "delivered")
    if kind == "SpamComplaint" or (kind == "Bounce" and bounce == "SpamComplaint"):
        return feedback_about(reference, "complained")
    if kind == "SubscriptionChange" and record.get("SuppressionReason") == LEFT_BY_A_LINK:
        return feedback_about(reference, "unsubscribed")
    if kind == "Bounce" and isinstance(bounce, str) and bounce in PERMANENT_BOUNCES | OTHER_BOUNCES:
        return feedback_about(reference, "bounced", permanent=bounce in PERMANENT_BOUNCES)
    return []
