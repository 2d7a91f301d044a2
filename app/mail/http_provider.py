"""HTTP provider: one request to a mail provider's API, and what the status of its answer means.

An answer has at most a megabyte, and redirects are never followed. Each mailer reads the bodies of its own provider.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import ceil
from typing import Any, cast

import httpx

from app.mail.addressing import readable
from app.mail.contract import Deferred, Misconfigured, Outcome, Refused

HTTP_CONNECT_SECONDS, HTTP_TOTAL_SECONDS = 5, 15
LONGEST_ANSWER = 1_000_000
LONGEST_ANSWER_CODE = 60
LONGEST_WAIT = 10**9

JsonObject = dict[str, Any]

SETTINGS_STATUSES = {401, 402, 403, 404, 405, 407}
"""Statuses about the token, the plan, the sender or the endpoint: every mail would get the same."""
GATEWAY_TIMEOUT = 504
TRANSIENT_STATUSES = {408, 425, 429}


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """What a provider has answered; `body` is None where it is not JSON."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def is_good(self) -> bool:
        """Whether the status is 2xx: what it means is in the body."""
        return httpx.codes.is_success(self.status)

    @property
    def fields(self) -> JsonObject:
        """The body's fields; none where it is not an object."""
        return cast("JsonObject", self.body) if isinstance(self.body, dict) else {}


class Provider:
    """Connections to one provider, at most `concurrency`."""

    def __init__(self, endpoint: str, *, concurrency: int, headers: Mapping[str, str] | None = None) -> None:
        limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency, keepalive_expiry=20)
        self._client = httpx.AsyncClient(
            base_url=endpoint,
            headers={"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})},
            timeout=httpx.Timeout(HTTP_TOTAL_SECONDS, connect=HTTP_CONNECT_SECONDS),
            limits=limits,
            follow_redirects=False,
            trust_env=False,
        )

    async def post(
        self, path: str, body: JsonObject, headers: Mapping[str, str] | None = None
    ) -> ProviderAnswer | Deferred:
        """The provider's answer; Deferred when there is none, `maybe_duplicate` once the request was on its way."""
        sent = _Sent()
        # A lone surrogate is valid in JSON, but not every provider can read it.
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        try:
            async with (
                asyncio.timeout(HTTP_TOTAL_SECONDS),
                self._client.stream(
                    "POST",
                    path,
                    content=content,
                    headers={"Content-Type": "application/json", **(headers or {})},
                    extensions={"trace": sent.notice},
                ) as response,
            ):
                return ProviderAnswer(response.status_code, response.headers, await _read(response))
        except (TimeoutError, httpx.TimeoutException):
            return Deferred("timeout", "The provider does not answer.", maybe_duplicate=sent.begun)
        except (httpx.HTTPError, OSError):
            return Deferred("disconnected", "The provider cannot be reached.", maybe_duplicate=sent.begun)

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()


@dataclass(slots=True)
class _Sent:
    """Whether sending the body has begun; before that the provider cannot have accepted the mail."""

    begun: bool = field(default=False)

    async def notice(self, event: str, _details: object) -> None:
        self.begun = self.begun or event.endswith("send_request_body.started")


async def _read(response: httpx.Response) -> Any:  # noqa: ANN401 - whatever JSON says
    content = b""
    async for part in response.aiter_raw():
        content += part
        if len(content) > LONGEST_ANSWER:
            return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def unreadable(answer: ProviderAnswer) -> Deferred:
    """The outcome of a 2xx with a body that is not the provider's: a proxy may have answered in its place."""
    detail = "The answer is not one of this provider."
    return Deferred(f"{answer.status} unreadable", detail, maybe_duplicate=True)


def answer_code(answer: ProviderAnswer, *words: object) -> str:
    """The status and the provider's own words for what went wrong, as a short code."""
    return " ".join(filter(None, [str(answer.status), *(readable(word) for word in words)]))[:LONGEST_ANSWER_CODE]


def refusal(answer: ProviderAnswer, detail: object, word: object = "", *, of_address: bool = False) -> Outcome:
    """What a status other than 2xx says, with the provider's own word for it."""
    code, detail_line = answer_code(answer, word), readable(detail)
    if answer.status in TRANSIENT_STATUSES or not httpx.codes.is_client_error(answer.status):  # 3xx is never followed
        ambiguous = answer.status == GATEWAY_TIMEOUT
        return Deferred(code, detail_line, retry_after(answer.headers), maybe_duplicate=ambiguous)
    if answer.status in SETTINGS_STATUSES:
        return Misconfigured(code, detail_line)
    return Refused(code, detail_line, of_address=of_address)


def retry_after(headers: Mapping[str, str]) -> int | None:
    """The seconds that Retry-After asks to wait, as a number or as a date; nothing where it is neither."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(int(value[:10]), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(value)
        until = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return min(max(ceil((until - datetime.now(UTC)).total_seconds()), 0), LONGEST_WAIT)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
