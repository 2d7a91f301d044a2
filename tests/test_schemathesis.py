"""Schemathesis: requests made from the document, against the running service, with all checks but those that
schemathesis.toml waives.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from processes import Shop, running
from shop import OPERATOR, order

TESTS = Path(__file__).parent

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    unlimited = {f"RATE_LIMIT_{name}": "0" for name in ("REQUESTS", "SENDS", "EXPENSIVE_READS")}
    with running(tmp_path_factory.mktemp("schemathesis") / "var", **unlimited) as started:
        yield started


@pytest.fixture(scope="module")
def shop(service):
    """A store with figures, which the examples of the document ask for."""
    opened = Shop.opened(service.url, plan="paid")
    with httpx.Client(base_url=service.url, headers=opened.auth) as client:
        rows = [order(f"o{n}", f"c{n % 50}", email=f"c{n % 50}@example.test") for n in range(200)]
        assert client.post(f"/sources/{opened.source}/orders", json={"orders": rows}).status_code == 200
        sender = {"name": "S", "email": "hello@shop.example", "postal_address": "Via Roma 1, Milano"}
        assert client.patch("/account", json={"sender": sender}).status_code == 200
    return opened


@pytest.mark.parametrize("who", ["account", "operator"])
def test_requests_made_from_the_document_are_answered_as_it_says(service, shop, tmp_path, who):
    key = OPERATOR if who == "operator" else shop.key
    of_operator = ("--include-path-regex" if who == "operator" else "--exclude-path-regex", "^/accounts")
    real = {"aud_900001": shop.audience, "src_900001": shop.source, "cus_900042": "cus_1"}
    hooks = {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(TESTS), "REAL_IDS": json.dumps(real)}
    done = subprocess.run(
        [
            Path(sys.executable).with_name("st"),
            *("--config-file", TESTS / "schemathesis.toml", "run", f"{service.url}/openapi.json"),
            *("--header", f"Authorization: Bearer {key}", *of_operator),
            *(
                "--phases",
                "examples,coverage,fuzzing,stateful",
                "--max-examples",
                "20",
                "--seed",
                "1",
                "--continue-on-failure",
                "--no-color",
            ),
        ],
        cwd=tmp_path,
        env=os.environ | hooks,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
