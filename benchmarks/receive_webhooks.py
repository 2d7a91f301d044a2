"""Webhooks: how many a second the service takes, against the least code that commits what it is sent."""

import asyncio
import hashlib
import statistics
from contextlib import ExitStack, aclosing

from app.sources.connect_source import connect_source
from app.sources.connections import Connections
from app.sources.connectors import CONNECTORS
from app.vault import Vault
from app.vocabulary import Platform
from app.web.calls import WebCalls
from app.web.guard import Guard
from app.wire.ids import public_id
from benchmarks.report import Figure
from benchmarks.scene import NOW, STORE, Scene, run_as_superuser
from benchmarks.servers import WEBHOOK_SECRET, serving

WEBHOOK_ROUNDS, WEBHOOK_CONNECTIONS = 5, 12
WEBHOOK_WARM_UP_SECONDS = 1.0
WEBHOOK_GOAL = 0.6


def known_connections() -> Connections:
    """What the benchmark and the server it measures decrypt secrets with."""
    return Connections(Vault([hashlib.sha256(b"benchmark").digest()]), CONNECTORS, WebCalls(Guard()))


async def _connected(scene: Scene) -> str:
    """The path of a store that sends webhooks."""
    database = scene.database()
    async with aclosing(known_connections()) as connections, database.write() as conn:
        settings = STORE | {"platform": Platform.SHOPIFY.value}
        source = await connect_source(conn, scene.account_id, scene.audience_id, settings, NOW)
        await connections.set_webhook_secrets(conn, source, [WEBHOOK_SECRET], NOW)
    await database.close()
    return f"/webhooks/{public_id('src', source.id)}/shopify"


def measure_webhooks(scene: Scene, seconds: float) -> list[Figure]:
    """The service and the reference in turn, so that a slow moment of the machine meets both."""
    path = asyncio.run(_connected(scene))
    with ExitStack() as held:
        servers = {name: held.enter_context(serving(name, scene)) for name in ("service", "inserting")}

        def send(name: str, long: float) -> dict[str, float]:
            return servers[name].under_load(path, seconds=long, connections=WEBHOOK_CONNECTIONS, are_webhooks=True)

        for name in servers:
            send(name, WEBHOOK_WARM_UP_SECONDS)
        rounds = [{name: send(name, seconds) for name in servers} for _ in range(WEBHOOK_ROUNDS)]
    asyncio.run(run_as_superuser(scene, "TRUNCATE inbox, bare_inbox"))

    def middle(name: str, figure: str) -> float:
        return statistics.median(each[name][figure] for each in rounds)

    def spoken(name: str) -> str:
        return f"{middle(name, 'p50'):.1f}, {middle(name, 'p99'):.1f} ms, {middle(name, 'processor'):.2f} ms of CPU"

    return [
        Figure(
            "POST /webhooks/{source}/shopify, 8 kB, one worker",
            f"{middle('service', 'requests'):,.0f}/s",
            f"{middle('inserting', 'requests'):,.0f}/s bare: ASGI, asyncpg, one INSERT",
            statistics.median(each["service"]["requests"] / each["inserting"]["requests"] for each in rounds),
            WEBHOOK_GOAL,
        ),
        Figure(f"p50, p99 of {WEBHOOK_CONNECTIONS} connections", spoken("service"), f"{spoken('inserting')} bare"),
    ]
