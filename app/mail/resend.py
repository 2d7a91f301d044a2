"""Resend: mails and feedback of resend.com.

A request that is repeated with the same Idempotency-Key within 24 hours gets the first answer again and sends
nothing.
"""

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from app.mail.addressing import MailAddresses, addresses_of, named, readable
from app.mail.contract import Accepted, Deferred, Feedback, ForgedFeedback, Mail, Misconfigured, Outcome, Report
from app.mail.http_provider import JsonObject, Provider, ProviderAnswer, answer_code, refusal, retry_after, unreadable
from app.mail.webhooks import feedback_about, header, object_in, parsed
from app.problems import UnreadableBody
from app.wire.text import fit_for_header
from app.words import Sentence

ENDPOINT = "https://api.resend.com"

BAD_SENDER = {"invalid_from_address", "invalid_access"}
BAD_FIELD, SENDER_FIELDS = "validation_error", ("`from`", "`reply_to`")
STILL_AT_IT = "concurrent_idempotent_requests"


class Resend:
    """An account of Resend, with at most `concurrency` connections at a time."""

    def __init__(self, key: str, *, concurrency: int, endpoint: str = ENDPOINT) -> None:
        self._provider = Provider(endpoint, concurrency=concurrency, headers={"Authorization": f"Bearer {key}"})

    async def send(self, mail: Mail) -> Outcome:
        """Hand over one mail."""
        addressed = addresses_of(mail)
        if not isinstance(addressed, MailAddresses):
            return addressed
        again = {"Idempotency-Key": mail.identity}
        answer = await self._provider.post("/emails", _message(mail, addressed), again)
        return _outcome(answer) if isinstance(answer, ProviderAnswer) else answer

    async def close(self) -> None:
        """Close its connections."""
        await self._provider.close()


def _message(mail: Mail, addressed: MailAddresses) -> JsonObject:
    headers = {"Message-ID": mail.message_id, **mail.unsubscribe_headers}
    return {
        "from": named(mail.sender.name, addressed.sender),
        "to": [named(mail.recipient.name, addressed.recipient)],
        **({"reply_to": addressed.reply_to} if addressed.reply_to else {}),
        "subject": fit_for_header(mail.subject),
        "text": mail.text,
        **({} if mail.html is None else {"html": mail.html}),
        "headers": {name: fit_for_header(value) for name, value in headers.items()},
        "tags": [{"name": "reference", "value": _tag(mail.reference)}],
    }


def _tag(reference: str) -> str:
    """Tags take letters, digits, `_` and `-` only."""
    return reference.replace(".", "-")


def _reference(tag: object) -> str:
    return tag.replace("-", ".") if isinstance(tag, str) else ""


def _outcome(answer: ProviderAnswer) -> Outcome:
    identity = answer.fields.get("id")
    if answer.is_good:
        return Accepted(readable(identity)) if isinstance(identity, str) else unreadable(answer)
    name, detail = readable(answer.fields.get("name") or ""), readable(answer.fields.get("message") or "")
    code = answer_code(answer, name)
    if name == STILL_AT_IT:
        return Deferred(code, detail, retry_after(answer.headers))
    if name in BAD_SENDER or (name == BAD_FIELD and any(field in detail for field in SENDER_FIELDS)):
        return Misconfigured(code, detail)
    return refusal(answer, detail, name, of_address=name == BAD_FIELD and "`to`" in detail)


def feedback(report: Report, secret: str) -> list[Feedback]:
    """Read a webhook request; `secret` is `whsec_…`. Each attempt has a new signature, valid for five minutes."""
    signed = {f"webhook-{part}": header(report, f"svix-{part}") for part in ("id", "timestamp", "signature")}
    try:
        Webhook(secret).verify(report.body, signed, json_parse=False)
    except (WebhookVerificationError, EmptyWebhookSecretError, ValueError):
        raise ForgedFeedback from None
    record = parsed(report.body)
    if not isinstance(record, dict):
        raise UnreadableBody(Sentence("The report is signed, but it is not a JSON object."))
    return _event_feedback(record, object_in(record, "data"))


def _event_feedback(record: JsonObject, mail: JsonObject) -> list[Feedback]:
    reference = _reference(_tags(mail).get("reference"))
    match record.get("type"):
        case "email.delivered":
            return feedback_about(reference, "delivered")
        case "email.bounced":
            return feedback_about(reference, "bounced", permanent=object_in(mail, "bounce").get("type") == "Permanent")
        case "email.suppressed":
            return feedback_about(reference, "bounced", permanent=True)
        case "email.failed":
            return feedback_about(reference, "bounced")
        case "email.complained":
            return feedback_about(reference, "complained")
        case _:
            return []


def _tags(mail: JsonObject) -> JsonObject:
    """The tags come back as an object, or as the list that they were sent as."""
    tags = mail.get("tags")
    if isinstance(tags, list):
        return {str(tag.get("name")): tag.get("value") for tag in tags if isinstance(tag, dict)}
    return object_in(mail, "tags")
