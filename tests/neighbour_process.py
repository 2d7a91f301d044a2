"""Neighbour: a client that asks for the same page at a steady pace and reports how it was answered.

It runs in a process of its own, so that neither the attack nor the test slows its clock.
"""

import http.client
import json
import sys
import time
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

PATIENCE_SECONDS = 10


def ask(url: str, path: str, key: str, seconds: float, per_second: float) -> dict[str, Any]:
    """Statuses (0: no answer) and latencies in milliseconds; latency counts from the planned moment of a request."""
    statuses: Counter[int] = Counter()
    milliseconds: list[float] = []
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE_SECONDS)
    begun = time.perf_counter()
    for number in range(int(seconds * per_second)):
        planned = begun + number / per_second
        time.sleep(max(0.0, planned - time.perf_counter()))
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            answer.read()
            statuses[answer.status] += 1
        except (OSError, http.client.HTTPException):
            statuses[0] += 1
            connection.close()
        milliseconds.append((time.perf_counter() - planned) * 1000)
        if time.perf_counter() > begun + seconds:
            break
    milliseconds.sort()
    return {
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "p50": milliseconds[len(milliseconds) // 2],
        "p99": milliseconds[len(milliseconds) * 99 // 100],
        "worst": milliseconds[-1],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(ask(**json.loads(sys.argv[1]))))
