"""Guarded route: what a route's signature says is checked before the body is read, and documented.

A route names its permission, the rows in its path, its query and its body in its signature. From that follow
the order of the checks and the problems in the OpenAPI document. Only an `OpenRoute` names no permission.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from starlette.routing import Match

from app.accounts.access import (
    AccountClosed,
    InvalidToken,
    KeyRequired,
    Permission,
    PlanRequired,
    ScopeRequired,
    TokenExpired,
    TokenRefused,
)
from app.accounts.answer_once import KEY_HEADER, IdempotencyKeyRequired, IdempotencyKeyReused, RequestInProgress
from app.problems import (
    BodyTooLarge,
    BodyTooSlow,
    InvalidRequest,
    Problem,
    ServiceUnavailable,
    TooManyRequests,
    UnreadableBody,
    UnsupportedMediaType,
    invalid_fields,
)
from app.services import services_of
from app.wire.ids import PublicId
from app.wire.pages import InvalidCursor, PageQuery
from app.wire.strict_json import strict_json
from app.words import Sentence

LARGEST_BODY_BYTES = 1024 * 1024
BODY_SECONDS = 30
MOST_LENGTH_DIGITS = 18

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
BodyReceive = Callable[[], Awaitable[MutableMapping[str, Any]]]


def limit_body(most_bytes: int | None) -> Callable[[Endpoint], Endpoint]:
    """Mark a route that takes larger bodies than others; None means a stream, which the route itself limits."""

    def marked(endpoint: Endpoint) -> Endpoint:
        endpoint.most_body_bytes = most_bytes  # type: ignore[attr-defined]
        return endpoint

    return marked


@dataclass(frozen=True, slots=True)
class FixedPaths:
    """The paths without parameters of all routes of an application."""

    paths: frozenset[str]


class OpenRoute(APIRoute):
    """A route that anybody may call."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the limit on the body before the handler."""
        handler = super().get_route_handler()
        most_bytes: int | None = getattr(self.endpoint, "most_body_bytes", LARGEST_BODY_BYTES)

        async def limited(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, limited_receive(request, most_bytes)))

        return limited

    def matches(self, scope: Any) -> tuple[Match, Any]:  # noqa: ANN401 - Starlette's scope
        """Keeps fixed paths from being read as ids: `GET /messages/preview` is 405, not a message of that name."""
        match, child_scope = super().matches(scope)
        if match is Match.FULL and self.param_convertors:
            fixed = services_of(Request(scope)).get(FixedPaths)
            return (Match.NONE, {}) if scope["path"] in fixed.paths else (match, child_scope)
        return match, child_scope


class GuardedRoute(OpenRoute):
    """A route that checks the key before it reads the body, and that takes no body but JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the checks before the handler."""
        handler = super().get_route_handler()
        permission = permission_of(self.dependant)
        if permission is None:
            raise TypeError(f"{self.path} names no permission and is no OpenRoute")
        takes_json = self.body_field is not None
        known = query_names(self.dependant)
        needs_key = any(field.alias == KEY_HEADER and is_required for field, is_required in headers_of(self.dependant))

        async def guarded(request: Request) -> Response:
            await permission.admit(request)
            if needs_key and KEY_HEADER not in request.headers:
                raise IdempotencyKeyRequired
            if takes_json and not _is_plain_json(request):
                raise UnsupportedMediaType(Sentence("Send the body as Content-Type: application/json, not encoded."))
            refuse_unknown_or_repeated(request, known)
            return await handler(request)

        return guarded


class DirectRoute(GuardedRoute):
    """A hot route: its parameters are a query model, `request`, and dependencies that take the request alone.

    FastAPI documents it like any other route, but does not solve its dependencies: that would cost more than the
    endpoint.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the checks before the endpoint."""
        permission = permission_of(self.dependant)
        known = query_names(self.dependant)
        parameter = self.dependant.query_params[0].name
        model: type[BaseModel] = self.dependant.query_params[0].field_info.annotation  # type: ignore[assignment]
        dependencies: dict[str, Callable[[Request], Awaitable[object]]] = {
            str(each.name): each.call for each in self.dependant.dependencies if each.call is not None
        }
        if permission is None:
            raise TypeError(f"{self.path} names no permission")

        async def direct(request: Request) -> Response:
            await permission.admit(request)
            refuse_unknown_or_repeated(request, known)
            try:
                query = model.model_validate(dict(request.query_params))
            except ValidationError as invalid:
                errors = [{**error, "loc": ("query", *error["loc"])} for error in invalid.errors(include_url=False)]
                raise InvalidRequest(errors=invalid_fields(errors)) from None
            given = {name: await call(request) for name, call in dependencies.items()}
            answer: Response = await self.endpoint(**{parameter: query}, request=request, **given)
            return answer

        return direct


class DirectOpenRoute(OpenRoute):
    """A hot route that anybody may call; what its endpoint takes is of the path, or takes the request alone.

    As with DirectRoute, FastAPI documents it and does not solve its dependencies.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the limit on the body before the endpoint."""
        most_bytes: int | None = getattr(self.endpoint, "most_body_bytes", LARGEST_BODY_BYTES)
        reads: dict[str, Callable[[str], object]] = {
            field.name: next((each.read for each in field.field_info.metadata if isinstance(each, PublicId)), str)
            for field in self.dependant.path_params
        }
        dependencies: dict[str, Callable[[Request], Awaitable[object]]] = {
            str(each.name): each.call for each in self.dependant.dependencies if each.call is not None
        }

        async def direct(request: Request) -> Response:
            given: dict[str, object] = {name: read(request.path_params[name]) for name, read in reads.items()}
            for name, call in dependencies.items():
                given[name] = await call(request)
            limited = StrictRequest(request.scope, limited_receive(request, most_bytes))
            answer: Response = await self.endpoint(request=limited, **given)
            return answer

        return direct


