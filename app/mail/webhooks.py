"""Webhooks: what the readers of all providers' feedback have in common.

A report is read only when its signature is right. Feedback is idempotent and a message's status only moves forward,
so a report that comes twice changes nothing.
"""

import hmac
import json
from collections.abc import Callable
from typing import Any

from app.mail.contract import Event, Feedback, Report, referenced
from app.problems import UnreadableBody
from app.words import Sentence

FeedbackReader = Callable[[Report, str], list[Feedback]]
"""Reads a report, checked with the webhook's secret; ForgedFeedback when the signature is missing or wrong."""


def header(report: Report, name: str) -> str:
    """A header by its name, whatever its case; empty where there is none."""
    wanted = name.lower()
    return next((value for each, value in report.headers.items() if each.lower() == wanted), "")


def is_equal(given: str, expected: bytes) -> bool:
    """Whether both are the same, compared in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected)


def parsed(body: bytes | str) -> Any:  # noqa: ANN401 - whatever JSON says
    """The JSON of a report that is signed."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableBody(Sentence("The report is signed, but it is not JSON.")) from None


def events(body: bytes | str) -> list[dict[str, Any]]:
    """The events of a report that is a list of them."""
    found = parsed(body)
    if not isinstance(found, list):
        raise UnreadableBody(Sentence("The report is signed, but it is not a list of events."))
    return [event for event in found if isinstance(event, dict)]


def object_in(parent: dict[str, Any], name: str) -> dict[str, Any]:
    """An object inside another; an empty one where there is none."""
    found = parent.get(name)
    return found if isinstance(found, dict) else {}


def feedback_about(
    reference: object,
    event: Event,
    *,
    permanent: bool = False,
) -> list[Feedback]:
    """One piece of feedback; none for a mail that is not ours."""
    found = referenced(reference) if isinstance(reference, str) else None
    return [] if found is None else [Feedback(*found, event, permanent)]
