"""Commands for stores: connecting one from a terminal, and reading it at once."""

import asyncio
import subprocess
import sys

import pytest
from conftest import ROOT
from fake_shops import broken, fake_woo
from processes import Shop, command, environment, running
from webhooks_of_stores import woo_order

SETTINGS = {"ALLOW_PRIVATE_HOSTS": "127.0.0.1", "PUBLIC_URL": "https://leaderboard.example"}


def asked(data_dir, lines: str, *arguments: str) -> tuple[int, str, str]:
    """`python -m app …` with something on standard input."""
    done = subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        env=environment(data_dir, **SETTINGS),
        input=lines,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
async def test_a_store_is_connected_and_read_from_a_terminal(data_dir):
    async with fake_woo() as shop:
        shop.orders = {number: woo_order(number, "1.00") for number in range(1, 151)}
        lines = "".join(f"{name}={value}\n" for name, value in shop.credentials.items())

        def session():
            with running(data_dir, WORKER="false", **SETTINGS) as service:
                audience = Shop.opened(service.url).audience
                connected = asked(data_dir, lines, "connect", audience, "woocommerce")
                wrong = asked(
                    data_dir, lines.replace("cs_", "xx_").replace("ck_", "xx_"), "connect", audience, "woocommerce"
                )
                source = connected[1].partition(":")[0]
                read = command(data_dir, "sync", source, **SETTINGS)
                shop.trouble = [broken(503)]
                failed = command(data_dir, "sync", source, **SETTINGS)
                unknown = command(data_dir, "sync", "src_1", **SETTINGS)
                return connected, wrong, source, read, failed, unknown

        connected, wrong, source, read, failed, unknown = await asyncio.to_thread(session)
    assert connected == (0, f"{source}: Bottega & Figli, EUR, Europe/Rome\n", "")
    assert wrong[0] == 1
    assert "credentials" in wrong[2]
    assert (read.code, read.out) == (0, f"{source}: live, 150 orders read\n")
    assert failed.code == 1
    assert failed.lines[-1].endswith("the store could not be read: status_503")
    assert (unknown.code, unknown.lines) == (1, ["loyalty-leaderboard: src_1 is not connected to a store"])
    assert not [each for each in (shop.secret, shop.key) if each in str((connected, wrong, read, failed))]