# ---------------------------------------------------------------- the body


class StrictRequest(Request):
    """A request whose JSON is read strictly: no duplicate names, NaN or bad UTF-8."""

    async def json(self) -> Any:  # noqa: ANN401 - JSON
        """The body as Python values; UnreadableBody when it is not JSON."""
        try:
            return strict_json((await self.body()).decode())
        except (ValueError, RecursionError):
            raise UnreadableBody from None


def limited_receive(request: Request, most_bytes: int | None) -> BodyReceive:
    """The body as it arrives, refused as soon as it is larger than this, or later than `BODY_SECONDS`.

    A stream without a limit has this time for each of its pieces.
    """
    announced = request.headers.get("content-length", "0")
    is_too_long = most_bytes is not None and (
        not announced.isdigit() or len(announced) > MOST_LENGTH_DIGITS or int(announced) > most_bytes
    )
    received, ends_at = 0, asyncio.get_running_loop().time() + BODY_SECONDS

    async def receive() -> MutableMapping[str, Any]:
        nonlocal received
        if is_too_long:
            raise _body_too_large(most_bytes)
        try:
            async with asyncio.timeout_at(ends_at) if most_bytes is not None else asyncio.timeout(BODY_SECONDS):
                message = await request.receive()
        except TimeoutError:
            raise BodyTooSlow(headers={"Connection": "close"}) from None
        received += len(message.get("body", b""))
        if most_bytes is not None and received > most_bytes:
            raise _body_too_large(most_bytes)
        return message

    return receive


def _body_too_large(most_bytes: int | None) -> BodyTooLarge:
    return BodyTooLarge(Sentence("Send a body of at most {most} bytes.", most=most_bytes or 0))


def _is_plain_json(request: Request) -> bool:
    """Whether the headers announce JSON as it is, or no body at all."""
    headers = request.headers
    if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        return False
    if "content-type" in headers:
        return headers["content-type"].partition(";")[0].strip().lower() == "application/json"
    return "content-length" not in headers and "transfer-encoding" not in headers


# ---------------------------------------------------------------- the query


def query_names(dependant: Dependant) -> frozenset[str]:
    """The query parameters that a route takes, including the fields of its query models."""
    elsewhere = {field.alias for field in (*dependant.path_params, *dependant.header_params)}
    return frozenset(field.alias for field in get_flat_params(dependant)) - elsewhere


def refuse_unknown_or_repeated(request: Request, known: frozenset[str]) -> None:
    """InvalidRequest for a query parameter that the route does not take, or that is given twice."""
    given = [name for name, _ in request.query_params.multi_items()]
    if len(given) == len(request.query_params) and known.issuperset(given):
        return
    errors = [
        *({"type": "extra_forbidden", "loc": ("query", n)} for n in {*given} - known),
        *({"type": "repeated", "loc": ("query", n)} for n in known if given.count(n) > 1),
    ]
    if errors:
        raise InvalidRequest(errors=invalid_fields(errors))


# ---------------------------------------------------------------- what the signature says


def permission_of(dependant: Dependant) -> Permission | None:
    """The permission that a route's signature names."""
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, Permission):
            return dependency.call
    return None


def headers_of(dependant: Dependant) -> Iterator[tuple[Any, bool]]:
    """The headers that a route reads, each with whether it is required."""
    return ((field, field.field_info.is_required()) for field in dependant.header_params)


def query_models(dependant: Dependant) -> Iterator[type[BaseModel]]:
    """The models that a route's query is read by."""
    for field in dependant.query_params:
        annotation = field.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield annotation


def public_ids(dependant: Dependant) -> Iterator[PublicId]:
    """The ids of rows in a route's path and query."""
    fields: list[FieldInfo] = [field.field_info for field in (*dependant.path_params, *dependant.query_params)]
    for model in query_models(dependant):
        fields += model.model_fields.values()
    for field in fields:
        yield from (each for each in field.metadata if isinstance(each, PublicId))
        for option in get_args(field.annotation):
            yield from (each for each in getattr(option, "__metadata__", ()) if isinstance(each, PublicId))


def problems_of(dependant: Dependant, *, takes_json: bool) -> Iterator[type[Problem]]:
    """The problems that follow from a route's signature."""
    permission = permission_of(dependant)
    if permission is not None:
        yield from (
            KeyRequired,
            *(() if permission.operator else (InvalidToken, TokenExpired, AccountClosed, TokenRefused)),
            TooManyRequests,
            ServiceUnavailable,
            InvalidRequest,
        )  # an unknown query parameter is invalid
        if permission.paid:
            yield PlanRequired
        if permission.scopes:
            yield ScopeRequired
    yield from (each.unknown for each in public_ids(dependant))
    if takes_json:
        yield from (UnreadableBody, BodyTooSlow, BodyTooLarge, UnsupportedMediaType)
    if any(issubclass(model, PageQuery) for model in query_models(dependant)):
        yield InvalidCursor
    for field, is_required in headers_of(dependant):
        if field.alias == KEY_HEADER:
            yield from ((IdempotencyKeyRequired,) if is_required else ())
            yield from (RequestInProgress, IdempotencyKeyReused)
