"""Serving commands: the API, the worker, the schema and the OpenAPI document."""

import asyncio
import json
import signal
import socket
from contextlib import ExitStack, aclosing
from functools import partial

from app import mailing, securing, serving
from app.accounts.rate_limits import Quotas
from app.accounts.statements import SELECT_HAS_ACCOUNTS
from app.admission import FairUse
from app.commands.first_start import fill_with_demo
from app.commands.running import CommandError, console, run_until_done, with_database
from app.connecting import Urls, connected, connected_to_work, postgres, upgrade
from app.database.pools import Database
from app.main import create_app, create_monitoring_app
from app.messages.daily_caps import DailyCaps
from app.openapi.document import document
from app.orders.running_imports import RunningImports
from app.process_metrics import Metrics
from app.serving import taken_port
from app.settings import Settings, read_settings
from app.sources.store_work import StoreWork
from app.worker import Background, work


def serve() -> None:
    """Serve the API; with WORKER=true (the default) do the background work too."""
    settings = read_settings()
    mailing.check(settings)
    with ExitStack() as held:
        listener = held.enter_context(taken_port(settings.host, settings.port, "PORT"))
        metrics_listener = _metrics_listener(settings, held)
        url = f"http://{settings.host}:{listener.getsockname()[1]}"
        fill = partial(fill_with_demo, settings=settings, url=url) if settings.demo else None
        urls = held.enter_context(postgres(settings, share=False, fill=fill))
        upgrade(urls)
        run_until_done(_serve(settings, urls, url, listener, metrics_listener))


def _metrics_listener(settings: Settings, held: ExitStack) -> socket.socket | None:
    if settings.metrics_port is None:
        return None
    return held.enter_context(taken_port(settings.host, settings.metrics_port, "METRICS_PORT"))


async def _serve(
    settings: Settings, urls: Urls, url: str, listener: socket.socket, metrics_listener: socket.socket | None
) -> None:
    async with connected(urls, settings) as database, connected_to_work(urls, database.turns) as worker_database:
        if urls.embedded and settings.demo:
            await _tell_of_no_demo(database, settings)
        admin_key = settings.admin_key.get_secret_value() if settings.admin_key else None
        quotas = Quotas(
            settings.rate_limit_requests,
            settings.rate_limit_sends,
            settings.rate_limit_expensive_reads,
            settings.rate_limit_tokens,
        )
        caps = DailyCaps(settings.mail_daily_marketing, settings.mail_daily_transactional)
        metrics = Metrics(have_own_port=metrics_listener is not None)
        metrics.tell_free_space(settings.data_dir)
        connections = securing.connections(settings)
        clock = settings.service_clock
        app = create_app(
            database,
            admin_key=admin_key,
            clock=clock,
            cors_origins=settings.cors_origins,
            site=mailing.site(settings),
            feedback=mailing.feedback_source(settings),
            fair_use=FairUse(quotas=quotas, caps=caps),
            metrics=metrics,
            domains=mailing.domain_policy(settings),
            connections=connections,
        )
        console.print(f"Serving {url} (docs at /docs)", highlight=False)
        imports = app.state.services.get(RunningImports)
        monitoring = create_monitoring_app(database, metrics, imports, clock)
        async with (
            aclosing(connections),
            serving.monitored(monitoring, metrics, metrics_listener),
            mailing.delivery(settings, worker_database, metrics, clock) as delivery,
        ):
            mailbox = mailing.operator_mailbox(settings, delivery)
            stores = StoreWork.on(worker_database, connections, clock, settings.public_url, mailbox)
            background = Background(worker_database, delivery, stores, metrics) if settings.worker else None
            await serving.serve_until_stopped(app, listener, background, urls.is_running, imports.stop, clock)
    if not urls.is_running():
        raise CommandError("the embedded PostgreSQL has ended; start the service again, and see postgres.log")


async def _tell_of_no_demo(database: Database, settings: Settings) -> None:
    async with database.read() as conn:
        if not (await conn.execute(SELECT_HAS_ACCOUNTS)).scalar_one():
            told = f"{settings.data_dir} has a database without accounts; only a new DATA_DIR begins with the demo"
            console.print(told, highlight=False, soft_wrap=True)


def worker() -> None:
    """Do the background work only."""
    settings = read_settings()
    mailing.check(settings)
    connections = securing.connections(settings)

    with ExitStack() as held:
        listener = _metrics_listener(settings, held)
        metrics, clock = Metrics(have_own_port=True), settings.service_clock

        async def until_told(database: Database) -> None:
            stop = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            async with (
                aclosing(connections),
                serving.monitored(create_monitoring_app(database, metrics, clock=clock), metrics, listener),
                mailing.delivery(settings, database, metrics, clock) as delivery,
            ):
                mailbox = mailing.operator_mailbox(settings, delivery)
                stores = StoreWork.on(database, connections, clock, settings.public_url, mailbox)
                await work(Background(database, delivery, stores, metrics), clock, stop)

        with_database(settings, until_told)


def migrate() -> None:
    """Bring the database to the newest schema."""
    with postgres(read_settings(), share=True) as urls:
        upgrade(urls)


def print_openapi() -> None:
    """Print the OpenAPI document."""
    database = Database("postgresql+asyncpg://nobody@127.0.0.1/none", None, pool_size=1, pool_wait_seconds=1)
    print(json.dumps(document(create_app(database)), indent=2, ensure_ascii=False))
