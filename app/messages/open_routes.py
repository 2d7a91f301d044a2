"""Open routes: unsubscribe links and the webhooks of mail providers, which carry a signature in place of an API key."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, Response

from app.accounts.guarded_route import OpenRoute, limit_body
from app.database.pools import Pools
from app.mail.contract import ForgedFeedback, Report
from app.mail.webhooks import FeedbackReader
from app.messages.apply_feedback import apply_feedback
from app.messages.consent import unsubscribe_page
from app.messages.consent.leave import leave, sender_of
from app.messages.sending.compose_mail import Site
from app.problems import BodyTooLarge, NotFound, ServiceUnavailable, UnreadableBody, documented, documented_page
from app.services import services_of
from app.wire.instants import Now
from app.words import Language, language_of

# No check of query parameters: scanners and click counters add their own to a link, which has to work all the same.
router = APIRouter(route_class=OpenRoute, tags=["recipients"])

LARGEST_FEEDBACK_BYTES = 8 * 1024 * 1024
"""Providers send events in batches: Mailchimp up to a thousand at a time, percent-encoded."""

Token = Annotated[
    str, Path(description="the token in the link of a message", json_schema_extra={"pattern": "^[A-Za-z0-9_-]{52}$"})
]
EXAMPLE_SENDER = "Shop Roma"
LINK_RESPONSES: dict[int | str, dict[str, Any]] = {
    404: {
        "description": "This service did not make the link",
        "content": {"text/html": {"schema": {"type": "string"}}},
        "headers": {"Content-Language": {}},
    },
    **documented(ServiceUnavailable),
}


@dataclass(frozen=True, slots=True)
class FeedbackSource:
    """The provider whose feedback is accepted, and how it is read."""

    provider: str
    read: FeedbackReader
    secret: str


class UnknownProvider(NotFound):
    """This service sends no mail through this provider, so it takes no feedback from it; the operator sets MAIL_URL."""

    slug = "unknown-provider"
    title = "No such mail provider"


def page(html: str, language: Language, status: int = 200) -> HTMLResponse:
    """One of the small pages behind the link."""
    headers = {"Content-Language": language, "Vary": "Accept-Language"}
    return HTMLResponse(html, status, headers | {"Content-Security-Policy": unsubscribe_page.PAGE_POLICY})


@router.get(
    "/unsubscribe/{token}",
    operation_id="showUnsubscribe",
    response_class=HTMLResponse,
    responses=LINK_RESPONSES | documented_page(unsubscribe_page.question(EXAMPLE_SENDER, Language.ENGLISH)),
)
async def show_unsubscribe(token: Token, request: Request, database: Pools) -> HTMLResponse:
    """Ask whether to unsubscribe; this changes nothing, because programs open every link of a mail."""
    language = language_of(request.headers)
    sender = await sender_of(database, token)
    if sender is None:
        return page(unsubscribe_page.unknown_link(language), language, 404)
    return page(unsubscribe_page.question(sender, language), language)


@router.post(
    "/unsubscribe/{token}",
    operation_id="unsubscribe",
    response_class=HTMLResponse,
    responses=LINK_RESPONSES | documented_page(unsubscribe_page.farewell(EXAMPLE_SENDER, Language.ENGLISH)),
)
async def unsubscribe(token: Token, request: Request, database: Pools, now: Now) -> HTMLResponse:
    """Unsubscribe at once (RFC 8058), without login or question; a repeat changes nothing."""
    language = language_of(request.headers)
    sender = await leave(database, token, now)
    if sender is None:
        return page(unsubscribe_page.unknown_link(language), language, 404)
    return page(unsubscribe_page.farewell(sender, language), language)


@router.head("/webhooks/mail/{provider}", include_in_schema=False)
async def confirm_webhook(provider: str, request: Request) -> Response:
    """Answer the providers that check the address before they send anything."""
    source = services_of(request).find(FeedbackSource)
    return Response(status_code=204 if source is not None and provider == source.provider else 404)


@router.post(
    "/webhooks/mail/{provider}",
    status_code=204,
    operation_id="reportMail",
    responses=documented(ForgedFeedback, UnknownProvider, UnreadableBody, BodyTooLarge, ServiceUnavailable),
)
@limit_body(LARGEST_FEEDBACK_BYTES)
async def report_mail(provider: str, request: Request, database: Pools, now: Now) -> Response:
    """Take a provider's report of deliveries, bounces and complaints, in the provider's own form and signed by it.

    It is safe to repeat.
    """
    source = services_of(request).find(FeedbackSource)
    if source is None or provider != source.provider:
        raise UnknownProvider
    url = f"{services_of(request).get(Site).url}{request.url.path}"
    report = Report(url, request.headers, await request.body())
    await apply_feedback(database, source.read(report, source.secret), now)
    return Response(status_code=204)
