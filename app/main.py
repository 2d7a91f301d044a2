"""The web process: pools, middleware, routers and problems."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from app import openapi, operation, problems
from app.accounts import routes as account_routes
from app.accounts.access import Callers, OperatorKey
from app.accounts.guarded_route import FixedPaths
from app.admission import AdmissionLayer, InFlight
from app.boards.conditional import OpenFiles
from app.boards.source import SourceCache
from app.customers import routes as customer_routes
from app.database import errors as database_errors
from app.database.pools import Database
from app.envelope import Metrics, RequestLayer
from app.leaderboard import routes as leaderboard_routes
from app.messages import open_routes
from app.messages import routes as message_routes
from app.messages.open_routes import FeedbackSource
from app.messages.sending.compose_mail import Site
from app.orders import routes as order_routes
from app.orders.running_imports import RunningImports
from app.segments import routes as segment_routes
from app.services import Services
from app.sources import routes as source_routes
from app.wire.instants import Clock, ServiceClock, now_in_utc

SMALLEST_COMPRESSED_BYTES = 1024
EXPOSED_HEADERS = ("ETag", "Idempotent-Replayed", "Link", "Location", "Retry-After", "X-Request-Id")

FEATURES = (
    *(account_routes, source_routes, order_routes, leaderboard_routes, segment_routes, customer_routes),
    *(message_routes, open_routes),
)


def create_app(
    database: Database,
    *,
    admin_key: str | None = None,
    cors_origins: tuple[str, ...] = (),
    clock: Clock = now_in_utc,
    site: Site | None = None,
    feedback: FeedbackSource | None = None,
    in_flight: InFlight | None = None,
) -> FastAPI:
    """The application over a database; it closes the pools when it stops."""
    metrics = Metrics()
    callers = Callers()
    admission = Middleware(AdmissionLayer, limits=in_flight or InFlight(), metrics=metrics, callers=callers)
    app = _application(database, [admission, *_middleware(metrics, cors_origins)])
    app.include_router(leaderboard_routes.hot)  # first, because routes are tried one after the other
    for routes in FEATURES:
        app.include_router(routes.router)
    problems.install_problem_handlers(app)
    database_errors.install_error_handlers(app)
    app.include_router(operation.router)
    _serve_document(app)
    app.state.services = Services(
        database,
        ServiceClock(clock),
        metrics,
        OperatorKey(admin_key.encode()) if admin_key else None,
        site or Site("http://127.0.0.1:8000"),
        feedback,
        callers,
        SourceCache(),
        OpenFiles(),
        RunningImports(),
        operation.Scrape(),
        FixedPaths(_fixed_paths(app)),
    )
    return app


def _application(database: Database, middleware: list[Middleware]) -> FastAPI:
    """The application without routes."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await database.close()

    return FastAPI(
        title="Loyalty Leaderboard",
        version=operation.VERSION,
        lifespan=lifespan,
        middleware=middleware,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )


def _middleware(metrics: Metrics, cors_origins: tuple[str, ...]) -> list[Middleware]:
    """The layers around every request, outermost first; only the origins named here may read answers in a browser."""
    across_origins = Middleware(
        CORSMiddleware,
        allow_origins=list(cors_origins),
        allow_methods=["GET"],
        allow_headers=["Authorization", "If-None-Match", "X-Request-Id"],
        expose_headers=list(EXPOSED_HEADERS),
        max_age=600,
    )
    return [
        Middleware(RequestLayer, metrics=metrics),
        *([across_origins] if cors_origins else []),
        Middleware(GZipMiddleware, minimum_size=SMALLEST_COMPRESSED_BYTES, compresslevel=5),
    ]


def _serve_document(app: FastAPI) -> None:
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]
    openapi.install_docs(app)


def _fixed_paths(app: FastAPI) -> frozenset[str]:
    """The paths without parameters; a parameter of another route never matches one of them."""
    paths = (context.path for context in iter_route_contexts(app.routes))
    return frozenset(path for path in paths if path and "{" not in path)
