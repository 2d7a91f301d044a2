"""The web process: pools, middleware, routers and problems."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from app import monitoring, operation, problems, set_clock
from app.accounts import domain_routes, operator_routes
from app.accounts import routes as account_routes
from app.accounts.access import Callers, OperatorKey
from app.accounts.guarded_route import FixedPaths
from app.accounts.rate_limits import RateLimits
from app.accounts.sender_domains import ANY_DOMAIN, DomainPolicy
from app.across_origins import AcrossOrigins, token_posts
from app.admission import AdmissionLayer, FairUse
from app.boards.conditional import OpenFiles
from app.boards.source import SourceCache
from app.customers import routes as customer_routes
from app.database import errors as database_errors
from app.database.pools import Database
from app.envelope import RequestLayer
from app.leaderboard import routes as leaderboard_routes
from app.ledger import import_routes
from app.ledger import routes as ledger_routes
from app.messages import open_routes
from app.messages import routes as message_routes
from app.messages.open_routes import FeedbackSource
from app.messages.sending.compose_mail import Site
from app.openapi import docs_page, text_pages
from app.openapi.docs_page import Documents
from app.openapi.document import document
from app.orders import routes as order_routes
from app.orders.read_orders import OrderReader
from app.orders.running_imports import RunningImports
from app.process_metrics import Metrics
from app.segments import routes as segment_routes
from app.services import Services
from app.sources import audience_routes, deletion_routes, inbox_routes, token_routes
from app.sources import routes as source_routes
from app.sources.connections import Connections, PublicUrl
from app.sources.receive_webhook import Receivers
from app.suppressions import routes as suppression_routes
from app.wire.instants import Clock, ServiceClock, StillClock, now_in_utc

SMALLEST_COMPRESSED_BYTES = 1024
FAIR_USE = FairUse()

FEATURES = (
    *(
        account_routes,
        operator_routes,
        domain_routes,
        token_routes,
        source_routes,
        inbox_routes,
        audience_routes,
        deletion_routes,
        order_routes,
        ledger_routes,
        import_routes,
        leaderboard_routes,
        segment_routes,
        customer_routes,
    ),
    *(suppression_routes, message_routes, open_routes),
)


def create_app(  # noqa: PLR0913 - what an application is built from
    database: Database,
    *,
    admin_key: str | None = None,
    cors_origins: tuple[str, ...] = (),
    clock: Clock = now_in_utc,
    site: Site | None = None,
    feedback: FeedbackSource | None = None,
    fair_use: FairUse = FAIR_USE,
    metrics: Metrics | None = None,
    domains: DomainPolicy = ANY_DOMAIN,
    connections: Connections | None = None,
) -> FastAPI:
    """The application over a database; it closes the pools when it stops."""
    metrics, connections = metrics or Metrics(), connections or Connections.of_this_process()
    callers, reader = Callers(), OrderReader()
    admission = Middleware(AdmissionLayer, limits=fair_use.in_flight, metrics=metrics, callers=callers)
    app = _application(database, reader, [admission, *_middleware(metrics, cors_origins)])
    _include_routes(app, clock, metrics)
    _serve_document(app)
    app.state.services = Services(
        database,
        ServiceClock(clock),
        metrics,
        OperatorKey(admin_key.encode()) if admin_key else None,
        site or Site("http://127.0.0.1:8000"),
        feedback,
        domains,
        fair_use.caps,
        callers,
        RateLimits(database, fair_use.quotas),
        SourceCache(),
        OpenFiles(),
        RunningImports(),
        reader,
        monitoring.Scrape(),
        connections,
        Receivers(connections),
        PublicUrl(site.url if site else None),
        clock if isinstance(clock, StillClock) else None,
        Documents.of(app.openapi),
        FixedPaths(_fixed_paths(app)),
    )
    return app


def _include_routes(app: FastAPI, clock: Clock, metrics: Metrics) -> None:
    """The routes, which are tried one after the other, and the answers to errors."""
    app.include_router(leaderboard_routes.hot)
    app.include_router(inbox_routes.webhooks)
    for routes in FEATURES:
        app.include_router(routes.router)
    problems.install_problem_handlers(app)
    database_errors.install_error_handlers(app)
    app.include_router(operation.health)
    app.include_router(operation.router)
    if isinstance(clock, StillClock):
        app.include_router(set_clock.router)
    if not metrics.have_own_port:
        app.include_router(monitoring.router)


def create_monitoring_app(
    database: Database, metrics: Metrics, imports: RunningImports | None = None, clock: Clock = now_in_utc
) -> FastAPI:
    """Health and metrics of a process on a port of their own; `imports` are those of the API in this process."""
    app = FastAPI(title="Monitoring", openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(operation.health)
    app.include_router(monitoring.router)
    problems.install_problem_handlers(app)
    database_errors.install_error_handlers(app)
    app.state.services = Services(
        database, ServiceClock(clock), metrics, monitoring.Scrape(), imports, FixedPaths(_fixed_paths(app))
    )
    return app


def _application(database: Database, reader: OrderReader, middleware: list[Middleware]) -> FastAPI:
    """The application without routes."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        reader.close()
        await database.close()

    return FastAPI(
        title="Loyalty Leaderboard",
        version=operation.VERSION,
        lifespan=lifespan,
        middleware=middleware,
        redirect_slashes=False,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )


def _middleware(metrics: Metrics, cors_origins: tuple[str, ...]) -> list[Middleware]:
    """The layers around every request, outermost first; only the origins named here may read answers in a browser."""
    posts = frozenset(token_posts(routes.router for routes in FEATURES))
    across_origins = Middleware(AcrossOrigins, origins=cors_origins, posts=posts)
    return [
        Middleware(RequestLayer, metrics=metrics),
        *([across_origins] if cors_origins else []),
        Middleware(GZipMiddleware, minimum_size=SMALLEST_COMPRESSED_BYTES, compresslevel=5),
    ]


def _serve_document(app: FastAPI) -> None:
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    app.include_router(docs_page.router)
    app.include_router(text_pages.router)


def _fixed_paths(app: FastAPI) -> frozenset[str]:
    """The paths without parameters; a parameter of another route never matches one of them."""
    paths = (context.path for context in iter_route_contexts(app.routes))
    return frozenset(path for path in paths if path and "{" not in path)
