"""A private PostgreSQL: made, started, found dead, started again and stopped."""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from config.embedded import places, processes
from config.embedded.places import CannotStart

ROLE = DATABASE = "maestro"
TRIES = 5
START_SECONDS = 90  # recovery after a crash reads the log of the last minutes

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_preload_libraries": "pg_stat_statements",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "random_page_cost": "1.1",
    "max_wal_size": "1GB",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "wal_level": "replica",
    "deadlock_timeout": "1s",
    "idle_in_transaction_session_timeout": "10s",
    "log_lock_waits": "on",
    "log_min_duration_statement": "500ms",
    "log_parameter_max_length": "0",  # parameters are people's names and addresses
    "log_parameter_max_length_on_error": "0",
    "log_line_prefix": "%m [%p] ",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "lc_messages": "C",
}
# Nothing in a test's cluster outlives the test run, so nothing has to reach the disk.
THROWAWAY = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "idle_in_transaction_session_timeout": "60s",
    "log_min_duration_statement": "-1",
    # What it would find is tables that are empty between two tests; plans would depend on when.
    "autovacuum": "off",
}
# The socket lies in a folder that only the server's own user may enter.
ACCESS = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


class Postgres:
    """One cluster in `<folder>/postgres`; its log is `log`. Holds no lock: the caller does."""

    name = "postgres"

    def __init__(self, *, folder: Path, log: Path, throwaway: bool = False) -> None:
        self.log = log
        self.throwaway = throwaway
        self.owner = places.account()
        self.home = places.home(folder.resolve(), owner=self.owner)
        self.data = self.home / "postgres"
        self.programs = places.postgres_programs(self.home, owner=self.owner)
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.socket: Path | None = None
        self.url = ""

    def start(self) -> str:
        """Make the cluster if there is none, start it, and return its DATABASE_URL.

        Raises:
            CannotStart: with the server's own last complaint.
        """
        self._check_data()
        self._end_leftover()
        if not self.data.exists():
            self._make_cluster()
        self.socket = places.socket_folder(self.home, owner=self.owner)
        for _ in range(TRIES):
            self.port = processes.free_port()
            self._configure()
            self.spawn()
            if self._is_ready():
                return self._admit()
            self.stop()
        raise CannotStart(f"PostgreSQL did not start: {self._complaint()} (see {self.log}).")

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the server process, with the settings of the last start."""
        self._end_leftover()
        self.process = processes.spawn(
            [self.programs / "postgres", "-D", self.data],
            log=self.log,
            env=_environment(),
            cwd=self.home,
            owner=self.owner,
            parting=signal.SIGQUIT if self.throwaway else signal.SIGINT,
        )
        return self.process

    def stop(self) -> None:
        """End sessions and the server, in at most a few seconds."""
        if self.process is not None:
            fast = signal.SIGQUIT if self.throwaway else signal.SIGINT
            processes.end([self.process], by=fast, grace=10)
            self.process = None

    def forget(self) -> None:
        """Remove the socket's folder after the stop, wherever it was."""
        if self.socket is not None:
            places.remove_socket_folder(self.home)
            self.socket = None

    def _check_data(self) -> None:
        """Refuse data of another user or of another PostgreSQL."""
        if not self.data.exists():
            return
        owner = self.owner.uid if self.owner else os.geteuid()
        if self.data.stat().st_uid != owner:
            raise CannotStart(
                f"{self.data} belongs to another user: start as the user who made it, or remove"
                " the demo data with `make clean`."
            )
        made_by = (self.data / "PG_VERSION").read_text().strip()
        if made_by != (ours := self._version()):
            raise CannotStart(
                f"{self.data} was made by PostgreSQL {made_by} and this is {ours}: dump it with the"
                " old one first, or remove the demo data with `make clean`."
            )

    def _version(self) -> str:
        said = subprocess.run(
            [self.programs / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout
        return said.split()[2].split(".")[0]

    def _make_cluster(self) -> None:
        """Run initdb beside the final place, so that a cluster is whole or not there."""
        fresh = self.home / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        places.own(fresh, owner=self.owner, mode=0o700)
        made = self._run_initdb(fresh)
        if made.returncode:
            lines = made.stderr.strip().splitlines() or ["no reason given"]
            raise CannotStart(f"PostgreSQL's files could not be made: {lines[0]}")
        fresh.rename(self.data)

    def _run_initdb(self, data: Path) -> subprocess.CompletedProcess[str]:
        account = {}
        if self.owner is not None:
            account = {"user": self.owner.uid, "group": self.owner.gid, "extra_groups": []}
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            [
                self.programs / "initdb",
                f"--pgdata={data}",
                "--username=postgres",
                "--auth=trust",  # replaced by ACCESS before the first start
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--data-checksums",
                "--no-instructions",
                *(["--no-sync"] if self.throwaway else []),
            ],
            capture_output=True,
            text=True,
            env=_environment(),
            cwd=self.home,
            start_new_session=True,  # a Ctrl-C is ours to handle
            check=False,
            **account,
        )

    def _configure(self) -> None:
        """Write the server's settings and rules of access: ours are the only ones."""
        settings = SETTINGS | (THROWAWAY if self.throwaway else {})
        folder = str(self.socket).replace('"', '""')
        settings |= {"port": str(self.port), "unix_socket_directories": f'"{folder}"'}
        if not self._has_statistics():
            del settings["shared_preload_libraries"]
        quoted = {name: value.replace("'", "''") for name, value in settings.items()}
        lines = "".join(f"{name} = '{value}'\n" for name, value in quoted.items())
        for name, text in (("postgresql.conf", lines), ("pg_hba.conf", ACCESS)):
            path = self.data / name
            path.write_text(text)
            places.own(path, owner=self.owner, mode=0o600)

    def _has_statistics(self) -> bool:
        return (self.programs.parent / "lib" / "pg_stat_statements.so").exists()

    def _is_ready(self) -> bool:
        """Wait until the server answers; False if it ended instead."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process is None or processes.over(self.process) is not None:
                time.sleep(0.5)  # the last sessions of a killed server may still hold its memory
                return False
            with suppress(psycopg.OperationalError), self._superuser():
                return True
            time.sleep(0.05)
        return False

    def _superuser(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self.socket),
            port=self.port,
            user="postgres",
            dbname=database,
            sslmode="disable",
            connect_timeout=5,
            autocommit=True,
        )

    def _admit(self) -> str:
        """Give the application's role a new password, and the role a database it owns."""
        password = secrets.token_urlsafe(18)
        with self._superuser() as connection:
            for statement in _grants(connection, password=password):
                connection.execute(statement)
        if self._has_statistics():
            with self._superuser(DATABASE) as connection:
                connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        self.url = f"postgres://{ROLE}:{password}@127.0.0.1:{self.port}/{DATABASE}?sslmode=disable"
        return self.url

    def _end_leftover(self) -> None:
        """Stop a server that outlived its parent; drop the pid file of one that is gone.

        PostgreSQL itself believes a pid file whose number another process has taken since.
        """
        pid_file = self.data / "postmaster.pid"
        try:
            process = psutil.Process(int(pid_file.read_text().split()[0]))
            is_ours = str(self.data) in process.cmdline()
        except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
            is_ours = False
        except psutil.AccessDenied:
            is_ours = False
        if is_ours:
            _end_postmaster(process)
        pid_file.unlink(missing_ok=True)

    def _complaint(self) -> str:
        with suppress(OSError):
            for line in reversed(self.log.read_text(errors="replace").splitlines()):
                if "FATAL:" in line or "PANIC:" in line:
                    return line.split(":  ", 1)[-1].rstrip(".")
        return "it gave no reason"


def _end_postmaster(process: psutil.Process) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        with suppress(psutil.Error):
            process.send_signal(number)
            process.wait(timeout=10)
            return


def _grants(
    connection: psycopg.Connection[tuple[object, ...]], *, password: str
) -> Iterator[sql.Composed]:
    """Statements that make role and database where they are missing; the role is no superuser."""
    role, database = sql.Identifier(ROLE), sql.Identifier(DATABASE)
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone()
    verb = sql.SQL("ALTER" if known else "CREATE")
    yield sql.SQL("{} ROLE {} LOGIN CREATEDB PASSWORD {}").format(verb, role, sql.Literal(password))
    yield sql.SQL("GRANT pg_monitor TO {}").format(role)
    made = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
    if not made:
        yield sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role)


def _environment() -> dict[str, str]:
    """What the server may know of ours: no PG* variable and no language of the person's."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
