"""Problems: the one shape of every error answer (RFC 9457).

Each kind is a class beside the code that raises it. `type` is a page of this service,
`code` is what programs compare, `detail` says what to do; input is never echoed. `title` and
`detail` are told in the language of the request.
"""

import traceback
from collections.abc import Iterator, Mapping, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any, ClassVar, TypedDict

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException

from app.invalid_values import sentence_of
from app.words import Language, Sentence, in_language, language_of, said

log = structlog.get_logger()

PROBLEM_JSON = "application/problem+json"

FieldError = TypedDict("FieldError", {"in": str, "pointer": str, "code": str, "detail": Sentence})
"""Which value is not valid, and what to give instead."""


class Problem(Exception):  # noqa: N818 - the field's word for an error answer is "problem"
    """Something a client can read and act on."""

    slug: ClassVar[str] = "problem"
    title: ClassVar[str] = "The request could not be answered"
    status: ClassVar[int] = 400

    def __init__(
        self,
        detail: Sentence | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        """Without a detail the docstring of the class is told; `members` are further fields of the answer."""
        self.detail = detail or self.explanation()
        super().__init__(str(self.detail))
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.members = dict(members or {})

    @classmethod
    def explanation(cls) -> Sentence:
        """The docstring of the class."""
        return Sentence(cleandoc(cls.__doc__ or "").replace("\n", " "))

    @classmethod
    def code(cls) -> str:
        """The slug as programs compare it: `plan_required`."""
        return cls.slug.replace("-", "_")

    def body(self, request_id: str, language: Language = Language.ENGLISH) -> dict[str, object]:
        """The members of RFC 9457 and ours."""
        members = {
            "type": f"/problems/{self.slug}",
            "title": in_language(self.title, language),
            "status": self.status,
            "code": self.code(),
            "detail": self.detail,
            "request_id": request_id,
            **({"errors": self.errors} if self.errors else {}),
            **self.members,
        }
        told: dict[str, object] = said(members, language)
        return told


class InvalidRequest(Problem):
    """The request is well-formed but some of its values are not valid; `errors` names each."""

    slug = "invalid-request"
    title = "Some values are not valid"
    status = 422


class UnreadableBody(Problem):
    """Send the body as valid JSON in UTF-8, without duplicate names, NaN or Infinity."""

    slug = "unreadable-body"
    title = "The body cannot be read"
    status = 400


class NotFound(Problem):
    """Nothing is here: check the path and the ids in it."""

    slug = "not-found"
    title = "There is nothing here"
    status = 404


class MethodNotAllowed(Problem):
    """This path does not take that method; the Allow header lists those it takes."""

    slug = "method-not-allowed"
    title = "This method is not for this path"
    status = 405


class BodyTooLarge(Problem):
    """The body is larger than this path takes; send smaller batches, or use an import."""

    slug = "body-too-large"
    title = "The body is too large"
    status = 413


class BodyTooSlow(Problem):
    """The body, or the next piece of a stream, did not arrive within 30 seconds."""

    slug = "body-too-slow"
    title = "The body arrives too slowly"
    status = 408


class HeadersTooLarge(Problem):
    """The headers of a request have at most 65,536 bytes and 100 fields."""

    slug = "headers-too-large"
    title = "The headers are too large"
    status = 431


class UnreadableRequest(Problem):
    """Send a request of HTTP/1.1."""

    slug = "unreadable-request"
    title = "The request cannot be read"
    status = 400


class UnsupportedMediaType(Problem):
    """This path does not read that Content-Type."""

    slug = "unsupported-media-type"
    title = "This media type is not read here"
    status = 415


class NotAcceptable(Problem):
    """This path gives none of the media types in Accept."""

    slug = "not-acceptable"
    title = "No acceptable form of the answer"
    status = 406


class ServiceUnavailable(Problem):
    """The service is busy or its database cannot be reached; try again after Retry-After seconds."""

    slug = "service-unavailable"
    title = "Not available just now"
    status = 503

    def __init__(self, detail: Sentence | None = None, *, retry_after_seconds: int = 2) -> None:
        """The wait goes into the Retry-After header."""
        super().__init__(detail, headers={"Retry-After": str(retry_after_seconds)})


class TooManyRequests(Problem):
    """Too many requests at once, or within a minute; try again after Retry-After seconds."""

    slug = "too-many-requests"
    title = "Too many requests"
    status = 429

    def __init__(self, detail: Sentence | None = None, *, retry_after_seconds: int = 1) -> None:
        """The wait goes into the Retry-After header."""
        super().__init__(detail, headers={"Retry-After": str(retry_after_seconds)})


class InternalError(Problem):
    """The service failed; nothing was changed. Quote the request_id when you report it."""

    slug = "internal-error"
    title = "The service failed"
    status = 500


PHRASES = {
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    406: "Not Acceptable",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
"""As RFC 9110 has them: those of Python differ by version."""

OF_STATUS: dict[int, type[Problem]] = {
    404: NotFound,
    405: MethodNotAllowed,
    413: BodyTooLarge,
    415: UnsupportedMediaType,
}


def every_problem(kind: type[Problem] = Problem) -> Iterator[type[Problem]]:
    """Every kind of problem that is defined, for the pages behind `type`."""
    for child in kind.__subclasses__():
        yield child
        yield from every_problem(child)


def documented(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI responses of these problems, one per status, an example per kind."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        response = responses.setdefault(
            kind.status,
            {
                "description": PHRASES[kind.status],
                "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        )
        examples = response["content"][PROBLEM_JSON].setdefault("examples", {})
        examples[kind.code()] = {"value": kind().body("4f1c2a9b7d3e4c5f8a6b0d1e2f3a4b5c")}
    return responses


def documented_page(html: str) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI response of a page for people."""
    content = {"text/html": {"schema": {"type": "string"}, "example": html}}
    return {200: {"content": content, "headers": {"Content-Language": {}}}}


def answer(request: Request, problem: Problem) -> JSONResponse:
    """The problem as a response, in the language of the request."""
    language = language_of(request.headers)
    return JSONResponse(
        problem.body(getattr(request.state, "request_id", ""), language),
        status_code=problem.status,
        headers={
            "Cache-Control": "no-store",
            "Content-Language": language,
            "Vary": "Accept-Language",
            **problem.headers,
        },
        media_type=PROBLEM_JSON,
    )


def invalid_fields(errors: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    """Pydantic's errors as pointers and sentences, without the input (it may be secret, NaN or a lone surrogate)."""
    fields: list[FieldError] = []
    for error in errors[:100]:
        place, *path = [str(part) for part in error["loc"]] or ["body"]
        pointer = "#/" + "/".join(part.replace("~", "~0").replace("/", "~1")[:80] for part in path)
        clean = pointer.encode("utf-8", "replace").decode()
        fields.append({"in": place, "pointer": clean, "code": error["type"], "detail": sentence_of(error)})
    return fields


def places(error: BaseException) -> list[str]:
    """Where an error comes from, file and line; its text may quote a person's data and is left out."""
    return [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-8:]]


def methods_of(request: Request) -> list[str]:
    """Every method that this path takes, over all of its routes; a fixed path is no parameter of another."""
    path = request.scope["path"]
    matching = [route for route in iter_route_contexts(request.app.routes) if route.path_regex.match(path)]
    routes = [route for route in matching if route.path == path] or matching
    return sorted({method for route in routes for method in route.methods or ()})


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error of this application with a problem; what nobody foresaw is the envelope's."""

    @app.exception_handler(Problem)
    async def on_problem(request: Request, problem: Problem) -> JSONResponse:
        return answer(request, problem)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, invalid: RequestValidationError) -> JSONResponse:
        return answer(request, InvalidRequest(errors=invalid_fields(invalid.errors())))

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error.__cause__, Problem):  # raised while the body was read: FastAPI has made it a 400
            return answer(request, error.__cause__)
        kind = OF_STATUS.get(error.status_code, UnreadableBody)
        headers = {"Allow": ", ".join(methods_of(request))} if kind is MethodNotAllowed else error.headers
        return answer(request, kind(headers=headers))
