"""Token page: the board with a browser token, against the same board with the key that the token was made with."""

import json
import statistics
import urllib.request

from app.wire.ids import public_id
from benchmarks.board_page import CONNECTIONS, LIMIT, WARM_UP_SECONDS
from benchmarks.report import Figure
from benchmarks.scene import Scene
from benchmarks.servers import Server, serving

TOKEN_ROUNDS = 5
TOKEN_GOAL = 0.97


def measure_tokens(scene: Scene, seconds: float) -> list[Figure]:
    """Two tokens, one of which masks addresses, and the key in turn, on one server."""
    path = scene.board_path(limit=LIMIT)
    with serving("service", scene) as server:
        credentials = {
            "the key": server.key,
            "a token that masks addresses": _token(server, scene, emails=False),
            "a token that shows them": _token(server, scene, emails=True),
        }

        def asked(credential: str, during: float) -> float:
            return server.under_load(path, seconds=during, connections=CONNECTIONS, key=credential)["requests"]

        for credential in credentials.values():
            asked(credential, WARM_UP_SECONDS)
        rounds = [{who: asked(each, seconds) for who, each in credentials.items()} for _ in range(TOKEN_ROUNDS)]

    def middle(who: str) -> str:
        return f"{statistics.median(each[who] for each in rounds):,.0f}/s"

    return [
        Figure(
            f"GET /leaderboard?limit={LIMIT} with {who}",
            middle(who),
            f"{middle('the key')} with the key",
            statistics.median(each[who] / each["the key"] for each in rounds),
            TOKEN_GOAL,
        )
        for who in credentials
        if who != "the key"
    ]


def _token(server: Server, scene: Scene, *, emails: bool) -> str:
    wanted = {"sources": [public_id("src", scene.source_id)], "operations": ["board"], "emails": emails}
    asking = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/account/tokens",
        json.dumps(wanted).encode(),
        {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asking) as answer:  # noqa: S310 - as above
        token: str = json.load(answer)["token"]
    return token
